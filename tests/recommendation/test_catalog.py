"""The catalog: exact answers, growth and loss without a rebuild, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest

from ostinato.errors import CatalogError
from ostinato.io.files import read_json, write_json
from ostinato.recommendation.catalog import Catalog
from ostinato.recommendation.recommend import recommend

VERSION = "a" * 64


def make_catalog(n: int = 60, d: int = 8, seed: int = 0, **options) -> Catalog:
    """Return a catalog of random directions; names are those of their rows."""
    vectors = np.random.default_rng(seed).normal(size=(n, d))
    known = [{"artist": f"artist {i // 3}", "album": f"album {i // 2}", "year": 1990 + i} for i in range(n)]
    return Catalog([f"t{i}" for i in range(n)], vectors, known, version=VERSION, **options)


KINDS = pytest.mark.parametrize("options", [{}, {"exact_up_to": 10}], ids=["exact", "approximate"])


@KINDS
def test_finds_what_a_full_sort_finds(options, rng):
    catalog = make_catalog(**options)
    queries = catalog.units(rng.normal(size=(5, 8)), version=VERSION)
    rows, scores = catalog.search(queries, 6)
    cosines = queries @ catalog.vectors.T
    assert rows.tolist() == np.argsort(-cosines, axis=1)[:, :6].tolist()
    np.testing.assert_allclose(scores, -np.sort(-cosines, axis=1)[:, :6], atol=1e-6)


@KINDS
def test_a_batch_is_what_each_query_alone_is(options, rng):
    catalog = make_catalog(**options)
    queries = catalog.units(rng.normal(size=(4, 8)), version=VERSION)
    rows, scores = catalog.search(queries, 5)
    for query, row, score in zip(queries, rows, scores, strict=True):
        alone = catalog.search(query, 5)
        assert (alone[0] == row).all()
        assert (alone[1] == score).all()


@KINDS
def test_growing_and_shrinking_is_as_if_made_so(options, rng):
    catalog, whole = make_catalog(**options), make_catalog()
    catalog.search(whole.vectors[0], 1)  # so that a graph stands before anything changes
    extra = rng.normal(size=(3, 8))
    catalog.remove(["t4", "t0", "t59"])
    catalog.add(["n0", "n1", "n2"], extra, version=VERSION)
    catalog.remove(["n1"])
    catalog.add(["t4"], whole.vectors[[4]], version=VERSION)
    keep = [i for i in whole.ids if i not in ("t0", "t4", "t59")]
    vectors = np.stack([*(whole.vectors[whole.row(i)] for i in keep), extra[0], extra[2], whole.vectors[4]])
    fresh = Catalog([*keep, "n0", "n2", "t4"], vectors, version=VERSION)
    assert catalog.ids == fresh.ids
    np.testing.assert_allclose(catalog.vectors, fresh.vectors, atol=1e-6)
    for query in fresh.vectors[::7]:
        assert (catalog.search(query, 9)[0] == fresh.search(query, 9)[0]).all()


@KINDS
def test_only_what_is_allowed_is_found(options, rng):
    catalog = make_catalog(**options)
    allowed = rng.random(60) < 0.3
    rows, _ = catalog.search(catalog.vectors[0], 100, allowed)
    assert sorted(rows.tolist()) == np.flatnonzero(allowed).tolist()
    near, _ = catalog.search(catalog.vectors[0], 3, allowed)
    assert near.tolist() == rows[:3].tolist()


@KINDS
def test_saved_and_loaded_it_answers_alike(options, tmp_path: Path, rng):
    catalog = make_catalog(**options)
    catalog.remove(["t7"])
    catalog.save(tmp_path)
    loaded = Catalog.load(tmp_path)
    assert (loaded.ids, loaded.metadata, loaded.version) == (catalog.ids, catalog.metadata, VERSION)
    query = catalog.units(rng.normal(size=(1, 8)), version=VERSION)[0]
    assert [x.tolist() for x in loaded.search(query, 9)] == [x.tolist() for x in catalog.search(query, 9)]
    loaded.add(["late"], query[None], version=VERSION)
    assert loaded.ids[loaded.search(query, 1)[0][0]] == "late"


def test_saving_twice_gives_the_same_bytes(tmp_path: Path):
    for name in ("a", "b"):
        make_catalog(exact_up_to=10).save(tmp_path / name)
    files = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert files == ["catalog.json", "graph.voyager", "vectors.npy"]
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_k_beyond_the_catalog_gives_all_of_it():
    rows, scores = make_catalog(5).search(make_catalog(5).vectors[2], 50)
    assert sorted(rows.tolist()) == [0, 1, 2, 3, 4]
    assert (np.diff(scores) <= 0).all()


def test_an_offset_is_taken_from_all_that_comes_in(tmp_path: Path, rng):
    vectors, offset = rng.normal(size=(20, 4)) + 9, rng.normal(size=4) + 9
    ids = [f"t{i}" for i in range(20)]
    moved = Catalog(ids[:15], vectors[:15], version=VERSION, offset=offset)
    moved.add(ids[15:], vectors[15:], version=VERSION)
    moved.save(tmp_path)
    plain = Catalog(ids, vectors - offset, version=VERSION)
    for catalog in (moved, Catalog.load(tmp_path)):
        np.testing.assert_allclose(catalog.vectors, plain.vectors, atol=1e-6)
        assert catalog.units(vectors[[3]], version=VERSION)[0] == pytest.approx(catalog.vectors[3], abs=1e-6)


def test_equals_come_in_the_order_of_the_catalog():
    vectors = np.ones((6, 2))
    assert Catalog(list("fedcba"), vectors, version=VERSION).search(np.array([1.0, 0]), 3)[0].tolist() == [0, 1, 2]


def test_an_artist_is_the_mean_direction_of_the_tracks():
    artists = make_catalog().by("artist")
    assert artists.ids[:2] == ["artist 0", "artist 1"]
    mean = make_catalog().vectors[3:6].mean(axis=0)
    np.testing.assert_allclose(artists.vectors[1], mean / np.linalg.norm(mean), atol=1e-6)
    assert artists.version == VERSION


def test_albums_of_one_title_by_two_artists_are_two():
    known = [{"artist": a, "album": b} for a, b in (("x", "Hits"), ("y", "Hits"), ("y", "Own"), ("x", "Hits"))]
    catalog = Catalog(["a", "b", "c", "d"], np.eye(4), known, version=VERSION)
    albums = catalog.by("album")
    assert albums.ids == ["x - Hits", "y - Hits", "Own"]
    np.testing.assert_allclose(albums.vectors[1], [0, 1, 0, 0])
    ids, _ = recommend(catalog, ["a"], level="album")
    assert set(ids) == {"y - Hits", "Own"}


def test_tracks_without_an_album_are_in_none():
    catalog = Catalog(["a", "b"], np.eye(2), [{"album": "x"}, {}], version=VERSION)
    assert catalog.by("album").ids == ["x"]


REFUSED = {
    "vectors of another network": (lambda c: c.add(["x"], np.ones((1, 8)), version="b" * 64), "of network 'bbbb"),
    "vectors of another dimension": (lambda c: c.add(["x"], np.ones((1, 7)), version=VERSION), "dimension 8"),
    "NaN": (lambda c: c.add(["x"], np.full((1, 8), np.nan), version=VERSION), "not finite"),
    "a vector of 0": (lambda c: c.add(["x"], np.zeros((1, 8)), version=VERSION), "vector 0 is 0"),
    "an id that is there": (lambda c: c.add(["t3"], np.ones((1, 8)), version=VERSION), "'t3' is in the catalog"),
    "an id given twice": (lambda c: c.add(["x", "x"], np.ones((2, 8)), version=VERSION), "'x' is in the catalog"),
    "ids without vectors": (lambda c: c.add(["x", "y"], np.ones((1, 8)), version=VERSION), "must agree"),
    "an unknown id": (lambda c: c.remove(["t333"]), "'t333' is not in the catalog of 60 tracks; do you mean t33"),
    "no k": (lambda c: c.search(c.vectors[0], 0), "ask for 1 track or more"),
    "another level": (lambda c: c.by("label"), "artist, album"),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_refused_changes_nothing(fault):
    catalog = make_catalog()
    act, message = REFUSED[fault]
    with pytest.raises(CatalogError, match=message):
        act(catalog)
    assert (catalog.ids, catalog.vectors.tolist()) == (make_catalog().ids, make_catalog().vectors.tolist())


def test_an_empty_catalog_says_so():
    empty = Catalog([], np.zeros((0, 3)), version=VERSION)
    with pytest.raises(CatalogError, match="the catalog is empty"):
        empty.search(np.array([1.0, 0, 0]), 1)


def test_a_folder_without_a_catalog_says_what_to_run(tmp_path: Path):
    with pytest.raises(CatalogError, match="run `dvc repro catalog`"):
        Catalog.load(tmp_path)


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path):
    make_catalog(5).save(tmp_path)
    np.save(tmp_path / "vectors.npy", np.ones((4, 8), np.float32))
    with pytest.raises(CatalogError, match=r"vectors\.npy: is not the file that catalog\.json was written with"):
        Catalog.load(tmp_path)
    about = read_json(tmp_path / "catalog.json")
    write_json(tmp_path / "catalog.json", {key: value for key, value in about.items() if key != "files"})
    with pytest.raises(CatalogError, match="4 vectors for 5 tracks"):
        Catalog.load(tmp_path)


def test_a_part_of_an_id_an_artist_or_a_title_is_enough_for_a_hint():
    titles = [("Ann", "Low Tide"), ("Bob", "High"), ("Ann", "Dry")]
    known = [{"artist": artist, "title": title} for artist, title in titles]
    catalog = Catalog(["x1-t0", "y7", "x1-t1"], np.eye(3), known, version="v")
    for wanted, found in (("x1", ["x1-t0", "x1-t1"]), ("ann", ["x1-t0", "x1-t1"]), ("tide", ["x1-t0"]), ("zzz", [])):
        with pytest.raises(CatalogError) as error:
            catalog.row(wanted)
        hint = str(error.value).partition("do you mean ")[2]
        assert [line.split()[0] for line in hint.split("; ") if line] == found
