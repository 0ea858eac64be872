"""Attributes as numbers, and clusters of them."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

from ostinato.curation.attributes import CATEGORIES, COLUMNS, NUMBERS, encode, is_complete, number_recordings
from ostinato.errors import DataError
from ostinato.evaluation.similarity.clusters import cluster_tracks, compute_curve, compute_prevalence, find_elbow
from ostinato.features import attributes as feature


def table(rng: np.random.Generator, n: int = 20) -> pd.DataFrame:
    """Return complete rows."""
    numbers = {name: rng.random(n) for name in NUMBERS}
    return pd.DataFrame(numbers | {name: rng.integers(0, len(values), n) for name, values in CATEGORIES.items()})


def blobs(rng: np.random.Generator, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Return three heaps in a plane, and to which each point belongs."""
    label = np.repeat(np.arange(3), n)
    return np.array([[0.0, 0], [9, 0], [0, 9]])[label] + rng.normal(0, 0.5, (3 * n, 2)), label


def test_names_become_a_column_each_and_numbers_stay(rng):
    rows = table(rng)
    x = encode(rows)
    assert x.shape == (20, len(COLUMNS)) == (20, 30)
    np.testing.assert_allclose(x[:, : len(NUMBERS)], rows[list(NUMBERS)], rtol=1e-6)
    assert set(x[:, len(NUMBERS) :].ravel()) == {0.0, 1.0}
    assert (x[:, len(NUMBERS) :].sum(axis=1) == 3).all()
    assert x[4, COLUMNS.index(f"key_{rows['key'][4]}")] == 1


def test_numbers_written_as_text_are_numbers(rng):
    rows = table(rng)
    np.testing.assert_array_equal(encode(rows.astype(str)), encode(rows))


@pytest.mark.parametrize(
    ("column", "value"),
    [("energy", None), ("energy", "loud"), ("tempo", np.inf), ("key", 12), ("time_signature", "4-Apr")],
)
def test_a_row_that_lacks_an_attribute_is_no_row(rng, column, value):
    rows = table(rng).astype(object)
    rows.loc[3, column] = value
    assert np.flatnonzero(~is_complete(rows)).tolist() == [3]
    with pytest.raises(DataError, match="row 3 is incomplete"):
        encode(rows)


def test_the_feature_of_a_row_is_its_line_of_the_table(rng):
    rows = table(rng, 5)
    told = [feature.compute(row) for row in rows.to_dict("records")]
    np.testing.assert_array_equal(np.concatenate(told), encode(rows))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"tempo": np.nan}, "tempo is not known"), ({"key": 12}, "key is 12"), ({"mode": 0.5}, "mode is 0.5")],
)
def test_a_row_without_an_attribute_has_no_feature(rng, change, message):
    with pytest.raises(DataError, match=message):
        feature.compute(table(rng, 1).iloc[0].to_dict() | change)


def test_clusters_of_heaps_hold_one_genre_each(rng):
    x, label = blobs(rng)
    said = cluster_tracks(x, pd.Series(np.array(["rock", "jazz", "folk"])[label]), seed=0)
    assert said["elbow"] == 3
    assert sorted(next(iter(shares)) for shares in said["prevalence"]) == ["folk", "jazz", "rock"]
    assert all(list(shares.values()) == [1.0] for shares in said["prevalence"])


def test_a_table_without_a_column_is_refused(rng):
    with pytest.raises(DataError, match="the table lacks tempo, mode"):
        is_complete(table(rng).drop(columns=["tempo", "mode"]))


def test_rows_with_the_same_attributes_are_one_recording(rng):
    rows = table(rng, 4)
    assert number_recordings(pd.concat([rows, rows.iloc[[2]]], ignore_index=True)).tolist() == [0, 1, 2, 3, 2]


def test_the_elbow_of_three_heaps_is_three(rng):
    x, _ = blobs(rng)
    curve = compute_curve(x, range(2, 9), seed=0)
    assert find_elbow(curve) == 3
    assert curve.loc[curve["silhouette"].idxmax(), "n_clusters"] == 3
    assert (np.diff(curve["inertia"]) < 0).all()


def test_inertia_is_the_sum_of_squares_to_the_centres(rng):
    x, label = blobs(rng)
    expected = sum((cdist(heap, heap.mean(axis=0)[None]) ** 2).sum() for heap in (x[label == i] for i in range(3)))
    assert compute_curve(x, [3], seed=0)["inertia"][0] == pytest.approx(expected)


def test_prevalence_adds_up_to_one_in_each_cluster(rng):
    _, label = blobs(rng)
    shares = compute_prevalence(label, np.where(label == 0, "rock", "jazz"))
    assert shares.loc[0].to_dict() == {"jazz": 0.0, "rock": 1.0}
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_the_published_table_is_read_as_it_is(shared_data):
    rows = pd.read_csv(shared_data / "tables" / "spotify_genres_v2_42896.csv", low_memory=False)
    kept = is_complete(rows)
    assert (len(rows), len(encode(rows[kept]))) == (len(kept), int(kept.sum()))
    assert rows.loc[kept, "genre"].nunique() == 15
