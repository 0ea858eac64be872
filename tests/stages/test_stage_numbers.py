"""Numbers of the tracks that a stack reads beside its members: from the cache to the exported file."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import tiny_project
from ostinato.cache import store
from ostinato.cli import stages as commands
from ostinato.core.candidates import get_candidates
from ostinato.core.params.yaml_io import write
from ostinato.core.scores import scores
from ostinato.errors import DataError, OstinatoError, ParamsError
from ostinato.export import graphs
from ostinato.io.files import read_json, write_json
from ostinato.layers.stack import pool
from ostinato.stages import evaluate, export, infer, member, number, train, tune
from ostinato.training import artefact as artefacts
from ostinato.training.data.member_logits import read_member

IDS = [f"track{i:03d}" for i in range(36)]
YEARS = {track: 1950.0 + 20 * (i % 3) + i / 36 for i, track in enumerate(IDS)}
STACK = {
    "architecture": "recommendation",
    "task": "genre",
    "n_trials": 0,
    "train": {"max_epochs": 40, "patience": 40, "lr": 0.003},
    "network": {
        "hidden": [64, 32],
        "roles": {"tiny_mel": "mfcc", "other_mel": "chroma"},
        "absent": ["place", "year"],
    },
}
ORDER = ("tiny_mel", "other_mel")
NUMBERS = {f"both.{kind}": {"of": "both", "feature": kind} for kind in ("place", "year")}


def make(root, folds=0):
    """Return the tiny project years that tell the genre, and places that tell nothing."""
    paths = tiny_project.make(root, folds=folds)
    tiny_project.write_cache(paths.feature("year"), IDS, [np.array([[YEARS[i]]]) for i in IDS], source="table")
    places = np.random.default_rng(0).uniform(-60, 60, (36, 1, 2))
    places[::5] = np.nan
    tiny_project.write_cache(paths.feature("place"), IDS, list(places), source="table")
    plain = dict.fromkeys(("artist", "album", "title", "year", "latitude", "longitude"))
    tracks = pd.read_parquet(paths.tracks).assign(path="x.flac", duration=9.0, content_hash=IDS, **plain)
    tracks.to_parquet(paths.tracks)
    about = {"kind": "mel", "parameters": {"sample_rate": 22050, "n_mels": 8}, "tail": [8]}
    store.write_meta(paths.feature("mel"), about)
    write_json(paths.classes, read_json(paths.classes) | {"name": "holdout", "n_tracks": 36})
    return paths


def settings(**changes):
    untuned = {n: {**tiny_project.PARAMS["candidates"][n], "n_trials": 0} for n in ("tiny_mel", "other_mel")}
    given = {"candidates": untuned, "stacked": {"both": {**STACK, **changes.pop("stack", {})}}, "numbers": NUMBERS}
    return tiny_project.settings(**(given | changes))


def members(paths, params):
    for name in ORDER:
        for stage in (tune, train, infer):
            stage.run(paths, params, name)
    for edge in params.members:
        member.run(paths, params, edge)
    for edge in params.numbers:
        number.run(paths, params, edge)


def fit(paths, params):
    for stage in (tune, train, infer):
        stage.run(paths, params, "both")


@pytest.fixture(scope="module")
def finished_paths(tmp_path_factory):
    """Run a stack with numbers on one holdout, from its members to its file."""
    paths, params = make(tmp_path_factory.mktemp("numbers") / "project"), settings()
    members(paths, params)
    fit(paths, params)
    evaluate.run(paths, params, "both")
    write_json(paths.gate_result("both"), {"accepted": True, "reasons": []})
    export.run(paths, params, "both")
    return paths, params


def read_logits(paths, kind, fold=0):
    table, about = read_member(paths.member_logits("both") / f"{kind}.parquet")
    mine = table[table["fold"] == fold].set_index("track_id")
    return mine["split"], pd.DataFrame(np.stack(mine["logits"]), mine.index), about


@pytest.mark.parametrize("fold", [0, 1])
def test_numbers_are_shares_between_the_least_and_greatest_of_the_folds_training_tracks(tmp_path, fold):
    paths = make(tmp_path / "project", folds=2)
    number.run(paths, settings(), "both.year")
    split, shares, about = read_logits(paths, "year", fold)
    years = pd.Series(YEARS)
    trained = years[split.index[split == "train"]]
    expected = (years - trained.min()) / (trained.max() - trained.min())
    np.testing.assert_allclose(shares[0], expected[shares.index], atol=1e-6)
    assert about["scale"][str(fold)] == [[trained.min()], [trained.max()]]
    assert pd.read_parquet(paths.splits).shape[0] == len(read_member(paths.member_logits("both") / "year.parquet")[0])


def test_what_is_not_known_is_nan_and_so_is_a_track_that_the_cache_lacks(tmp_path):
    paths = make(tmp_path / "project")
    tiny_project.change(paths.feature("place"), {"track007": None})
    number.run(paths, settings(), "both.place")
    _, shares, _ = read_logits(paths, "place")
    assert shares.shape == (36, 2)
    assert shares.index[shares.isna().all(axis=1)].tolist() == sorted([*IDS[::5], "track007"])
    assert shares.notna().all(axis=1).sum() == 36 - 9


def test_a_number_that_no_training_track_has_is_never_known(tmp_path):
    paths = make(tmp_path / "project")
    split = pd.read_parquet(paths.splits).set_index("track_id")["split"]
    tiny_project.change(paths.feature("year"), dict.fromkeys(split.index[split == "train"], np.array([[np.nan]])))
    number.run(paths, settings(), "both.year")
    _, shares, about = read_logits(paths, "year")
    assert shares.isna().to_numpy().all()
    assert about["scale"] == {"0": [[None], [None]]}


def test_a_test_tracks_number_moves_no_other(tmp_path):
    paths, params = make(tmp_path / "project"), settings()
    number.run(paths, params, "both.year")
    split, before, _ = read_logits(paths, "year")
    for kind in ("test", "train"):
        track = split.index[split == kind][0]
        tiny_project.change(paths.feature("year"), {track: np.array([[2525.0]])})
        number.run(paths, params, "both.year")
        moved = (before[0] != read_logits(paths, "year")[1][0]).sum()
        assert moved == 1 if kind == "test" else moved > 30


def test_a_feature_that_no_track_has_skips_the_stack_with_its_reason(tmp_path):
    paths, params = make(tmp_path / "project"), settings()
    store.write_meta(paths.feature("year"), {"kind": "year", "lacking": "the dataset has no year"})
    members(paths, params)
    fit(paths, params)
    reason = read_json(paths.checkpoints("both") / "skipped.json")["skipped"]
    assert reason == "its feature year was skipped: the dataset has no year"


def test_a_feature_that_was_not_computed_and_an_edge_that_is_not_there_are_named(tmp_path):
    paths = tiny_project.make(tmp_path / "project")
    with pytest.raises(DataError, match=r"both: reads year; .*data/features/year does not exist; run `dvc repro feat"):
        number.run(paths, settings(), "both.year")
    with pytest.raises(ParamsError, match=r"numbers has no 'both\.yaer'; it has both\.place, both\.year"):
        number.run(paths, settings(), "both.yaer")


def test_the_head_reads_them_after_its_members(finished_paths):
    paths, _ = finished_paths
    artefact = artefacts.load(paths.checkpoints("both"))
    assert (artefact.members, artefact.numbers) == (("tiny_mel", "other_mel"), (("place", 2), ("year", 1)))
    assert artefact.shapes == {"tiny_mel": 3, "other_mel": 3, "place": 2, "year": 1}
    assert list(artefact.inputs) == ["tiny_mel", "other_mel"]
    assert read_json(paths.metrics("both"))["feature"] == "mel+place+year"


def test_what_infer_writes_is_the_head_over_members_and_numbers(finished_paths):
    paths, _ = finished_paths
    artefact = artefacts.load(paths.checkpoints("both"))
    head = artefacts.network(paths.checkpoints("both"), artefact, 0)
    read = [read_member(paths.member_logits("both") / f"{name}.parquet")[0] for name in artefact.shapes]
    x = torch.from_numpy(np.concatenate([np.stack(table["logits"]) for table in read], axis=1))
    found = pd.read_parquet(paths.predictions("both") / "predictions.parquet")
    with torch.inference_mode():
        np.testing.assert_allclose(np.stack(found["logits"]), head(x).log_softmax(-1).numpy(), atol=1e-5)
        blind = head(x.index_fill(1, torch.tensor([8]), torch.nan)).numpy()
    assert np.isfinite(blind).all()
    assert np.abs(scores(blind, "single") - scores(np.stack(found["logits"]), "single")).max() > 0.05


def test_the_file_answers_as_where_the_numbers_are_not_known(finished_paths):
    paths, _ = finished_paths
    assert read_json(paths.onnx("both") / "export.json")["accepted"]
    model = read_json(paths.onnx("both") / "model.json")
    assert (set(model["inputs"]), model["unknown"]) == ({"tiny_mel", "other_mel"}, ["place", "year"])
    content = (paths.onnx("both") / "network.onnx").read_bytes()
    opened = graphs.session(content)
    assert [i.name for i in opened.get_inputs()] == ["tiny_mel", "other_mel"]
    artefact = artefacts.load(paths.checkpoints("both"))
    head = artefacts.network(paths.checkpoints("both"), artefact)
    parts = {n: artefacts.network(paths.checkpoints(n), artefacts.load(paths.checkpoints(n))) for n in ORDER}
    apart = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        chunks = {n: rng.normal(size=(3, 1, 8, 16)).astype(np.float32) for n in ORDER}
        with torch.inference_mode():
            told = [pool(parts[n](torch.from_numpy(chunks[n])), "single") for n in ORDER]
            blind, known = (head(torch.cat([*told, torch.full((1, 3), x)], 1)).numpy() for x in (torch.nan, 0.0))
        answer = opened.run(["logits"], chunks)[0]
        assert np.isfinite(answer).all()
        np.testing.assert_allclose(answer, blind, atol=1e-4)
        apart.append(np.abs(answer - known).max())
    assert max(apart) > 1e-2


def test_the_vector_of_an_absent_number_is_learnt_only_where_numbers_are_left_out(finished_paths, tmp_path):
    paths, _ = finished_paths
    learnt = artefacts.network(paths.checkpoints("both"), artefacts.load(paths.checkpoints("both")))
    assert learnt.parts["year"].absent.abs().max() > 1e-4
    other = make(tmp_path / "project")
    params = settings(stack={"train": {**STACK["train"], "max_epochs": 2, "modality_dropout": 0.0}})
    members(other, params)
    fit(other, params)
    kept = artefacts.network(other.checkpoints("both"), artefacts.load(other.checkpoints("both")))
    assert not kept.parts["year"].absent.any()
    assert kept.parts["place"].absent.any()  # some tracks have no place


def test_the_same_numbers_make_the_same_weights_in_several_folds(tmp_path):
    paths, params = make(tmp_path / "project", folds=2), settings(stack={"train": {"max_epochs": 2}})
    members(paths, params)
    fit(paths, params)
    before = tiny_project.bytes_of(paths.checkpoints("both"))
    train.run(paths, params, "both")
    assert tiny_project.bytes_of(paths.checkpoints("both")) == before
    assert json.loads(before["artefact.json"])["folds"] == [0, 1]


def test_the_command_runs_the_stage_and_names_what_is_misspelt(tmp_path):
    paths = make(tmp_path / "project")
    given = settings().model_dump(by_alias=True, exclude_unset=True)
    kinds = {"kinds": {kind: {} for kind in ("mel", "cqt", "place", "year")}}
    write(paths.params, given | {"features": kinds, "stacked": {"both": {**STACK, "architecture": "timefreq"}}})
    commands.run_stage("number", "both.year", paths.root)
    assert (paths.member_logits("both") / "year.parquet").exists()
    with pytest.raises(ParamsError, match=r"numbers have no 'both\.yaer'; did you mean both\.year"):
        commands.run_stage("number", "both.yaer", paths.root)


def test_the_roster_tells_what_a_stack_reads():
    assert get_candidates(settings())["both"].feature == "mel+place+year"
    assert get_candidates(settings(numbers={}))["both"].feature == "mel"


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        (
            {"network": {**STACK["network"], "absent": ["place"]}},
            r"both: reads place, year, but recommendation returns NaN when .* missing; .*absent: \[place, year\]",
        ),
        ({"architecture": "timefreq", "network": {}}, "both: reads place, year, but timefreq returns NaN when one"),
        (
            {"architecture": "timefreq_avg", "network": {}},
            r"both \(inputs .*needs 3 logits .*; place has 2",
        ),
    ],
)
def test_a_head_that_cannot_do_without_numbers_is_refused(finished_paths, stack, message):
    paths, _ = finished_paths
    with pytest.raises(OstinatoError, match=message):
        train.run(paths, settings(stack=stack), "both")
