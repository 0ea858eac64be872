"""tune, train, infer and member by name, for every fitter."""

import json
import os

import numpy as np
import pandas as pd
import pytest

import tiny_project
from ostinato.cache import store
from ostinato.core.paths import Paths
from ostinato.core.task import Task
from ostinato.errors import DataError, OstinatoError, ParamsError
from ostinato.export import graphs
from ostinato.io.files import read_json, write_json
from ostinato.stages import budget, infer, member, train, tune
from ostinato.training import artefact as artefacts
from ostinato.training import out_of_fold
from ostinato.training.network import fit_network
from ostinato.training.settings import resolve


def chain(paths: Paths, params, *names: str) -> None:
    for name in names:
        for stage in (tune, train, infer):
            stage.run(paths, params, name)


def predictions(paths: Paths, name: str) -> pd.DataFrame:
    return pd.read_parquet(paths.predictions(name) / "predictions.parquet")


@pytest.fixture(scope="module")
def folded_project(tmp_path_factory):
    """Run all candidates of a project with two folds."""
    paths = tiny_project.make(tmp_path_factory.mktemp("folded") / "project", folds=2)
    params = tiny_project.settings()
    chain(paths, params, "tiny_mel", "other_mel", "tiny_tags", "svm_mel")
    for edge in params.members:
        member.run(paths, params, edge)
    chain(paths, params, "both")
    return paths, params


ALL = ["tiny_mel", "tiny_tags", "svm_mel", "both"]


@pytest.mark.parametrize("name", ALL)
def test_every_track_of_every_fold_has_one_row(folded_project, name):
    paths, _ = folded_project
    splits = pd.read_parquet(paths.splits)
    found = predictions(paths, name)
    columns = ["track_id", "fold", "split"]
    pd.testing.assert_frame_equal(found[columns], splits[columns])
    assert np.isfinite(np.stack(found["logits"])).all()
    assert np.isfinite(np.stack(found["embedding"])).all()
    assert found["logits"][0].dtype == found["embedding"][0].dtype == np.float32


@pytest.mark.parametrize("name", ALL)
def test_chunks_of_test_tracks_make_the_tracks_and_only_networks_of_chunks_have_them(folded_project, name):
    paths, params = folded_project
    file = paths.predictions(name) / "chunks.parquet"
    assert file.exists() == (name in params.candidates)
    if file.exists():
        task = artefacts.load(paths.checkpoints(name)).task_with_classes
        tested = predictions(paths, name).query("split == 'test'").set_index("track_id")["logits"]
        chunks = pd.read_parquet(file).groupby("track_id")["logits"]
        assert set(chunks.groups) == set(tested.index)
        assert chunks.size().max() > 1
        for track, logits in chunks:
            np.testing.assert_allclose(task.pool(np.stack(logits)), tested[track], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["tiny_mel", "svm_mel", "both"])
def test_tracks_that_no_network_saw_are_told_apart(folded_project, name):
    paths, _ = folded_project
    found = predictions(paths, name).query("split == 'test'")
    truth = pd.read_parquet(paths.tracks).set_index("track_id")["genre"]
    labels = [tiny_project.GENRES[int(np.argmax(v))] for v in found["logits"]]
    assert np.mean(np.array(labels) == truth[found["track_id"]].to_numpy()) > 0.45  # chance: a third


@pytest.mark.parametrize("name", ALL)
def test_the_artefact_says_how_a_track_becomes_an_input(folded_project, name):
    paths, params = folded_project
    artefact = artefacts.load(paths.checkpoints(name))
    assert artefact.folds == (0, 1)
    assert set(artefact.inputs) == ({"tiny_mel", "other_mel"} if name == "both" else {"mel"})
    described = next(iter(artefact.inputs.values()))
    assert (described.feature, described.bins, described.parameters["sample_rate"]) == ("mel", 8, 22050)
    assert described.summary == (name == "svm_mel")
    if name != "svm_mel":
        assert artefact.epochs["final"] == int(np.median([artefact.epochs["0"], artefact.epochs["1"]]))
        assert described.chunk_frames == params.train.chunk_frames


