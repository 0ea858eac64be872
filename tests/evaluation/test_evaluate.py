"""The stage evaluate: from predictions to models/metrics/<name>.json."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from ostinato.errors import DataError
from ostinato.evaluation.score_table import parse_scores
from ostinato.metrics.probabilities import map_macro


def test_perfect_predictions_score_one_in_every_figure(project):
    project.predict("good", skill=1.0)
    metrics = project.evaluate("good")
    for name in ("accuracy", "f1_micro", "f1_macro", "jaccard", "map_macro", "map_samples"):
        estimate = metrics["test"][name]
        assert (estimate["value"], estimate["high"]) == (1.0, 1.0)
        assert 0.5 < estimate["low"] < 1, "few artists cannot show that no track is ever wrong"
    assert metrics["test"]["hamming_loss"]["value"] == 0.0
    n_test = metrics["split"]["n_test"]
    assert np.array(metrics["confusion"]).sum() == np.trace(metrics["confusion"]) == n_test == 30
    assert sum(c["support"] for c in metrics["per_class"].values()) == n_test
    assert list(metrics["undefined"]) == ["too_few_classes"]


def test_keys_that_others_rely_on(project):
    project.predict("good", skill=0.5)
    metrics = project.evaluate("good")
    assert (metrics["task"], metrics["architecture"], metrics["feature"]) == ("genre", "time", "mel")
    assert (
        metrics["split"].items()
        >= {"name": "holdout by artist", "hash": "h00", "n_tracks": 120, "ceiling": 1.0}.items()
    )
    assert set(metrics["test"]["f1_micro"]) == {"value", "low", "high"}
    assert set(metrics["baseline"]) == {"majority"}
    assert set(metrics["validation"]) == set(metrics["test"])


def test_value_lies_within_its_interval_and_the_interval_has_a_width(project):
    project.predict("good", skill=0.6)
    metrics = project.evaluate("good")
    assert metrics["test"].pop("top_3") == {"value": None, "low": None, "high": None}, "of three classes"
    assert metrics["undefined"]["too_few_classes"] == {"n": 3, "left_out_of": ["top_3"]}
    for name, figure in metrics["test"].items():
        assert figure["low"] < figure["high"], name
        assert figure["low"] <= figure["value"] <= figure["high"], name


def test_majority_is_the_share_of_the_commonest_training_class(project):
    project.predict("good", skill=0.5)
    metrics = project.evaluate("good")
    train = project.splits.query("split == 'train'").merge(project.tracks, on="track_id")["genre"]
    test = project.splits.query("split == 'test'").merge(project.tracks, on="track_id")["genre"]
    expected = (test == sorted(train.value_counts()[lambda c: c == c.max()].index)[0]).mean()
    assert metrics["baseline"]["majority"]["accuracy"]["value"] == pytest.approx(expected, abs=1e-6)


def test_tags_have_all_negative_beside_them_and_thresholds_of_their_own(project):
    project.predict("tagger", skill=0.7, task="tags")
    metrics = project.evaluate("tagger")
    tags = np.array([[t in row for t in ("calm", "drums", "fast", "voice")] for row in project.tracks["tags"]])
    test = project.tracks["track_id"].isin(project.splits.query("split == 'test'")["track_id"])
    assert metrics["baseline"]["all_negative"]["hamming_loss"]["value"] == pytest.approx(tags[test].mean(), abs=1e-6)
    assert metrics["baseline"]["all_negative"]["f1_micro"]["value"] == 0.0
    assert set(metrics["thresholds"]) == {"calm", "drums", "fast", "voice"}
    assert set(metrics["test_tuned"]) == set(metrics["test"])
    assert np.array(metrics["confusion"]).shape == (4, 2, 2)
    assert np.array(metrics["confusion"]).sum() == 4 * metrics["split"]["n_test"]


def test_a_class_without_test_tracks_is_named_as_undefined(project):
    keep = ~((project.splits["split"] == "test") & project.splits["track_id"].str.startswith("rock"))
    project.splits[keep].to_parquet(project.paths.splits, index=False)
    project.predict("good", skill=1.0)
    metrics = project.evaluate("good")
    assert metrics["undefined"]["classes_without_positives"]["classes"] == ["rock"]
    rock = metrics["per_class"]["rock"]
    assert rock.pop("calibration_error") < 0.01  # no track has it, and none is told so
    assert rock == {"precision": None, "recall": None, "f1": None, "ap": None, "roc_auc": None, "support": 0}
    assert metrics["test"]["f1_macro"]["value"] == 1.0


def test_a_class_that_every_track_has_is_named_as_undefined(project):
    every = [np.union1d(tags, ["calm"]) for tags in project.tracks["tags"]]
    project.tracks.assign(tags=every).to_parquet(project.paths.tracks, index=False)
    project.predict("tagger", skill=0.6, task="tags")
    metrics = project.evaluate("tagger")
    about = metrics["undefined"]["classes_without_negatives"]
    assert about == {"n": 1, "classes": ["calm"], "left_out_of": ["roc_auc_macro"]}
    assert metrics["per_class"]["calm"]["roc_auc"] is None
    assert metrics["per_class"]["calm"]["ap"] is not None


def test_classes_that_are_paths_are_judged_as_a_tree(project):
    project.tables(genres=("rock---punk", "rock---metal", "jazz"))
    project.predict("good", skill=0.5)
    metrics = project.evaluate("good")
    flat, tree = metrics["test"]["f1_micro"], metrics["hierarchy"]
    assert tree["n_nodes"] == 4
    assert flat["value"] < tree["value"] < 1  # a punk track named metal is half right
    assert tree["low"] <= tree["value"] <= tree["high"]
    project.tables()
    project.predict("good", skill=0.5)
    assert "hierarchy" not in project.evaluate("good")


def test_folds_are_pooled_and_each_track_counts_once(project):
    project.tables(folds=4)
    project.predict("good", skill=0.8)
    assert project.evaluate("good")["split"]["n_test"] == 120


def test_tracks_that_cannot_be_judged_are_left_out_and_the_ceiling_is_stated(project):
    project.tables(folds=4, not_evaluable=6)
    project.predict("good", skill=1.0)
    metrics = project.evaluate("good")
    assert metrics["split"].items() >= {"n_tracks": 120, "n_evaluable": 90, "n_test": 90, "ceiling": 0.75}.items()
    assert metrics["test"]["accuracy"]["value"] == 1.0
    judged, every = metrics["test"]["accuracy"], metrics["test_all"]["accuracy"]
    assert every == {end: pytest.approx(0.75 * figure, abs=1e-6) for end, figure in judged.items()}


def test_tracks_that_are_tested_without_having_been_trained_on_their_genre_do_not_count(project):
    """Their genre was never trained, so that a right answer is no merit; tags are judged all the same."""
    untrained = project.splits["track_id"].str.startswith("rock")
    project.splits.loc[untrained, "evaluable"] = False
    project.splits.to_parquet(project.paths.splits, index=False)
    project.predict("good", skill=1.0)
    metrics = project.evaluate("good")
    assert (metrics["split"]["n_test"], metrics["split"]["ceiling"]) == (20, 0.666667)
    assert metrics["per_class"]["rock"]["support"] == 0
    project.predict("tagger", skill=1.0, task="tags")
    assert project.evaluate("tagger")["split"].items() >= {"n_test": 30, "ceiling": 1.0}.items()


def cut(project, name, flip):
    """Write two chunks a test track: the track's logits, and those turned round where `flip` says so."""
    table = pd.read_parquet(project.paths.predictions(name) / "predictions.parquet").query("split == 'test'")
    turned = [-x if turn else x for x, turn in zip(table["logits"], flip(table), strict=True)]
    chunks = pd.concat([table, table.assign(logits=turned)])[["track_id", "fold", "split", "logits"]]
    chunks.to_parquet(project.paths.predictions(name) / "chunks.parquet", index=False)


