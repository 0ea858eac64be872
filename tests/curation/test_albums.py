"""An album stands in one split, compilations too; a bare title does not make one album of many."""

import json
from itertools import combinations
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.core import names
from ostinato.core.params.schema import Splitting
from ostinato.core.paths import Paths
from ostinato.curation import splits
from ostinato.curation.albums import identify_albums
from ostinato.datasets import artist_metadata
from ostinato.errors import DataError
from ostinato.expectations import _session
from ostinato.expectations import splits as sides
from ostinato.io import tables
from ostinato.stages import split


def rows(*tracks: tuple[str | None, str | None, str | None, str | None]) -> pd.DataFrame:
    """Return tracks of (album, artist, album artist, path)."""
    return pd.DataFrame(tracks, columns=["album", "artist", "album_artist", "path"], dtype=object)


def test_a_compilation_in_its_folder_is_one_album() -> None:
    tracks = rows(*(("Now 42", f"artist {i}", None, f"Various/Now 42/{i}.mp3") for i in range(4)))
    assert identify_albums(tracks).tolist() == [0, 0, 0, 0]


def test_a_compilation_with_an_album_artist_is_one_album_wherever_it_lies() -> None:
    tracks = rows(*(("Now 42", f"artist {i}", "Various Artists", f"artist {i}/Now 42/{i}.mp3") for i in range(4)))
    assert identify_albums(tracks).tolist() == [0, 0, 0, 0]


def test_discs_of_an_album_are_one_album() -> None:
    tracks = rows(
        ("Now 42", "a", None, "Now 42/CD 1/1.mp3"),
        ("Now 42", "b", None, "Now 42/CD 1/2.mp3"),
        ("NOW 42", "c", None, "Now 42/disc2/1.mp3"),
    )
    assert identify_albums(tracks).tolist() == [0, 0, 0]


def test_albums_of_unrelated_artists_are_not_joined_by_a_bare_title() -> None:
    tracks = rows(
        ("Greatest Hits", "Queen", None, "Queen/Greatest Hits/1.mp3"),
        ("Greatest Hits", "Queen", "Queen", "Queen/Greatest Hits/2.mp3"),
        ("Greatest Hits", "ABBA", "ABBA", "ABBA/Greatest Hits/1.mp3"),
        ("Greatest Hits", "Cher", None, None),
    )
    assert identify_albums(tracks).tolist() == [0, 0, 1, 2]


def test_the_folder_of_a_genre_makes_no_album() -> None:
    tracks = rows(
        ("Greatest Hits", "Queen", None, "Rock/1.mp3"),
        ("Greatest Hits", "ABBA", None, "Rock/2.mp3"),
        ("Animals", "Pink Floyd", None, "Rock/3.mp3"),
        (None, "Pink Floyd", None, "Rock/4.mp3"),
    )
    assert identify_albums(tracks).tolist() == [0, 1, 2, None]


def test_a_title_alone_decides_where_nobody_is_known() -> None:
    tracks = rows(("Waltzes", None, None, "a/1.mp3"), ("waltzes", None, None, "b/2.mp3"))
    assert identify_albums(tracks).tolist() == [0, 0]


def test_what_programs_write_for_an_unknown_album_is_none() -> None:
    tracks = rows(("Unknown Album", "a", "Unknown Artist", "x/1.mp3"), ("unknown album", "b", None, "x/2.mp3"))
    assert identify_albums(tracks).tolist() == [None, None]
    tracks = rows(("Hits", "a", "Unknown Artist", "x/y/1.mp3"), ("Hits", "b", "Unknown Artist", "x/z/2.mp3"))
    assert identify_albums(tracks).tolist() == [0, 1]


def test_apart_an_album_is_its_title_and_artist() -> None:
    tracks = rows(*(("Now 42", f"artist {i % 2}", "Various", f"Now 42/{i}.mp3") for i in range(4)))
    assert identify_albums(tracks, "apart").tolist() == [0, 1, 0, 1]