def test_scores_of_scikit_learn_are_kept_of_what_it_learned_from(folded_project):
    """Of the last fit, in the order of the classes: its file gives the same."""
    paths, _ = folded_project
    folder = paths.checkpoints("svm_mel")
    x, scores = artefacts.reference(folder)
    final = graphs.session(artefacts.onnx_file(folder, "final").read_bytes())
    (theirs,) = final.run(["scores"], {"features": x})
    assert x.dtype == np.float32
    assert scores.dtype == np.float64
    assert 20 < len(x) <= 64
    np.testing.assert_allclose(theirs, scores, atol=1e-5)
    (other,) = graphs.session(artefacts.onnx_file(folder, 0).read_bytes()).run(["scores"], {"features": x})
    assert np.abs(other - scores).max() > 1e-3


def test_statistics_belong_to_the_fold(folded_project):
    paths, _ = folded_project
    statistics = artefacts.load(paths.checkpoints("tiny_tags")).statistics
    assert set(statistics) == {"0", "1", "final"}
    assert len({tuple(s["mel"]["mean"]) for s in statistics.values()}) == 3


def test_a_member_gives_its_own_logits_but_for_training_tracks(folded_project):
    paths, _ = folded_project
    own = predictions(paths, "tiny_mel")
    given = pd.read_parquet(paths.member_logits("both") / "tiny_mel.parquet")
    same = np.array([np.array_equal(a, b) for a, b in zip(own["logits"], given["logits"], strict=True)])
    np.testing.assert_array_equal(same, own["split"] != "train")


def test_a_member_of_two_stacks_is_trained_once_and_again_once_its_settings_change(folded_project, monkeypatch):
    paths, params = folded_project
    labels = []

    def fit(*given, label, **options):
        labels.append(label)
        return fit_network(*given, label=label, **options)

    monkeypatch.setattr(out_of_fold, "fit_network", fit)
    again = {"of": "again", "member": "tiny_mel"}
    stacked = {"both": params.stacked["both"].model_dump(), "again": {"architecture": "timefreq", "task": "genre"}}
    members = {**{k: v.model_dump() for k, v in params.members.items()}, "again.tiny_mel": again}
    member.run(paths, tiny_project.settings(stacked=stacked, members=members), "again.tiny_mel")
    assert labels == []
    given = [(paths.member_logits(stack) / "tiny_mel.parquet").read_bytes() for stack in ("both", "again")]
    assert given[0] == given[1]
    more = tiny_project.settings(stacked=stacked, members=members, stacking={"folds": 2})
    member.run(paths, more, "again.tiny_mel")
    assert labels == [f"fold {fold} part {part}" for fold in (0, 1) for part in (0, 1)]
    left = list((paths.state / "member").glob("tiny_mel-*"))
    assert len(left) == 1
    assert {f.suffix for f in left[0].rglob("*") if f.is_file()} <= {".npy", ".lock"}


def test_in_sample_stacks_read_the_members_own_logits(folded_project, tmp_path):
    paths, _ = folded_project
    before = (paths.member_logits("both") / "tiny_mel.parquet").read_bytes()
    member.run(paths, tiny_project.settings(stacking={"in_sample": True}), "both.tiny_mel")
    given = pd.read_parquet(paths.member_logits("both") / "tiny_mel.parquet")
    (paths.member_logits("both") / "tiny_mel.parquet").write_bytes(before)
    for a, b in zip(predictions(paths, "tiny_mel")["logits"], given["logits"], strict=True):
        np.testing.assert_array_equal(a, b)


def test_curves_have_a_row_for_each_epoch(folded_project):
    paths, _ = folded_project
    curves = pd.read_csv(paths.checkpoints("tiny_mel") / "curves.csv")
    assert list(curves.columns) == ["fold", "epoch", "train_loss", "val_loss", "val_score"]
    assert set(curves["fold"]) == {"0", "1", "final"}
    assert not curves.query("fold != 'final'").isna().any().any()


STUDY = {"network", "train", "choice", "value", "n_trials", "importance", "trials", "gain"}


def test_a_holdout_is_searched(tmp_path):
    paths, params = tiny_project.make(tmp_path / "project"), tiny_project.settings()
    for name in ("tiny_mel", "svm_mel"):
        tune.run(paths, params, name)
        tuned = read_json(paths.tuning_result(name))
        assert set(tuned) == STUDY
        assert tuned["n_trials"] == len(tuned["trials"]) == 2