@pytest.mark.parametrize(("name", "task"), [("good", "genre"), ("tagger", "tags")])
def test_chunks_that_say_what_their_tracks_say_have_the_figures_of_tracks(project, name, task):
    project.predict(name, 0.7, task)
    assert "chunks" not in project.evaluate(name)
    cut(project, name, lambda table: [False] * len(table))
    metrics = project.evaluate(name)
    assert metrics["chunks"]["n"] == 2 * metrics["split"]["n_test"]
    assert metrics["chunks"]["test"].keys() == metrics["test"].keys()
    for metric, of_tracks in metrics["test"].items():
        assert metrics["chunks"]["test"][metric] == pytest.approx(of_tracks, abs=1e-5), metric


def test_a_wrong_chunk_counts_among_chunks_and_not_among_tracks(project):
    project.predict("good", 1.0)
    cut(project, "good", lambda table: range(len(table)))  # all second chunks but the first
    metrics = project.evaluate("good")
    n = metrics["split"]["n_test"]
    assert metrics["test"]["accuracy"]["value"] == 1
    assert metrics["chunks"]["test"]["accuracy"]["value"] == pytest.approx((n + 1) / (2 * n), abs=1e-5)


def test_the_same_inputs_give_the_same_bytes(project):
    project.predict("good", skill=0.6)
    project.evaluate("good")
    files = (project.paths.metrics("good"), project.paths.test_scores("good"))
    first = [file.read_bytes() for file in files]
    project.evaluate("good")
    assert [file.read_bytes() for file in files] == first


