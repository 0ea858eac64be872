"""Metrics against a git revision: what is worse beyond chance is red, and nothing else is."""

import json
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from ostinato.core.scores import labels
from ostinato.errors import DataError, OstinatoError
from ostinato.evaluation import score_table
from ostinato.evaluation.classification import get_metrics
from ostinato.evaluation.compare import Settings, compare, merge_settings
from ostinato.evaluation.evidence import compare_intervals, draw_swaps, share_alpha
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.evaluation.revision import Revision, read_folder, read_revision
from ostinato.evaluation.score_table import parse_scores, write_scores
from ostinato.io.files import write_json

N_CLASSES = 10
SETTINGS = Settings(0.02, 0.05, {"genre": {"f1_micro": {"min": 0.4}}}, 0.5, 0.95, 0)
PARAMS = {
    "dataset": {"name": "folder"},
    "candidates": {name: {} for name in ("good", "poor", "tagger")},
    "estimators": {"svm": {}},
    "stacked": {"stack": {}},
    "gate": {"genre": {"f1_micro": {"min": 0.4}}, "tags": {"map_macro": {"min": 0.3}, "hamming_loss": {"max": 0.3}}},
    "compare": {"tolerance": 0.02, "alpha": 0.05},
}


def git(root, *arguments):
    subprocess.run(
        ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        check=True,
        capture_output=True,
    )


def in_a_repository(project):
    project.make_candidates(good=0.7, tagger=0.7)
    write_params(project)
    root = project.paths.root
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "models/metrics", "models/test_scores", "models/gate.json", "params.yaml")
    git(root, "commit", "-qm", "Metrics")


def write_params(project, **changes):
    project.paths.params.write_text(yaml.safe_dump(PARAMS | changes))


@pytest.fixture
def repository(copy_prepared, tmp_path):
    """Return a project in a folder of a git repository, its metrics and scores committed."""
    project = copy_prepared(tmp_path, in_a_repository)
    project.params.compare = SimpleNamespace(tolerance=0.02, alpha=0.05)
    return project


def compare_with(project, rev="HEAD"):
    there = read_revision(project.paths, rev)
    return compare(read_folder(project.paths), there, merge_settings(project.params, there))


# ------------------------------------------------------------------------------------------------ in memory: the laws