def test_folds_are_not_searched(tmp_path):
    """A fold's validation tracks are other folds' test tracks: a search would see what it is judged on."""
    paths, params = tiny_project.make(tmp_path / "project", folds=3), tiny_project.settings()
    tune.run(paths, params, "tiny_mel")
    tuned = read_json(paths.tuning_result("tiny_mel"))
    assert (tuned["n_trials"], tuned["trials"]) == (0, [])
    assert tuned["reason"] == "with several folds, validation tracks of one fold are test tracks of another"


def test_what_has_no_settings_is_not_searched(tmp_path, monkeypatch):
    """No trial is run, and the file says so."""
    from ostinato.training import objective

    monkeypatch.setattr(objective, "objective", lambda *arguments: pytest.fail("a trial was run"))
    paths = tiny_project.make(tmp_path / "project")
    params = tiny_project.settings(estimators={"none": {"estimator": "majority", "feature": "mel", "task": "genre"}})
    tune.run(paths, params, "none")
    tuned = read_json(paths.tuning_result("none"))
    assert (tuned["network"], tuned["train"], tuned["n_trials"]) == ({}, {}, 0)
    assert tuned["reason"] == "majority has no hyperparameters to search"


def test_a_choice_that_does_not_gain_on_other_tracks_is_not_taken(tmp_path, monkeypatch):
    """The study likes what harms: the defaults stay, and what it chose and lost is told."""
    from ostinato.training import objective

    def mislead(settings, *arguments):
        return lambda choice, trial: -float(bool(choice["train"]))

    monkeypatch.setattr(objective, "objective", mislead)
    paths = tiny_project.make(tmp_path / "project")
    module = resolve(tiny_project.settings(), "tiny_mel").load()
    monkeypatch.setattr(module, "search_space", _harmful)
    tune.run(paths, tiny_project.settings(), "tiny_mel")
    tuned = read_json(paths.tuning_result("tiny_mel"))
    assert tuned["choice"]["train"]["lr"] < 1e-7
    assert tuned["gain"]["mean"] < 0
    assert (tuned["network"], tuned["train"]) == ({}, {})


def test_a_choice_that_gains_on_other_tracks_is_taken_with_its_interval(tmp_path):
    """Defaults that learn nothing, and a space of those that do."""
    paths = tiny_project.make(tmp_path / "project")
    params = tiny_project.settings(
        train={"lr": 1e-7, "max_epochs": 12, "patience": 12}, tune={"n_trials": 6, "max_epochs": None}
    )
    tune.run(paths, params, "tiny_mel")
    tuned = read_json(paths.tuning_result("tiny_mel"))
    assert tuned["gain"]["low"] > 0
    assert (tuned["gain"]["n_tracks"], tuned["gain"]["n_groups"]) == (18, 6)
    assert {"network": tuned["network"], "train": tuned["train"]} == tuned["choice"] != {"network": {}, "train": {}}


def test_another_space_is_another_study(tmp_path, monkeypatch):
    """Its name holds the hash of the space, so that a study never goes on in a space that it does not fit."""
    from ostinato.training import tune as studies

    names, opened = [], studies.open_study
    monkeypatch.setattr(studies, "open_study", lambda name, *rest: names.append(name) or opened(name, *rest))
    paths, params = tiny_project.make(tmp_path / "project"), tiny_project.settings(tune={"n_trials": 2})
    tune.run(paths, params, "svm_mel")
    tune.run(paths, params, "svm_mel")
    module = resolve(params, "svm_mel").load()
    wide = lambda trial: {"network": {"C": trial.suggest_float("C", 1.0, 2.0)}, "train": {}}  # noqa: E731
    monkeypatch.setattr(module, "search_space", wide)
    tune.run(paths, params, "svm_mel")
    assert names[0] == names[1] != names[2]


def test_the_budget_is_parted_by_the_number_of_settings(tmp_path):
    """`tiny` has two settings, the support vector machine three, `majority` none, and one candidate its own number."""
    paths = tiny_project.make(tmp_path / "project")
    own = {**tiny_project.PARAMS["candidates"]["other_mel"], "n_trials": 3}
    none = {"estimator": "majority", "feature": "mel", "task": "genre"}
    params = tiny_project.settings(
        tune={"n_trials": None, "budget": {"trials": 20}},
        candidates={"other_mel": own},
        estimators={"none": none},
        stacked={"both": {**tiny_project.PARAMS["stacked"]["both"], "n_trials": 0}},
    )
    with pytest.raises(DataError, match=r"budget/svm_mel\.json: does not exist; run `ostinato budget`"):
        tune.run(paths, params, "svm_mel")
    budget.run(paths, params)
    shares = {file.stem: read_json(file) for file in paths.budgets.iterdir()}
    assert shares == {
        **{name: {"trainings": 4.444} for name in ("tiny_mel", "tiny_tags", "tiny_cqt")},
        "svm_mel": {"trainings": 6.667},
        "none": {"trainings": 0.0},
        "other_mel": {"trials": 3},
        "both": {"trials": 0},
    }
    tune.run(paths, params, "svm_mel")
    assert read_json(paths.tuning_result("svm_mel"))["n_trials"] == 7
    tune.run(paths, params, "none")
    assert read_json(paths.tuning_result("none"))["n_trials"] == 0