def library(n_artists: int = 24, n_compilations: int = 3, guests: int = 3) -> pd.DataFrame:
    """Return artists with an album of four tracks, and compilations by some of them, each in its folder."""
    own = [
        (f"g{a % 2}", f"artist {a}", "Greatest Hits", f"artist {a}/Greatest Hits/{i}.mp3")
        for a in range(n_artists)
        for i in range(4)
    ]
    shared = [
        (f"g{(guests * c + j) % 2}", f"artist {guests * c + j}", f"Now {c}", f"Various/Now {c}/{j}.mp3")
        for c in range(n_compilations)
        for j in range(guests)
    ]
    frame = pd.DataFrame([*own, *shared], columns=["genre", "artist", "album", "path"])
    frame["track_id"], frame["content_hash"], frame["copy"] = (frame["path"],) * 3
    return frame.assign(ordinal=range(len(frame)), tags=[[]] * len(frame))


def sides_of(tracks: pd.DataFrame, drawn: pd.DataFrame) -> pd.Series:
    """Count the splits in which the tracks of each compilation stand."""
    both = drawn.merge(tracks, on="track_id")
    return both[both["path"].str.startswith("Various")].groupby("album")["split"].nunique()


@pytest.mark.parametrize("seed", range(5))
def test_an_album_by_several_artists_stands_in_one_split(seed: int) -> None:
    tracks = library()
    drawn = splits.assign_splits(tracks, splits.SplitPlan(seed=seed)).splits
    assert sides_of(tracks, drawn).tolist() == [1, 1, 1]
    assert drawn["group"].nunique() == 24 - 3 * 2
    assert drawn["split"].nunique() == 3


def test_the_receipt_fails_on_a_compilation_in_two_splits(tmp_path) -> None:
    tracks = library()
    leaky = pd.DataFrame({"track_id": tracks["track_id"], "fold": 0, "split": "train"})
    leaky.loc[tracks["artist"] == "artist 0", "split"] = "test"
    checked = _session.Session(tmp_path / "together").check("s", sides.prepare(tracks, leaky), sides.suite("artist"))
    broken = {e["column"]: e["n_broken"] for e in checked[0]["expectations"]}
    assert broken == {"splits_of_artist": 0, "splits_of_album": 3, "splits_of_copy": 0, "split": 0}
    apart = sides.prepare(tracks, leaky, "apart")
    assert _session.Session(tmp_path / "apart").check("s", apart, sides.suite("artist"))[0]["success"]


def write(paths: Paths, tracks: pd.DataFrame) -> None:
    tables.write(paths.tracks, tracks.reindex(columns=tables.TRACKS.names), tables.TRACKS)
    for path, schema in ((paths.quarantine, tables.QUARANTINE), (paths.copies, tables.COPIES)):
        tables.write(path, pd.DataFrame(columns=schema.names, dtype=object), schema)


def test_a_collection_tied_into_one_group_is_refused_with_the_way_out(tmp_path) -> None:
    paths, tracks = Paths(tmp_path), library(n_compilations=8, guests=12)
    tracks["artist"] = np.where(
        tracks["path"].str.startswith("Various"), [f"artist {i * 7 % 24}" for i in range(len(tracks))], tracks["artist"]
    )
    write(paths, tracks)
    with pytest.raises(DataError, match=r"join \d+% of the tracks into one group.*Now.*Set split.compilations: apart"):
        split.run(paths, SimpleNamespace(seed=1, split=Splitting()))
    split.run(paths, SimpleNamespace(seed=1, split=Splitting(compilations="apart")))
    assert json.loads(paths.receipt("splits").read_text())["success"]
    drawn = tables.read(paths.splits).merge(tracks, on="track_id")
    assert drawn.groupby("artist")["split"].nunique().max() == 1
    assert drawn["split"].nunique() == 3


def test_a_compilation_that_ties_two_splits_later_is_left_out_and_named(tmp_path) -> None:
    before = library(n_compilations=0)
    plan = splits.SplitPlan()
    old = splits.assign_splits(before, plan).splits
    side = old.merge(before, on="track_id").drop_duplicates("artist").set_index("artist")["split"]
    here, there = side[side == "train"].index[0], side[side == "test"].index[0]
    new = library(n_compilations=1, guests=2).tail(2).assign(artist=[here, there])
    grown = pd.concat([before, new], ignore_index=True).assign(ordinal=range(len(before) + 2))
    drawn = splits.assign_splits(grown, plan, old)
    assert sides_of(grown, drawn.splits).tolist() == [1]
    (reason,) = drawn.excluded.values()
    assert "its album" in reason


