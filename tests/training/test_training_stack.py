"""Out-of-fold logits: no network judges a track that it, or a track of the same group, has taught it."""

import threading

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

import tiny_project
from ostinato.errors import DataError
from ostinato.training import out_of_fold
from ostinato.training.data.member_logits import align, member_sources, read_member, write_logits
from ostinato.training.network import fit_network as real_fit
from ostinato.training.predict import run_network as real_run


@pytest.fixture
def candidate(tmp_path):
    return tiny_project.open_candidate(tmp_path / "project")


@pytest.fixture
def recorded_fits(candidate, monkeypatch):
    """Run the inner cross-validation and note who taught and who was judged."""
    settings, inputs = candidate
    taught, judged = [], []

    def fit(*args, **options):
        taught.append(args[3])
        return real_fit(*args, **options)

    def run(network, source, tracks, task):
        judged.append(tracks)
        return real_run(network, source, tracks, task)

    monkeypatch.setattr(out_of_fold, "fit_network", fit)
    monkeypatch.setattr(out_of_fold, "run_network", run)
    logits = out_of_fold.out_of_fold(settings, inputs.labelled, inputs.sources[0], 0, epochs=1, parts=3)
    return inputs.labelled, logits, taught, judged


def test_no_network_judges_a_group_that_taught_it(recorded_fits):
    labelled, _, taught, judged = recorded_fits
    assert len(taught) == len(judged) == 3
    for teachers, tracks in zip(taught, judged, strict=True):
        assert not set(labelled.groups[teachers]) & set(labelled.groups[tracks])


def test_each_training_track_is_judged_once_and_no_other_takes_part(recorded_fits):
    labelled, logits, taught, judged = recorded_fits
    train = labelled.folds[0]["train"]
    np.testing.assert_array_equal(np.sort(np.concatenate(judged)), train)
    assert set(np.concatenate(taught)) == set(train)
    assert logits.shape == (len(train), 3)
    assert (np.abs(logits).sum(axis=1) > 0).all()


def test_a_part_under_way_elsewhere_is_waited_for_and_not_computed_again(tmp_path):
    computed, is_idle = [], threading.Event()

    def compute(number):
        computed.append(number)
        if len(computed) == 2:
            is_idle.set()
        return np.full((1, 2), number, np.float32)

    results = []
    state = tmp_path / "fold0"
    state.mkdir()
    with FileLock(state / "part0.lock"):
        worker = threading.Thread(target=lambda: results.extend(out_of_fold.share_parts(3, state, compute)))
        worker.start()
        assert is_idle.wait(60)
        assert not results
        np.save(state / "part0.npy", np.full((1, 2), 9, np.float32))
    worker.join(60)
    assert computed == [1, 2]
    assert [float(part[0, 0]) for part in results] == [9, 1, 2]


def test_a_part_whose_process_died_is_computed(tmp_path):
    (tmp_path / "part1.lock").touch()
    parts = out_of_fold.share_parts(2, tmp_path, lambda number: np.full((1, 1), number, np.float32))
    assert [float(part[0, 0]) for part in parts] == [0, 1]


def test_few_groups_make_few_parts_and_one_group_is_an_error(candidate):
    _, inputs = candidate
    labelled = inputs.labelled
    train = np.flatnonzero(np.isin(labelled.groups, ["artist02", "artist03"]))
    assert len(out_of_fold.inner_parts(labelled, train, 5, seed=0)) == 2
    with pytest.raises(DataError, match=r"are in one group; set stacking.in_sample"):
        out_of_fold.inner_parts(labelled, train[:3], 5, seed=0)


def test_a_head_fitted_on_all_tracks_reads_of_each_the_fold_that_tests_it(candidate):
    _, inputs = candidate
    ids = inputs.labelled.track_ids
    rows = [
        {"track_id": t, "fold": fold, "split": "test" if i % 2 == fold else "train", "logits": [float(fold), float(i)]}
        for fold in (0, 1)
        for i, t in enumerate(ids)
    ]
    labelled = inputs.labelled.__class__(**{**vars(inputs.labelled), "folds": {0: {}, 1: {}}})
    sources = member_sources({"m": pd.DataFrame(rows)}, labelled)
    np.testing.assert_array_equal(sources["final"].members["m"][:, 0], np.arange(len(ids)) % 2)
    np.testing.assert_array_equal(sources["final"].members["m"][:, 1], np.arange(len(ids)))
    np.testing.assert_array_equal(sources[1].members["m"][:, 0], np.ones(len(ids)))


def test_a_head_fitted_on_all_tracks_reads_numbers_at_one_scale(candidate):
    _, inputs = candidate
    ids = inputs.labelled.track_ids
    rows = [
        {"track_id": t, "fold": fold, "split": "test" if i % 2 == fold else "train", "logits": [fold + 1.0]}
        for fold in (0, 1)
        for i, t in enumerate(ids)
    ]
    labelled = inputs.labelled.__class__(**{**vars(inputs.labelled), "folds": {0: {}, 1: {}}})
    sources = member_sources({"m": pd.DataFrame(rows), "year": pd.DataFrame(rows)}, labelled, {"year": 0.5}, ("year",))
    np.testing.assert_array_equal(sources["final"].members["m"][:2, 0], [1, 2])
    np.testing.assert_array_equal(sources["final"].members["year"], np.ones((len(ids), 1)))
    np.testing.assert_array_equal(sources[1].members["year"], np.full((len(ids), 1), 2))
    assert sources["final"].absent == sources[0].absent == {"year": 0.5}


def test_a_track_that_no_fold_tests_is_read_as_the_first_fold_gives_it(candidate):
    _, inputs = candidate
    ids = inputs.labelled.track_ids
    rows = [
        {"track_id": t, "fold": fold, "split": "test" if i and i % 2 == fold else "train", "logits": [fold + 1.0]}
        for fold in (0, 1)
        for i, t in enumerate(ids)
    ]
    labelled = inputs.labelled.__class__(**{**vars(inputs.labelled), "folds": {0: {}, 1: {}}})
    read = member_sources({"m": pd.DataFrame(rows)}, labelled)["final"].members["m"][:, 0]
    np.testing.assert_array_equal(read[:4], [1, 2, 1, 2])


def test_a_track_without_logits_is_an_error_and_not_zeros():
    table = pd.DataFrame({"track_id": ["a", "b"], "logits": [[1.0], [2.0]]})
    np.testing.assert_array_equal(align(table, ["b", "a"]), [[2], [1]])
    with pytest.raises(DataError, match=r"the logits of 1 track are missing, such as 'c'; run infer again"):
        align(table, ["a", "c"])
    np.testing.assert_array_equal(align(table, ["c", "a"], 1), [[np.nan], [1]])


def test_a_table_of_logits_is_read_as_it_was_written(tmp_path):
    table = pd.DataFrame(
        {"track_id": ["a", "b"], "fold": [0, 0], "split": ["train", "test"], "logits": [[1.5, 2], [3, 4]]}
    )
    write_logits(tmp_path / "m.parquet", table, {"task": "genre"})
    found, about = read_member(tmp_path / "m.parquet")
    assert about == {"task": "genre"}
    np.testing.assert_array_equal(np.stack(found["logits"]), [[1.5, 2], [3, 4]])
    assert found["logits"][0].dtype == np.float32


def test_an_absent_member_names_its_stage(tmp_path):
    with pytest.raises(DataError, match=r"run `dvc repro member@both.tiny_mel`"):
        read_member(tmp_path / "both" / "tiny_mel.parquet")