def test_minutes_end_a_study(tmp_path):
    paths = tiny_project.make(tmp_path / "project")
    params = tiny_project.settings(tune={"n_trials": None, "budget": {"minutes": 0.02}})
    write_json(paths.budget("svm_mel"), {"minutes": 0.02})
    tune.run(paths, params, "svm_mel")
    assert read_json(paths.tuning_result("svm_mel"))["n_trials"] >= 1


def _harmful(trial):
    return {"network": {}, "train": {"lr": trial.suggest_float("lr", 1e-9, 1e-8)}}


def test_the_same_command_writes_the_same_bytes(tmp_path):
    params, found = tiny_project.settings(), []
    for run in ("one", "two"):
        paths = tiny_project.make(tmp_path / run)
        chain(paths, params, "tiny_mel", "svm_mel")
        found.append(tiny_project.bytes_of(paths.root / "models"))
    assert found[0].keys() == found[1].keys()
    assert [k for k in found[0] if found[0][k] != found[1][k]] == []


def test_the_order_in_which_tracks_came_does_not_matter(tmp_path):
    params, found = tiny_project.settings(tune={"n_trials": 0}), []
    for run in ("one", "two"):
        paths = tiny_project.make(tmp_path / run)
        if run == "two":
            tracks = pd.read_parquet(paths.tracks).iloc[::-1]
            tracks.assign(ordinal=range(len(tracks))).to_parquet(paths.tracks)
            pd.read_parquet(paths.splits).iloc[::-1].to_parquet(paths.splits)
        chain(paths, params, "tiny_mel")
        found.append((paths.checkpoints("tiny_mel") / "final.safetensors").read_bytes())
    assert found[0] == found[1]


def test_what_is_fitted_does_not_see_the_test_tracks(tmp_path):
    params, found = tiny_project.settings(tune={"n_trials": 2}), []
    for run in ("one", "two"):
        paths = tiny_project.make(tmp_path / run)
        splits = pd.read_parquet(paths.splits)
        if run == "two":
            tested = splits.loc[splits["split"] == "test", "track_id"].to_numpy()
            rng = np.random.default_rng(9)
            tiny_project.change(paths.feature("mel"), {t: rng.normal(50, 9, size=(40, 8)) for t in tested})
        for stage in (tune, train):
            stage.run(paths, params, "tiny_tags")
        found.append(tiny_project.bytes_of(paths.root / "models"))
    assert found[0] == found[1]


def test_scores_of_a_track_are_the_mean_scores_of_its_chunks(folded_project):
    paths, _ = folded_project
    artefact = artefacts.load(paths.checkpoints("tiny_mel"))
    network = artefacts.network(paths.checkpoints("tiny_mel"), artefact, 0)
    from ostinato.stages._candidate import open_features

    source = open_features(paths, artefact.inputs, ["track004"])
    import torch

    with torch.inference_mode():
        chunks = network(torch.from_numpy(source.chunks(0)[0])).numpy()
    task = Task("genre", tiny_project.GENRES)
    row = predictions(paths, "tiny_mel").query("track_id == 'track004' and fold == 0").iloc[0]
    np.testing.assert_allclose(task.scores(row["logits"]), task.scores(chunks).mean(axis=0), atol=1e-6)


def test_a_candidate_that_the_dataset_cannot_serve_is_skipped_by_every_stage(tmp_path):
    paths, params = tiny_project.make(tmp_path / "project"), tiny_project.settings()
    store.write_meta(paths.feature("cqt"), {"kind": "cqt", "lacking": "the dataset has no audio"})
    chain(paths, params, "tiny_cqt")
    files = [paths.tuning_result("tiny_cqt"), paths.checkpoints("tiny_cqt") / "skipped.json"]
    files.append(paths.predictions("tiny_cqt") / "skipped.json")
    assert [read_json(f) for f in files] == [{"skipped": "the dataset has no audio"}] * 3
    assert [len(list(f.parent.iterdir())) for f in files[1:]] == [1, 1]


