"""The stage of regressions: from the tables and the cache to figures, verdicts, cards and ONNX files."""

import hashlib

import numpy as np
import pandas as pd
import pytest

import tiny_project
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.errors import DataError
from ostinato.export.graphs import session
from ostinato.io.files import read_json, write_json
from ostinato.stages import regress

N_TRACKS = 180
IDS = [f"track{i:03d}" for i in range(N_TRACKS)]
GATE = {"regression": {"sure_r2": {"min": 0.001}}}
RIDGE = {"column": "popularity", "regressor": "ridge", "feature": "mel"}


@pytest.fixture
def paths(tmp_path) -> Paths:
    """Return the tiny project with a popularity that follows one bin of the feature, and a third column of text."""
    paths = tiny_project.make(tmp_path, n_tracks=N_TRACKS, folds=5)
    rng, rows = np.random.default_rng(0), tiny_project.read(paths, "mel")
    loud = np.array([rows[track][:, 4].mean() for track in IDS])
    popularity = 40 + 10 * (loud - loud.mean()) / loud.std() + rng.normal(size=N_TRACKS) * 8
    popularity[::20] = np.nan
    attributes = {
        "track_id": IDS,
        "popularity": popularity,
        "noise": rng.normal(size=N_TRACKS),
        "mood": "calm",
        "same": 3.0,
    }
    pd.DataFrame(attributes).to_parquet(paths.attributes)
    embedding = [np.array([x, x**2], np.float32) for x in loud]
    splits = pd.read_parquet(paths.splits)[["track_id", "fold", "split"]]
    vectors = splits.assign(embedding=[embedding[IDS.index(track)] for track in splits["track_id"]])
    paths.predictions("tiny_mel").mkdir(parents=True)
    vectors.to_parquet(paths.predictions("tiny_mel") / "predictions.parquet")
    return paths


def settings(gate=GATE, **regressions: dict) -> Params:
    return tiny_project.settings(regressions=regressions, gate=gate)


def run(paths: Paths, gate=GATE, **regressions: dict) -> dict:
    regress.run(paths, settings(gate, **regressions))
    return read_json(paths.regressions)


def test_a_number_is_predicted_judged_and_exported(paths):
    results = run(paths, loudness=RIDGE, noise={**RIDGE, "column": "noise"})
    ours, noise = results["loudness"], results["noise"]
    assert ours["test"]["r2"]["low"] > 0.3
    assert (ours["n_unknown"], ours["n_tracks"], ours["n_test"]) == (9, 171, 171)
    assert ours["accepted"]
    assert not noise["accepted"]
    assert noise["reasons"][0] == regress.NOTHING_LEARNT or noise["reasons"][0].startswith("sure_r2 -")
    content = (paths.regression("loudness") / "regression.onnx").read_bytes()
    (numbers,) = session(content).run(None, {"features": np.zeros((2, 32), np.float32)})
    assert numbers.shape == (2, 1)
    assert not (paths.regression("noise") / "regression.onnx").exists()
    for name in results:
        assert "must not be used for" in (paths.regression(name) / "card.md").read_text()
    table = pd.read_parquet(paths.regression("loudness") / "predictions.parquet")
    assert sorted(table["track_id"]) == [track for i, track in enumerate(IDS) if i % 20]
    assert np.corrcoef(table["target"], table["prediction"])[0, 1] > 0.6


def test_the_vectors_of_a_candidate_serve_as_inputs_without_a_file(paths):
    (result,) = run(paths, vectors={**RIDGE, "feature": None, "candidate": "tiny_mel"}).values()
    assert result["test"]["r2"]["low"] > 0.3
    assert result["accepted"]
    assert sorted(f.name for f in paths.regression("vectors").iterdir()) == ["card.md", "predictions.parquet"]


def test_the_same_inputs_give_the_same_bytes_and_former_regressions_are_gone(paths):
    given = {"ridge": RIDGE, "mlp": {**RIDGE, "regressor": "mlp", "options": {"max_epochs": 3}}}
    folder, last = paths.regression("x").parent, None
    run(paths, former=RIDGE)
    for _ in range(2):
        run(paths, **given)
        files = tiny_project.bytes_of(folder) | {"json": paths.regressions.read_bytes()}
        assert last in (None, files)
        last = files
    assert not (folder / "former").exists()


def test_without_regressions_there_is_an_empty_result(paths):
    assert run(paths) == {}
    assert list(paths.regression("x").parent.iterdir()) == []