def test_git_gets_the_scores_of_the_test_tracks(project):
    """They give the metrics that stand beside them."""
    project.predict("tagger", 0.8, "tags")
    value = project.evaluate("tagger")["test"]["map_macro"]["value"]
    table = parse_scores(project.paths.test_scores("tagger").read_text(), "multi", "tagger.csv")
    assert (table.classes, len(table.rows)) == (("calm", "drums", "fast", "voice"), 30)
    assert map_macro(preds=table.rows.scores, target=table.rows.target) == pytest.approx(value, abs=1e-6)


def test_a_skipped_candidate_says_why(project):
    project.skip("good", "no lyrics")
    assert project.evaluate("good") == {"skipped": "no lyrics"}
    assert project.paths.test_scores("good").read_text() == "track_id,content,group,target\n"


def test_a_track_without_a_prediction_is_counted_and_none_at_all_is_an_error(project):
    project.predict("good", skill=0.6)
    file = project.paths.predictions("good") / "predictions.parquet"
    table = pd.read_parquet(file)
    tested = table.index[table["split"] == "test"]
    table.drop(index=tested[:2]).to_parquet(file, index=False)
    assert project.evaluate("good")["split"].items() >= {"n_test": 28, "n_absent": 2}.items()
    table.drop(index=tested).to_parquet(file, index=False)
    with pytest.raises(DataError, match="none of 30 test tracks has one; run infer again"):
        project.evaluate("good")


def test_a_track_tested_twice_is_refused(project):
    twice = project.splits.query("split == 'test'").head(1).assign(fold=1)
    project.splits = pd.concat([project.splits, twice], ignore_index=True)
    project.splits.to_parquet(project.paths.splits, index=False)
    project.predict("good", skill=0.6)
    with pytest.raises(DataError, match="tested in two folds"):
        project.evaluate("good")


def test_predictions_of_other_classes_are_refused(project):
    project.predict("good", skill=0.6)
    project.classes["genre"] += ["soul"]
    project.paths.classes.write_text(json.dumps(project.classes))
    with pytest.raises(DataError, match=r"\[3\] logits for 4 classes"):
        project.evaluate("good")


@pytest.mark.parametrize("stage", ["evaluate", "gate", "report"])
def test_judging_imports_no_network_library(stage):
    libraries = {"torch", "pytorch_lightning", "optuna"}
    code = f"import sys, ostinato.stages.{stage}; sys.exit(bool({libraries} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_an_estimator_has_learnt_from_calibrates_nothing(project):
    project.predict("good", skill=0.6)
    assert {"validation", "calibration"} <= {k for k, v in project.evaluate("good").items() if v}
    file = project.paths.checkpoints("good") / "artefact.json"
    file.write_text(file.read_text().replace("lightning", "sklearn"))
    found = project.evaluate("good")
    assert found["validation"] == {}
    assert "calibration" not in found