def test_a_feature_that_was_not_computed_is_an_error_and_no_reason_to_skip(tmp_path):
    paths, params = tiny_project.make(tmp_path / "project"), tiny_project.settings()
    with pytest.raises(DataError, match=r"features/cqt: does not exist; run `dvc repro featurize`"):
        train.run(paths, params, _write_empty_study(paths, "tiny_cqt"))


def test_weights_that_are_not_there_are_named(tmp_path):
    paths = tiny_project.make(tmp_path / "project")
    params = tiny_project.settings(train={"weights": str(tmp_path / "none.safetensors")})
    with pytest.raises(DataError, match=r"tiny_mel: train: weights: .*none\.safetensors is not there"):
        train.run(paths, params, _write_empty_study(paths, "tiny_mel"))


@pytest.mark.parametrize("classes", [[], ["calm"]])
def test_a_task_without_two_classes_is_skipped(tmp_path, classes):
    paths, params = tiny_project.make(tmp_path / "project"), tiny_project.settings()
    paths.classes.write_text(json.dumps({"genre": ["jazz", "rock"], "tags": classes}))
    chain(paths, params, "tiny_tags")
    reason = read_json(paths.tuning_result("tiny_tags"))["skipped"]
    assert reason == f"the dataset has {'1 class' if classes else '0 classes'} of the task tags; at least 2 are needed"


def test_a_stack_of_a_skipped_member_is_skipped_with_its_reason(tmp_path):
    paths = tiny_project.make(tmp_path / "project")
    store.write_meta(paths.feature("cqt"), {"kind": "cqt", "lacking": "the dataset has no audio"})
    of = {"of": "both", "member": "tiny_cqt"}
    params = tiny_project.settings(members={"both.tiny_cqt": of}, tune={"n_trials": 0})
    chain(paths, params, "tiny_mel", "other_mel", "tiny_cqt")
    for edge in params.members:
        member.run(paths, params, edge)
    chain(paths, params, "both")
    reason = "its member tiny_cqt was skipped: the dataset has no audio"
    assert read_json(paths.checkpoints("both") / "skipped.json") == {"skipped": reason}


def test_a_chunk_too_short_for_the_network_names_candidate_given_and_needed(tmp_path):
    paths = tiny_project.make(tmp_path / "project")
    params = tiny_project.settings(train={"chunk_frames": 2})
    with pytest.raises(OstinatoError, match=r"tiny_mel \(inputs mel \(1, 8, 2\)\).*needs at least 4 frames"):
        train.run(paths, params, _write_empty_study(paths, "tiny_mel"))


@pytest.mark.slow
def test_several_workers_share_a_study_and_draw_different_points(tmp_path):
    """Two processes start from the same empty study at once."""
    paths = tiny_project.make(tmp_path / "project")
    tune.run(paths, tiny_project.settings(tune={"n_trials": 8, "workers": 2}), "svm_mel")
    tuned = read_json(paths.tuning_result("svm_mel"))
    assert tuned["n_trials"] >= 8
    points = [json.dumps(trial["params"]) for trial in tuned["trials"]]
    assert len(set(points)) == len(points)


@pytest.mark.slow
@pytest.mark.skipif("OSTINATO_POSTGRES" not in os.environ, reason="OSTINATO_POSTGRES names no database to use")
def test_several_workers_share_a_postgresql_database(tmp_path):
    paths = tiny_project.make(tmp_path / "project")
    tuned = {"n_trials": 4, "workers": 2, "storage": os.environ["OSTINATO_POSTGRES"]}
    tune.run(paths, tiny_project.settings(tune=tuned), "svm_mel")
    assert read_json(paths.tuning_result("svm_mel"))["n_trials"] >= 4


def _write_empty_study(paths: Paths, name: str) -> str:
    paths.tuning_result(name).parent.mkdir(parents=True, exist_ok=True)
    paths.tuning_result(name).write_text('{"network": {}, "train": {}, "value": null, "n_trials": 0}')
    return name


