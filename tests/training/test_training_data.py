"""Batches depend on seed, epoch and track alone."""

import numpy as np
import pytest

from ostinato.training.data.batches import BatchOrder, TrackDataModule, TrainingBatches, uniform
from ostinato.training.data.sources import Features

IDS = np.array([f"t{i:02d}" for i in range(11)], object)
ROWS = {t: np.arange(20 * i, 20 * i + 20, dtype=np.float16)[:, None].repeat(2, axis=1) for i, t in enumerate(IDS)}


def make_batches(ids=IDS, seed=1, chunks_per_track=1):
    source = Features("mel", [ROWS[i] for i in ids], 4, "none")
    target = np.array([[float(i[1:])] for i in ids], np.float32)
    tracks = np.arange(len(ids))
    return TrainingBatches(source, target, ids, tracks, batch_size=4, chunks_per_track=chunks_per_track, seed=seed)


def draw_chunks(epoch=0, **options):
    """Return what an epoch shows: (label, first frame) in order."""
    made = make_batches(**options)
    batches = [made[epoch, i] for i in range(made.n_batches)]
    return [
        (float(t[0]), float(x[0, 0, 0])) for (inputs, target) in batches for x, t in zip(inputs[0], target, strict=True)
    ]


def test_each_track_comes_once_an_epoch_with_its_own_label():
    shown = draw_chunks()
    assert sorted(label for label, _ in shown) == list(range(11))
    assert all(20 * label <= first <= 20 * label + 16 for label, first in shown)


def test_an_epoch_does_not_depend_on_those_before():
    made = make_batches()
    for epoch in range(3):
        made[epoch, 0]
    fresh = make_batches()[3, 1]
    np.testing.assert_array_equal(made[3, 1][0][0], fresh[0][0])


@pytest.mark.parametrize("change", [{"epoch": 1}, {"seed": 2}])
def test_another_epoch_or_seed_shows_other_batches(change):
    assert draw_chunks() == draw_chunks()
    assert draw_chunks() != draw_chunks(**change)


def test_the_place_of_a_track_in_the_table_does_not_matter():
    assert draw_chunks(ids=IDS[::-1]) == draw_chunks()


def test_several_chunks_of_a_track_are_several_places():
    shown = draw_chunks(chunks_per_track=6)
    assert len(shown) == 66
    assert len({first for label, first in shown if label == 3}) > 1


def test_batches_are_nearly_of_one_size():
    made = make_batches()
    assert sorted(len(made[0, i][1]) for i in range(made.n_batches)) == [3, 4, 4]


def test_devices_share_the_batches():
    orders = [BatchOrder(5, rank, 2) for rank in range(2)]
    assert [len(o) for o in orders] == [3, 3]
    assert {number for o in orders for _, number in o} == set(range(5))


def test_uniform_is_uniform_and_counts_every_bit_of_context():
    keys = np.arange(20000, dtype=np.uint64)
    x, y = uniform(keys, 1, 0), uniform(keys, 1, 1)
    assert np.abs(np.histogram(x, 20, (0, 1))[0] - 1000).max() < 150
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.03
    assert 0 <= x.min() < x.max() < 1


def test_validation_covers_the_validation_tracks_only():
    data = TrackDataModule(
        make_batches().source,
        make_batches().target,
        IDS,
        np.arange(8),
        np.arange(8, 11),
        batch_size=4,
        chunks_per_track=1,
        seed=0,
    )
    owners = np.concatenate([owner.numpy() for _, owner in data.val_dataloader()])
    assert set(owners) == {8, 9, 10}