def test_without_bounds_nothing_is_accepted(paths):
    (result,) = run(paths, gate={}, loudness=RIDGE).values()
    assert result["reasons"] == ["params.yaml has no thresholds for regression: add gate.regression"]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("popularty", "column 'popularty' does not exist in the table of tracks; there are popularity, noise, same; "
         "did you mean 'popularity'"),
        ("mood", "column 'mood' is not numeric in the table of tracks; there are popularity, noise, same"),
        ("ordinal", "there are popularity, noise, same"),
        ("same", "same of the table of tracks has 1 different numbers, and two are needed"),
    ],
)  # fmt: skip
def test_a_column_that_cannot_be_learnt_is_named_with_those_that_can(paths, column, message):
    with pytest.raises(DataError, match=message):
        run(paths, wrong={**RIDGE, "column": column})


def test_numbers_may_come_from_a_table_of_ones_own(paths):
    rows = [f"{track},{'n/a' if i == 3 else 2 * i},x" for i, track in enumerate(IDS)]
    (paths.root / "plays.csv").write_text("\n".join(["track_id,plays,note", *rows]))
    digest = hashlib.sha256((paths.root / "plays.csv").read_bytes()).hexdigest()
    entry = {**RIDGE, "column": "plays", "table": "plays.csv", "table_sha256": digest}
    (result,) = run(paths, plays=entry).values()
    assert (result["n_unknown"], result["target"]["max"]) == (1, 2 * N_TRACKS - 2)
    for change, message in (
        ({"table_sha256": "0" * 64}, f"plays.csv is not the table of params.yaml.*set table_sha256: {digest}"),
        ({"table": "palys.csv"}, "table: palys.csv does not exist"),
        ({"column": "note"}, "column 'note' is not numeric in plays.csv; there are plays"),
    ):
        with pytest.raises(DataError, match=message):
            run(paths, plays={**entry, **change})


def test_a_table_with_a_track_twice_is_refused(paths):
    (paths.root / "plays.csv").write_text("track_id,plays\ntrack000,1\ntrack000,2\n")
    digest = hashlib.sha256((paths.root / "plays.csv").read_bytes()).hexdigest()
    with pytest.raises(DataError, match="has the track 'track000' twice"):
        run(paths, plays={**RIDGE, "column": "plays", "table": "plays.csv", "table_sha256": digest})


def test_a_parquet_table_may_have_its_tracks_in_the_index_and_times_are_no_numbers(paths):
    table = pd.DataFrame(
        {"plays": range(N_TRACKS), "at": pd.Timestamp("2020-01-01")}, index=pd.Index(IDS, name="track_id")
    )
    table.to_parquet(paths.root / "plays.PARQUET")
    digest = hashlib.sha256((paths.root / "plays.PARQUET").read_bytes()).hexdigest()
    entry = {**RIDGE, "column": "plays", "table": "plays.PARQUET", "table_sha256": digest.upper()}
    (result,) = run(paths, plays=entry).values()
    assert result["n_tracks"] == N_TRACKS
    with pytest.raises(DataError, match="column 'at' is not numeric"):
        run(paths, plays={**entry, "column": "at"})


def test_a_table_of_ones_own_that_is_damaged_is_to_be_written_again(paths):
    (paths.root / "plays.parquet").write_bytes(b"PAR1 and nothing else")
    digest = hashlib.sha256((paths.root / "plays.parquet").read_bytes()).hexdigest()
    with pytest.raises(DataError, match=r"plays.parquet: cannot be read as Parquet \(.*\); write it again"):
        run(paths, plays={**RIDGE, "column": "plays", "table": "plays.parquet", "table_sha256": digest})


def test_what_the_dataset_lacks_is_skipped_and_what_was_not_computed_refused(paths):
    write_json(paths.feature("cqt") / "meta.json", {"lacking": "the dataset has no audio"})
    write_json(paths.predictions("other_mel") / "skipped.json", {"skipped": "no tags"})
    with_vectors = {**RIDGE, "feature": None, "candidate": "other_mel"}
    given = {"no_cqt": {**RIDGE, "feature": "cqt"}, "no_vectors": with_vectors}
    results = run(paths, **given)
    assert results["no_cqt"]["skipped"] == "the dataset has no audio"
    assert results["no_vectors"]["skipped"] == "its candidate other_mel was skipped: no tags"
    for change in ({"feature": "mfcc"}, {"feature": None, "candidate": "tiny_tags"}):
        with pytest.raises(DataError, match=r"does not exist; run `dvc repro (featurize|infer@tiny_tags)`"):
            run(paths, absent={**RIDGE, **change})


def test_a_regression_that_predicts_the_mean_is_rejected_whatever_the_bounds(paths, monkeypatch):
    monkeypatch.setattr("ostinato.regression.fit.beats_mean", lambda *given: False)
    (result,) = run(paths, flat=RIDGE).values()
    assert result["settings"] == [None] * 5
    assert result["test"]["r2"] == {"value": 0, "low": 0, "high": 0}
    assert (result["accepted"], result["reasons"]) == (False, [regress.NOTHING_LEARNT])
    assert "Do not use it" in (paths.regression("flat") / "card.md").read_text()