def test_a_track_that_was_never_cached_is_passed_over(tmp_path, caplog):
    paths = tiny_project.make(tmp_path / "project")
    params = tiny_project.settings(tune={"n_trials": 0})
    splits = pd.read_parquet(paths.splits)
    lost = splits.query("split == 'test'")["track_id"].iloc[0]
    tiny_project.change(paths.feature("mel"), {lost: None})
    chain(paths, params, "tiny_mel", "other_mel", "svm_mel")
    for edge in params.members:
        member.run(paths, params, edge)
    chain(paths, params, "both")
    assert f"skipped 1 track not in the cache, such as {lost!r}" in caplog.text
    for name in ("tiny_mel", "svm_mel", "both"):
        assert set(splits["track_id"]) - set(predictions(paths, name)["track_id"]) == {lost}


def test_an_estimator_learns_from_validation_and_not_from_test(tmp_path):
    found = {}
    for swapped in ("none", "validation", "test"):
        paths = tiny_project.make(tmp_path / swapped)
        tracks, splits = pd.read_parquet(paths.tracks), pd.read_parquet(paths.splits)
        chosen = splits.loc[splits["split"] == swapped, "track_id"]
        other = dict(zip(tiny_project.GENRES, tiny_project.GENRES[::-1], strict=True))
        mine = tracks["track_id"].isin(chosen)
        tracks.loc[mine, "genre"] = tracks.loc[mine, "genre"].map(other)
        tracks.to_parquet(paths.tracks)
        chain(paths, tiny_project.settings(tune={"n_trials": 0}), "svm_mel")
        found[swapped] = (paths.checkpoints("svm_mel") / "fold0.onnx").read_bytes()
    assert found["none"] == found["test"] != found["validation"]


SUNG = {"blues": "woke up this morning", "jazz": "fly me there", "rock": "we will shake you"}


@pytest.fixture
def rich_project(tmp_path):
    """Return a project with lyrics, covers and years beside one kind of audio at two hops."""
    paths = tiny_project.make(tmp_path / "project")
    ids = [f"track{i:03d}" for i in range(36)]
    numbers = [i % 3 for i in range(36)]
    mel = tiny_project.read(paths, "mel")
    tiny_project.write_cache(paths.feature("fast"), ids, [mel[i].repeat(2, 0) for i in ids], hop_length=512)
    sung = [np.frombuffer(f"{SUNG[tiny_project.GENRES[n]]}\n".encode(), np.uint8) for n in numbers]
    tiny_project.write_cache(paths.feature("lyrics"), ids, sung, source="lyrics")
    covers = [np.full((4, 4, 3), 80 * n, np.uint8) for n in numbers]
    tiny_project.write_cache(paths.feature("cover"), ids, covers, source="cover")
    years = [np.array([[1950.0 + 20 * n]]) for n in numbers]
    tiny_project.write_cache(paths.feature("year"), ids, years, source="table")
    for joint in ("mel+fast", "lyrics+year", "mel+lyrics+cover+year"):
        store.write_meta(paths.feature(joint), {"kind": joint})
    return paths


def make_settings(feature, **options):
    kinds = {kind: {} for kind in ("mel", "lyrics", "cover", "year")} | {"fast": {"kind": "mel"}}
    candidate = {"architecture": "several", "feature": feature, "task": "genre", "train": options}
    return tiny_project.settings(
        features={"kinds": kinds | {feature: {}}}, candidates={"any": candidate}, tune={"n_trials": 0}
    )


@pytest.mark.parametrize("feature", ["mel+fast", "mel+lyrics+cover+year"])
def test_a_network_learns_from_several_inputs(rich_project, feature):
    params = make_settings(feature, max_epochs=20, patience=20, lr=0.05, max_vocabulary=50, sequence_length=6)
    chain(rich_project, params, "any")
    artefact = artefacts.load(rich_project.checkpoints("any"))
    assert list(artefact.inputs) == feature.split("+")
    found = predictions(rich_project, "any").query("split == 'test'")
    truth = pd.read_parquet(rich_project.tracks).set_index("track_id")["genre"]
    labels = [tiny_project.GENRES[int(np.argmax(v))] for v in found["logits"]]
    assert np.mean([label == truth[i] for i, label in zip(found["track_id"], labels, strict=True)]) > 0.8
    if feature == "mel+fast":
        assert [i.chunk_frames for i in artefact.inputs.values()] == [16, 32]