def test_an_album_of_the_metadata_s_own_number_is_one_whoever_plays(tmp_path) -> None:
    people = pd.DataFrame({"artist_id": ["p", "q", "r"], "name": ["Ann", "Bo", "Cy"]})
    listed = pd.DataFrame({"track_id": list("123456"), "artist_id": list("pqrrrr"), "title": "x"})
    albums = pd.DataFrame({"album_id": ["now", "own"], "title": ["Hits", "Hits"]})
    people.to_parquet(tmp_path / "artists.parquet")
    listed.assign(album_id=["now", "now", "own", None, None, None]).to_parquet(tmp_path / "tracks.parquet")
    albums.to_parquet(tmp_path / "albums.parquet")
    frame = artist_metadata.tracks(tmp_path, artist_metadata.Options())
    assert identify_albums(frame).tolist() == [0, 0, 1, None, None, None]


maybe = lambda values: st.one_of(st.none(), st.sampled_from(values))  # noqa: E731
told = st.tuples(
    st.sampled_from("xyz"),
    maybe(["Úna", "U\u0301NA", "Ben", " ben", "Cy", "Di"]),
    maybe(["Hits", "HITS", "Blue", "Ｂｌｕｅ"]),
    maybe(["Various", "VARIOUS ", "Una"]),
    st.sampled_from(["a", "b", "b/CD 1", "."]),
)


def share(a, b, homes) -> bool:
    """Return whether two tracks may not be parted, pair by pair and by the words of the documentation."""
    if names.are_same(a.artist, b.artist):
        return True
    if not names.are_same(a.album, b.album):
        return False
    people = [{names.identity(n) for n in (t.artist, t.album_artist)} - {None} for t in (a, b)]
    same_home = homes[a.track_id] is not None and homes[a.track_id] == homes[b.track_id]
    return bool(people[0] & people[1]) or same_home or not (people[0] or people[1])


def find_homes(tracks: pd.DataFrame) -> dict[str, str | None]:
    """Return the album's folder of each track, if it lies in one."""
    folder = {t.track_id: t.path.rpartition("/")[0].removesuffix("/CD 1") for t in tracks.itertuples()}
    homes = {}
    for a in tracks.itertuples():
        beside = [b for b in tracks.itertuples() if folder[b.track_id] == folder[a.track_id]]
        n_same = sum(names.are_same(a.album, b.album) for b in beside)
        is_home = folder[a.track_id] not in ("", ".") and n_same > len(beside) / 2
        homes[a.track_id] = folder[a.track_id] if is_home else None
    return homes


@given(st.lists(st.lists(told, min_size=1, max_size=12), min_size=1, max_size=3), st.sampled_from([0, 3]))
@settings(max_examples=30, deadline=None)
def test_no_artist_and_no_album_is_parted_in_any_spelling_however_a_collection_grows(steps, folds) -> None:
    old, so_far = None, []
    for step in steps:
        so_far += step
        tracks = pd.DataFrame(so_far, columns=["genre", "artist", "album", "album_artist", "folder"], dtype=object)
        tracks["track_id"] = tracks["content_hash"] = [f"t{i}" for i in range(len(tracks))]
        tracks = tracks.assign(path=tracks["folder"] + "/" + tracks["track_id"], ordinal=range(len(tracks)))
        tracks["tags"] = [[] for _ in so_far]
        with patch.object(splits, "_check_group_sizes"):
            drawn = splits.assign_splits(tracks, splits.SplitPlan(folds=folds), old)
        side = drawn.splits.pivot(index="track_id", columns="fold", values="split")
        homes, rows = find_homes(tracks), [t for t in tracks.itertuples() if t.track_id in side.index]
        for a, b in combinations(rows, 2):
            if share(a, b, homes):
                assert side.loc[a.track_id].equals(side.loc[b.track_id]), (a, b)
        assert set(side.index) | set(drawn.excluded) == set(tracks["track_id"])
        assert old is not None or not drawn.excluded
        old = drawn.splits