def draw_labels(seed, accuracy=0.6, n_artists=15, n_each=3):
    """Draw which class is named for each test track of a corpus: artists differ in how easy they are."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(n_artists), n_each)
    truth = group % N_CLASSES
    is_right = rng.random(len(group)) < rng.beta(2 * accuracy, 2 * (1 - accuracy), n_artists)[group]
    named = np.where(is_right, truth, (truth + rng.integers(1, N_CLASSES, len(group))) % N_CLASSES)
    return group, truth, named


def score(group, truth, named):
    """Score tracks so that each gets the label named."""
    ids = np.array([f"track {i}" for i in range(len(group))], object)
    eye = np.eye(N_CLASSES)
    return ScoredTracks(ids, 0.9 * eye[named] + 0.01, eye[truth], group.astype(str).astype(object), ids, 0 * group)


def compute_metrics(rows):
    measures = {m: get_metrics("single")[m] for m in ("f1_micro", "log_loss")}
    return {m: x.function(preds=x.prepare(rows.scores, "single", 0.5), target=rows.target) for m, x in measures.items()}


def write_revision(folder, label, rows_by_name, **changes):
    """Write score tables and give the revision that holds them."""
    metrics, scores = {}, {}
    classes = tuple(f"class {i}" for i in range(N_CLASSES))
    for name, rows in rows_by_name.items():
        write_scores(folder / "scores.csv", rows, classes, "single", 0.5)
        scores[name] = (folder / "scores.csv").read_text()
        test = {m: {"value": value} for m, value in compute_metrics(rows).items()}
        split = {"hash": "h", "n_test": len(rows)}
        baseline = {"majority": {"f1_micro": {"value": 0.1}}}
        metrics[name] = {"task": "genre", "architecture": "time", "split": split, "baseline": baseline, "test": test}
    params = {"candidates": {name: {} for name in rows_by_name}}
    return replace(Revision(label, metrics, scores, {}, params), **changes)


def test_one_track_that_flips_is_never_worse(tmp_path):
    """Whichever it is."""
    group, truth, named = draw_labels(1)
    old = write_revision(tmp_path, "main", {"a": score(group, truth, named)})
    for i in np.flatnonzero(named == truth):
        flipped = named.copy()
        flipped[i] = (truth[i] + 1) % N_CLASSES
        comparison = compare(write_revision(tmp_path, "here", {"a": score(group, truth, flipped)}), old, SETTINGS)
        assert comparison.exit_code == 0
        assert "-0.0222" in comparison.markdown


def plant_fall(named, truth, seed, n=7):
    """Make n right tracks wrong: 7 of 45 are 0.156."""
    worse = named.copy()
    chosen = np.random.default_rng([seed, 1]).choice(np.flatnonzero(named == truth), n, replace=False)
    worse[chosen] = (truth[chosen] + 1) % N_CLASSES
    return worse


@pytest.mark.parametrize("accuracy", [0.45, 0.6, 0.75])
def test_a_planted_fall_is_worse_in_nineteen_of_twenty_draws(tmp_path, accuracy):
    n_worse = 0
    for seed in range(20):
        group, truth, named = draw_labels(seed, accuracy)
        old = write_revision(tmp_path, "main", {"a": score(group, truth, named)})
        new = write_revision(tmp_path, "here", {"a": score(group, truth, plant_fall(named, truth, seed))})
        n_worse += compare(new, old, SETTINGS).exit_code
    assert n_worse >= 19


def train_again(group, truth, seed):
    """Draw labels as two trainings of one network would: artists as easy as before, tracks drawn anew."""
    easy = np.random.default_rng(seed).beta(2, 1.5, group.max() + 1)[group]
    rng = np.random.default_rng([seed, 2])
    for _ in range(2):
        is_right = rng.random(len(group)) < easy
        yield score(group, truth, np.where(is_right, truth, (truth + rng.integers(1, N_CLASSES, len(group))) % 10))


def test_training_again_is_seldom_worse(tmp_path):
    """Of forty changes of eight candidates that harm none, at most one in twenty, and two more by chance."""
    group, truth, _ = draw_labels(0)
    n_worse = 0
    for change in range(40):
        drawn = {f"c{i}": tuple(train_again(group, truth, 100 * change + i)) for i in range(8)}
        old = write_revision(tmp_path, "main", {n: pair[0] for n, pair in drawn.items()})
        n_worse += compare(
            write_revision(tmp_path, "here", {n: p[1] for n, p in drawn.items()}), old, SETTINGS
        ).exit_code
    assert n_worse <= 4


def test_a_small_fall_of_every_candidate_is_worse_together(tmp_path):
    """None of them is by itself."""
    drawn = {f"c{i}": draw_labels(i) for i in range(12)}
    old = write_revision(tmp_path, "main", {n: score(*d) for n, d in drawn.items()})
    fallen = {n: score(g, t, plant_fall(named, t, i, 3)) for i, (n, (g, t, named)) in enumerate(drawn.items())}
    comparison = compare(write_revision(tmp_path, "here", fallen), old, SETTINGS)
    assert comparison.regressions == ("genre, all together: f1_micro fell by 0.0667 on average",)


def test_the_order_of_classes_does_not_matter(tmp_path):
    rows = score(*draw_labels(3))
    old = write_revision(tmp_path, "main", {"a": rows})
    turned = replace(rows, scores=rows.scores[:, ::-1], target=rows.target[:, ::-1])
    write_scores(tmp_path / "x.csv", turned, tuple(f"class {i}" for i in range(N_CLASSES))[::-1], "single", 0.5)
    new = replace(old, label="here", scores={"a": (tmp_path / "x.csv").read_text()})
    comparison = compare(new, old, SETTINGS)
    assert (comparison.exit_code, "unchanged: `a`" in comparison.markdown) == (0, True)


def test_a_trivial_baseline_never_decides(tmp_path):
    group, truth, _ = draw_labels(1)
    old, new = (
        write_revision(tmp_path, label, {"majority": score(group, truth, x)})
        for label, x in (("main", truth), ("here", (truth + 1) % N_CLASSES))
    )
    for side in (old, new):
        side.metrics["majority"]["architecture"] = "majority"
    comparison = compare(new, old, SETTINGS)
    assert comparison.exit_code == 0
    assert "| majority | f1_micro | 1.0000 | 0.0000 | -1.0000 |" in comparison.markdown  # shown all the same


def test_only_what_the_gate_bounds_decides(tmp_path):
    """The loss of a network that grows surer of its faults is shown and no more."""
    rows = score(*draw_labels(1))
    sure = replace(rows, scores=rows.scores**8 / (rows.scores**8).sum(axis=1, keepdims=True))
    sides = [write_revision(tmp_path, label, {"a": r}) for label, r in (("main", rows), ("here", sure))]
    comparison = compare(sides[1], sides[0], SETTINGS)
    assert comparison.exit_code == 0
    assert "| a | log_loss |" in comparison.markdown


def test_alpha_is_shared_among_tests_that_can_raise_an_alarm():
    assert share_alpha([0.001] * 5 + [1.0] * 20, 0.05) == 0.01
    assert share_alpha([], 0.05) == 0.05
    # of six tests only the three that may reach a sixtieth count
    assert share_alpha([0.001, 0.002, 0.015, 0.03, 0.04, 0.05], 0.05) == pytest.approx(0.05 / 3)


def test_swaps_are_all_there_where_groups_are_few_and_random_else():
    assert len(np.unique(draw_swaps(11, 0), axis=0)) == 2**11
    many = draw_swaps(12, 0)
    assert many.shape == (2000, 12)
    assert not many[0].any()
    assert np.array_equal(many, draw_swaps(12, 0))


# -------------------------------------------------------------------------------------------------- the table of scores


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_rounding_changes_no_label_and_no_order(tmp_path, kind):
    rng = np.random.default_rng(0)
    scores = rng.random((200, 4))
    scores[:50] = 0.5 + 1e-13 * rng.integers(-3, 4, (50, 4))  # at the very threshold, and all but equal
    scores[50:60, 0] = 1 - 10.0 ** -np.arange(1, 11)  # surer and surer
    if kind == "single":
        scores /= scores.sum(axis=1, keepdims=True)
    ids = np.array([f'a,"{i}"\n' for i in range(200)], object)
    rows = ScoredTracks(ids, scores, (rng.random((200, 4)) < 0.3).astype(np.float32), ids, ids, np.zeros(200, np.int64))
    write_scores(tmp_path / "x.csv", rows, ("a", "b", "c", "d"), kind, 0.5)
    table = parse_scores((tmp_path / "x.csv").read_text(), kind, "x.csv")
    assert np.array_equal(labels(table.rows.scores, kind), labels(scores, kind))
    assert np.array_equal(table.rows.target, rows.target)
    assert list(table.rows.track_id) == list(ids)
    np.testing.assert_allclose(table.rows.scores, scores, rtol=2e-5, atol=1e-9)
    if kind == "multi":
        assert (np.diff(table.rows.scores[50:60, 0]) > 0).all()


def test_a_large_collection_keeps_the_same_tracks_as_it_grows(tmp_path, monkeypatch):
    monkeypatch.setattr(score_table, "LIMIT", 20)
    group, truth, named = draw_labels(0, n_artists=100)
    rows = score(group, truth, named)
    few, many = (score_table.sample_tracks(r) for r in (rows.select(np.arange(250)), rows))
    assert len(few) == len(many) == 20
    stay = [t for t in many.track_id if int(t.split()[1]) < 250]
    assert len(stay) >= 14
    assert set(stay) <= set(few.track_id)
    old = write_revision(tmp_path, "main", {"a": rows})
    old.metrics["a"]["split"]["n_test"] = 300
    assert compare(replace(old, label="here"), old, SETTINGS).exit_code == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not begin with track_id"),
        ("track_id,scores\n", "does not begin with track_id"),
        ("track_id,content,group,target,a\nx,y,z,0,high\n", "row 1 cannot be read"),
        ("track_id,content,group,target,a\nx,y,z,0\n", "row 1 cannot be read"),
        ("track_id,content,group,target,a\nx,y,z,3,0.5\n", "row 1 cannot be read"),
    ],
)
def test_a_table_that_is_none_is_refused(text, message):
    with pytest.raises(DataError, match=f"main: scores.csv.*{message}"):
        parse_scores(text, "single", "main: scores.csv")


def test_an_embedding_keeps_the_metrics_of_each_artist(tmp_path):
    values = np.array([[0.25, np.nan], [0.5, 1 / 3]])
    names = np.array(["x", "y"], object)
    rows = ScoredTracks(names, values, np.zeros((2, 2), np.float32), names, names, np.zeros(2, np.int64))
    write_scores(tmp_path / "x.csv", rows, ("map", "ndcg"), "embedding", 0.5)
    assert (tmp_path / "x.csv").read_text().splitlines()[1:] == ["x,x,x,,0.25,", "y,y,y,,0.5,0.333333"]
    np.testing.assert_allclose(
        parse_scores((tmp_path / "x.csv").read_text(), "embedding", "x").rows.scores, values, 1e-5
    )


# ------------------------------------------------------------------------------------------------------ in a repository


def test_nothing_changed_is_green(repository):
    comparison = compare_with(repository)
    assert comparison.exit_code == 0
    assert "Nothing is worse beyond tolerance and chance." in comparison.markdown
    assert "- unchanged: `good`, `tagger`\n" in comparison.markdown
    assert len(comparison.markdown.splitlines()) < 8  # however many metrics there are


def test_a_worse_prediction_is_red_from_git_alone(repository):
    repository.make_candidates(good=0.3, tagger=0.7)
    comparison = compare_with(repository)
    assert comparison.exit_code == 1
    assert [r.split(" went")[0] for r in comparison.regressions] == ["good: f1_micro"]
    assert "**worse**, below the gate's 0.4 (30 test tracks)" in comparison.markdown
    assert "accepted by the gate in HEAD, but no longer: `good`" in comparison.markdown


def test_a_gate_missed_by_a_hair_is_said_and_not_red(repository):
    write_params(repository, gate=PARAMS["gate"] | {"genre": {"f1_micro": {"min": 0.66}}})
    git(repository.paths.root, "commit", "-qam", "Bound")
    repository.params.gate["genre"]["f1_micro"].min = 0.66
    repository.make_candidates(good=0.66, tagger=0.7)
    comparison = compare_with(repository)
    assert comparison.exit_code == 0
    assert "below the gate's 0.66" in comparison.markdown
    assert "accepted by the gate in HEAD, but no longer: `good`" in comparison.markdown


def test_a_change_cannot_loosen_what_judges_it(repository):
    write_params(repository, compare={"tolerance": 0.9, "alpha": 1e-9}, gate={})
    repository.params.compare, repository.params.gate = SimpleNamespace(tolerance=0.9, alpha=1e-9), {}
    repository.predict("good", 0.3)
    repository.evaluate("good")
    assert compare_with(repository).exit_code == 1


def drop_scores(project):
    git(project.paths.root, "rm", "-rq", "--cached", "models/test_scores")
    git(project.paths.root, "commit", "-qm", "Before there were scores")


@pytest.mark.parametrize(("skill", "code"), [(0.55, 0), (0.0, 1)])
def test_without_scores_the_intervals_decide_and_it_says_so(repository, skill, code):
    drop_scores(repository)
    repository.make_candidates(good=skill, tagger=0.7)
    comparison = compare_with(repository)
    assert comparison.exit_code == code
    assert "compared by intervals, which show only large falls, since models/test_scores is not in HEAD: `good`" in (
        comparison.markdown
    )
    assert "(intervals alone)" in comparison.markdown


def test_scores_of_another_run_are_not_believed(repository):
    path = repository.paths.metrics("good")
    metrics = json.loads(path.read_text())
    metrics["test"]["f1_micro"]["value"] -= 0.3
    write_json(path, metrics)
    comparison = compare_with(repository)
    assert "models/test_scores here is not of the same run as models/metrics; run `dvc repro`: `good`" in (
        comparison.markdown
    )
    assert "| good | f1_micro | 0.6667 | 0.3667 | -0.3000" in comparison.markdown


def test_intervals_without_ends_tell_nothing():
    assert compare_intervals({"value": 0.2, "low": None, "high": None}, {"value": 0.9}, True, 0.95) is None
    loss = [{"value": v, "low": v - 0.1, "high": v + 0.2} for v in (0.9, 0.2)]
    evidence = compare_intervals(*loss, False, 0.95)
    assert evidence.gain == pytest.approx(-0.7)
    assert (evidence.low, evidence.high) == pytest.approx((-0.7 - 0.05**0.5, -0.7 + 0.05**0.5))


def test_another_dataset_is_said_and_not_compared(repository):
    write_params(repository, dataset={"name": "gtzan"})
    repository.make_candidates(good=0.0, tagger=0.0)
    comparison = compare_with(repository)
    assert comparison.exit_code == 0
    assert "Not compared: the dataset is `gtzan` here and `folder` in `HEAD`." in comparison.markdown


def test_other_classes_are_said_and_not_compared(repository):
    repository.tables(genres=("blues", "jazz", "metal"))
    repository.make_candidates(good=0.0, tagger=0.7)
    comparison = compare_with(repository)
    assert comparison.exit_code == 0
    assert "- not compared, other classes than in HEAD (gone: rock; new: metal): `good`" in comparison.markdown


def test_other_tracks_are_said_and_not_compared(repository):
    repository.tables(seed=5)
    repository.make_candidates(good=0.0, tagger=0.0)
    comparison = compare_with(repository)
    assert comparison.exit_code == 0
    assert "- not compared, since no test track is common to both: `good`, `tagger`" in comparison.markdown


def test_another_split_is_pointed_out(repository):
    path = repository.paths.metrics("good")
    metrics = json.loads(path.read_text())
    metrics["split"]["hash"] = "other"
    write_json(path, metrics)
    assert "the split differs" in compare_with(repository).markdown


def test_what_only_one_side_has_is_said_and_is_no_regression(repository):
    repository.params.candidates["newcomer"] = repository.params.candidates["good"]
    repository.make_candidates(good=0.7, tagger=0.7, newcomer=0.6)
    repository.paths.metrics("poor").unlink()
    candidates = {name: {} for name in ("good", "newcomer", "tagger", "poor")}
    write_params(repository, candidates=candidates, stacked={})
    comparison = compare_with(repository)
    assert comparison.exit_code == 0
    assert "new, HEAD has no metrics: `newcomer`" in comparison.markdown
    assert "gone, in params.yaml of HEAD only: `stack`" in comparison.markdown
    assert "missing, run `dvc repro`; in params.yaml and without metrics: `poor`" in comparison.markdown


def test_a_candidate_removed_before_is_not_listed_for_ever(repository):
    """Its metrics may still lie in git."""
    write_params(repository, stacked={})
    git(repository.paths.root, "commit", "-qam", "Remove the stack")
    assert "stack" not in compare_with(repository).markdown


def test_a_skipped_candidate_says_why(repository):
    assert "- skipped here, the dataset has no lyrics: `poor`, `svm`, `stack`\n" in compare_with(repository).markdown


def test_an_undefined_metric_is_not_compared(repository):
    path = repository.paths.metrics("tagger")
    metrics = json.loads(path.read_text())
    metrics["test"]["map_macro"]["value"] = None
    write_json(path, metrics)
    comparison = compare_with(repository)
    assert comparison.exit_code == 0
    assert "| not comparable |" in comparison.markdown


def test_an_unknown_revision_and_one_without_metrics_are_refused(repository):
    with pytest.raises(OstinatoError, match="nowhere: git has no such revision; name a revision such as main"):
        compare_with(repository, "nowhere")
    git(repository.paths.root, "rm", "-rq", "--cached", "models")
    git(repository.paths.root, "commit", "-qm", "Remove the metrics")
    with pytest.raises(OstinatoError, match="HEAD: holds no models/metrics"):
        compare_with(repository)


def test_a_shallow_clone_is_enough_once_the_base_is_fetched(repository, tmp_path_factory):
    root = repository.paths.root
    git(root, "checkout", "-qb", "change")
    git(root, "commit", "-q", "--allow-empty", "-m", "Change")
    clone = tmp_path_factory.mktemp("clone") / "project"
    subprocess.run(
        ["git", "clone", "-q", "--depth=1", "--branch=change", root.as_uri(), str(clone)],
        check=True,
        capture_output=True,
    )
    shallow = type(repository.paths)(clone)
    with pytest.raises(OstinatoError, match=r"shallow.*git fetch --depth=1 origin main.*FETCH_HEAD.*fetch-depth: 0"):
        read_revision(shallow, "origin/main")
    git(clone, "fetch", "-q", "--depth=1", "origin", "main")
    there = read_revision(shallow, "FETCH_HEAD")
    assert compare(read_folder(shallow), there, merge_settings(repository.params, there)).exit_code == 0