def test_an_estimator_of_text_is_refused(rich_project):
    params = tiny_project.settings(estimators={"of_words": {"estimator": "knn", "feature": "lyrics", "task": "genre"}})
    with pytest.raises(ParamsError, match="of_words: lyrics is text; choose a feature of audio or numbers"):
        train.run(rich_project, params, _write_empty_study(rich_project, "of_words"))


def test_what_test_tracks_hold_changes_nothing_that_was_fitted(rich_project):
    params = make_settings("lyrics+year", max_vocabulary=9, sequence_length=6)
    chain(rich_project, params, "any")
    before = tiny_project.bytes_of(rich_project.checkpoints("any"))
    splits = pd.read_parquet(rich_project.splits).set_index("track_id")["split"]
    tested, trained = (sorted(splits.index[splits == split]) for split in ("test", "train"))
    other = {"lyrics": np.frombuffer(b"unheard of words\n", np.uint8), "year": np.array([[1111.0]])}
    for ids, same in ((tested, True), (trained[:1], False)):
        for kind, rows in other.items():
            tiny_project.change(rich_project.feature(kind), dict.fromkeys(ids, rows))
        train.run(rich_project, params, "any")
        after = tiny_project.bytes_of(rich_project.checkpoints("any"))
        assert (after == before) is same
    said = [json.loads(files["artefact.json"])["statistics"]["0"] for files in (before, after)]
    assert [s["year"]["least"] for s in said] == [[1950.0], [1111.0]]
    assert said[1]["lyrics"]["shares"] != said[0]["lyrics"]["shares"]


def test_each_worker_of_a_study_sees_one_gpu_and_the_stage_the_first(tmp_path, monkeypatch):
    """Under plain `dvc repro` all that are visible, under Prefect those granted: one worker each."""
    import multiprocessing
    from types import SimpleNamespace

    seen = []

    class Process:
        exitcode = 0

        def __init__(self, target, args):
            self.worker = args[-1]

        def start(self):
            seen.append((self.worker, os.environ["CUDA_VISIBLE_DEVICES"]))

        def is_alive(self):
            return False

    monkeypatch.setattr(multiprocessing, "get_context", lambda method: SimpleNamespace(Process=Process))
    monkeypatch.setattr(tune._Study, "work", lambda study, worker: seen.append((worker, os.environ[CUDA])))
    monkeypatch.setattr(tune._Study, "_evaluate", lambda study, chosen: {})
    monkeypatch.setenv(CUDA, "4,5,5")
    paths, params = tiny_project.make(tmp_path / "project"), tiny_project.settings(tune={"n_trials": 4})
    tune.run(paths, params, "svm_mel")
    assert seen == [(1, "4"), (2, "5"), (3, "5"), (0, "4")]
    assert os.environ[CUDA] == "4,5,5"
    seen.clear()
    monkeypatch.setenv(CUDA, "-1")
    tune.run(paths, params, "svm_mel")
    assert seen == [(0, "-1")]


CUDA = "CUDA_VISIBLE_DEVICES"


SMALL = {
    "tiny": {},
    "mlp": {"hidden": [16]},
    "rnn_lstm": {"units": [8, 8], "hidden": 8},
    "large_rnn": {"units": [8]},
    "rnn": {"units": 16, "n_layers": 1},
}
"""Networks that learn in a second, at sizes that the marks of `tiny_project` need."""


@pytest.mark.slow
def test_tuning_beats_defaults_that_do_not_learn_and_never_loses_surely(tmp_path):
    """The planted optimum through the real stage: a learning rate within the space, the default far below it."""
    paths, gains = tiny_project.make(tmp_path / "project", n_tracks=72), {}
    candidates = {
        name: {"architecture": name, "feature": "mel", "task": "genre", "network": network}
        for name, network in SMALL.items()
    }
    train_ = {"lr": 1e-6, "max_epochs": 12, "patience": 12}
    params = tiny_project.settings(candidates=candidates, train=train_, tune={"n_trials": 8, "max_epochs": None})
    for name in candidates:
        tune.run(paths, params, name)
        tuned = read_json(paths.tuning_result(name))
        gains[name] = tuned["gain"]
        assert bool(tuned["train"]) == (tuned["gain"]["mean"] > 0)
    assert sum(gain["low"] > 0 for gain in gains.values()) >= 3, gains
    assert not any(gain["high"] < 0 for gain in gains.values()), gains
