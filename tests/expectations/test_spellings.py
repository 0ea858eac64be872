"""One name in several spellings is one everywhere: in splits and their receipt, ranking, recommendation, tables."""

import json
import unicodedata
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile

from ostinato.core.params.schema import Compute, Dataset, Ingest, Validate
from ostinato.core.paths import Paths
from ostinato.curation import splits
from ostinato.datasets import folder
from ostinato.errors import DataError
from ostinato.evaluation.similarity.queries import build_queries
from ostinato.expectations import _session
from ostinato.expectations import splits as sides
from ostinato.expectations import tracks as facts
from ostinato.io import tables
from ostinato.recommendation.catalog import Catalog
from ostinato.recommendation.filters import Filter
from ostinato.recommendation.recommend import recommend
from ostinato.stages import artists, ingest, validate

SPELLINGS = {
    "composed": lambda name: unicodedata.normalize("NFC", name),
    "decomposed": lambda name: unicodedata.normalize("NFD", name),
    "upper case": str.upper,
    "more spaces": lambda name: f" {name.replace(' ', '  ')} ",
    "full width": lambda name: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in name),
}


def collection(n_artists: int = 12) -> pd.DataFrame:
    """Return two tracks each of artists whose name and album are spelled in as many ways as there are."""
    spell = list(SPELLINGS.values())
    rows = [
        {
            "track_id": f"{artist}/{i}",
            "path": f"{artist}-{i}.flac",
            "artist": spell[(artist + i) % len(spell)](f"Björk Ólafs {artist}"),
            "album": spell[(2 * artist + i) % len(spell)]("Début"),
            "genre": "xyz"[artist % 3],
            "tags": [],
            "copy": f"{artist}/{i}",
        }
        for artist in range(n_artists)
        for i in range(2)
    ]
    return pd.DataFrame(rows).assign(content_hash=lambda t: t["track_id"], ordinal=range(len(rows)))


def test_an_artist_stands_in_one_split_however_it_is_spelled() -> None:
    tracks = collection()
    drawn = splits.assign_splits(tracks, splits.SplitPlan()).splits
    owner = drawn["track_id"].str.partition("/")[0]
    assert drawn.groupby(owner)["split"].nunique().tolist() == [1] * 12
    assert drawn["split"].nunique() == 3


def receipt(tracks: pd.DataFrame, rows: pd.DataFrame, tmp_path) -> dict:
    return _session.Session(tmp_path / "docs").check("splits", sides.prepare(tracks, rows), sides.suite("artist"))[0]


@pytest.mark.parametrize("spelling", list(SPELLINGS))
@pytest.mark.parametrize("column", ["artist", "album"])
def test_the_receipt_fails_on_a_leak_in_another_spelling(spelling: str, column: str, tmp_path) -> None:
    tracks = pd.DataFrame(
        {"track_id": ["a", "b", "c"], "genre": "x", "copy": ["a", "b", "c"], "artist": ["Úna", "Ben", "Cy"]}
    ).assign(album=["Ébène", "Blue", "Red"], path=["1/a.mp3", "2/b.mp3", "3/c.mp3"])
    rows = pd.DataFrame({"track_id": ["a", "b", "c"], "fold": 0, "split": ["train", "validation", "test"]})
    assert receipt(tracks, rows, tmp_path)["success"]
    leaky = tracks.copy()
    leaky.loc[2, column] = SPELLINGS[spelling](tracks.loc[0, column])
    if column == "album":
        leaky["artist"] = None
    found = receipt(leaky, rows, tmp_path)
    broken = {e["column"]: e["n_broken"] for e in found["expectations"]}
    assert not found["success"]
    assert broken[f"splits_of_{column}"] == 2


def test_case_and_unicode_variants_of_a_label_are_one_class(tmp_path) -> None:
    root, rng = tmp_path / "data/raw/folder", np.random.default_rng(0)
    genres = [
        "Rock",
        "rock",
        "ROCK",
        "Rock",
        "Ｒｏｃｋ",
        "Chanson Française",
        "chanson franc\u0327aise",
        "Chanson Française",
    ]
    for i, genre in enumerate(genres):
        (root / genre).mkdir(parents=True, exist_ok=True)
        soundfile.write(root / genre / f"{i}.wav", rng.uniform(-0.5, 0.5, 4000), 8000)
    rows = [
        f"{i},{tag},{who}" for i, (tag, who) in enumerate([("Slow", "ABBA"), ("slow", "ABBA"), ("SLOW;Slow", "Abba")])
    ]
    (tmp_path / "t.csv").write_text("\n".join(["track_id,tags,artist", *rows, *(f"{i},," for i in range(3, 8))]))
    params = SimpleNamespace(
        seed=1,
        compute=Compute(workers=1),
        ingest=Ingest(),
        dataset=Dataset(name="folder", table=str(tmp_path / "t.csv")),
    )
    ingest.run(Paths(tmp_path), params)
    tracks = tables.read(Paths(tmp_path).tracks).sort_values("track_id", key=lambda ids: ids.str[-5])
    assert tracks["genre"].tolist() == ["Rock"] * 5 + ["Chanson Française"] * 3
    assert [list(tags) for tags in tracks["tags"]] == [["Slow"]] * 3 + [[]] * 5
    assert tracks["artist"].tolist()[:3] == ["ABBA"] * 3


def run_ingest(tmp_path, genres: list[str], **dataset) -> pd.DataFrame:
    root, rng = tmp_path / "data/raw/folder", np.random.default_rng(0)
    for i, genre in enumerate(genres):
        (root / genre).mkdir(parents=True, exist_ok=True)
        soundfile.write(root / genre / f"{i}.wav", rng.uniform(-0.5, 0.5, 4000), 8000)
    params = SimpleNamespace(
        seed=1, compute=Compute(workers=1), ingest=Ingest(), dataset=Dataset(name="folder", **dataset)
    )
    ingest.run(Paths(tmp_path), params)
    return tables.read(Paths(tmp_path).tracks)


def test_a_renaming_settles_near_spellings_of_folders(tmp_path) -> None:
    tracks = run_ingest(
        tmp_path, ["hiphop", "HipHop", "hip hop", "Hip-Hop", "Jazz"], rename={"hiphop": "Hip-Hop", "Hip Hop": "Hip-Hop"}
    )
    assert tracks["genre"].value_counts().to_dict() == {"Hip-Hop": 4, "Jazz": 1}


def test_a_renaming_settles_near_spellings_of_tables(tmp_path) -> None:
    (tmp_path / "t.csv").write_text("track_id,genre,tags\n0,R and B,slow jam\n1,R&B,slow-jam\n")
    tracks = run_ingest(
        tmp_path, ["a", "b"], table=str(tmp_path / "t.csv"), rename={"R and B": "R&B", "slow-jam": "Slow Jam"}
    )
    assert tracks["genre"].tolist() == ["R&B", "R&B"]
    assert [list(tags) for tags in tracks["tags"]] == [["Slow Jam"], ["Slow Jam"]]


def test_a_renaming_of_a_class_that_is_not_there_is_told(tmp_path) -> None:
    with pytest.raises(DataError, match=r"dataset.rename: \{hipop: Hip-Hop\}: no track has 'hipop'; .*mean 'hiphop'"):
        run_ingest(tmp_path, ["hiphop", "Jazz"], rename={"hipop": "Hip-Hop"})


def test_classes_are_chosen_in_any_spelling(tmp_path) -> None:
    assert set(run_ingest(tmp_path, ["Rock", "Jazz", "Folk"], classes=["rock", "JAZZ"])["genre"]) == {"Rock", "Jazz"}


def test_no_name_is_no_artist_and_an_artist_called_nan_is_one(tmp_path) -> None:
    """A table of artists with a row without a name and one of an artist called Nan."""
    for name in ("unnamed", "nan", "una"):
        (tmp_path / f"{name}.wav").touch()
    (tmp_path / "artists.csv").write_text("artist,tags\n,nobody\nNan,thai\nÚna,irish\n")
    (tmp_path / "t.csv").write_text("track_id,artist\nunnamed,\nnan,NAN\nuna,u\u0301na\n", encoding="utf-8")
    found = folder.tracks(tmp_path, folder.Options(table="t.csv", artist_tags="artists.csv"))
    assert found.set_index("track_id")["tags"].to_dict() == {
        "unnamed.wav": [],
        "nan.wav": ["thai"],
        "una.wav": ["irish"],
    }


def test_a_question_leaves_out_the_artist_in_every_spelling() -> None:
    tracks = pd.DataFrame({"artist": ["Úna", "ÚNA", "u\u0301na", "Ben"], "genre": "x", "tags": [[]] * 4})
    asked = {q.name: q for q in build_queries(tracks, None, cold=np.ones(4, bool), known=np.zeros(4, bool), seed=0)}
    assert asked["genre"].target.tolist() == [[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1], [1, 1, 1, 0]]


def test_artists_are_related_in_every_spelling() -> None:
    tracks = pd.DataFrame({"artist": ["Úna", "ÚNA", "Ben"], "genre": None, "tags": [[]] * 3})
    found = build_queries(tracks, {"úna": {"BEN"}}, cold=np.ones(3, bool), known=np.zeros(3, bool), seed=0)
    (asked,) = found
    assert asked.name == "related"
    assert asked.target.tolist() == [[0, 1], [0, 0]]


@pytest.fixture
def catalog() -> Catalog:
    angle = np.radians([0, 1, 2, 3, 40])
    known = [
        {"artist": artist, "album": album, "title": title, "genre": genre, "tags": tags}
        for artist, album, title, genre, tags in [
            ("Úna", "Début", "One", "Rock", ["slow"]),
            ("ÚNA", "DÉBUT", "Two", "rock", ["Slow"]),
            ("U\u0301na", "De\u0301but", "Dawn\u0301", "Folk", []),
            ("úna ", "Début", "Four", "Folk", []),
            ("Ben", "Blue", "Five", "Jazz", []),
        ]
    ]
    return Catalog(list("abcde"), np.stack([np.cos(angle), np.sin(angle)], axis=1), known, version="v")


def test_at_most_so_many_of_an_artist_in_all_its_spellings(catalog: Catalog) -> None:
    assert recommend(catalog, ["a"], k=4, per_artist=1)[0].tolist() == ["b", "e"]


def test_artists_and_albums_of_a_catalog_are_one_in_all_spellings(catalog: Catalog) -> None:
    assert catalog.by("artist").ids == ["Úna", "Ben"]
    assert catalog.by("album").ids == ["Début", "Blue"]


def test_a_title_is_found_in_another_form_of_unicode(catalog: Catalog) -> None:
    assert catalog.find_by_title("dawń") == "c"


def test_a_filter_by_genre_or_tag_takes_every_spelling(catalog: Catalog) -> None:
    assert Filter(genres=frozenset({"ROCK"})).mask(catalog).tolist() == [True, True, False, False, False]
    assert Filter(tags=frozenset({"SLOW"})).mask(catalog).tolist() == [True, True, False, False, False]


def test_listed_artists_are_written_as_the_tracks_write_them() -> None:
    listed = pd.DataFrame({"artist": ["U\u0301NA", "ben", "Cy"], "related": [["BEN"], ["úna", "CY"], []]})
    found = artists._unify_spelling(listed, pd.Series(["Úna", "Ben", None]))
    assert found["artist"].tolist() == ["Úna", "Ben", "Cy"]
    assert found["related"].tolist() == [["Ben"], ["Úna", "Cy"], []]


def test_a_split_is_kept_where_only_spellings_change() -> None:
    tracks, plan = collection(), splits.SplitPlan()
    old = splits.assign_splits(tracks, plan).splits
    again = splits.assign_splits(tracks.assign(artist=tracks["artist"].str.upper()), plan, old)
    assert json.loads(again.splits["split"].to_json()) == json.loads(old["split"].to_json())
    assert again.excluded == {}


def test_near_spellings_are_named_by_validate_and_nothing_is_left_out_for_them(tmp_path, caplog) -> None:
    genres = ["hip hop", "Hip-Hop", "Hip-Hop", "HipHop", "hiphop", "R and B", "R&B", "Jazz"]
    tracks = run_ingest(tmp_path, genres)
    paths = Paths(tmp_path)
    bounds = Validate(min_seconds=0.1, max_temporal_flatness=1.0, copies="group", min_tracks_per_class=1)
    validate.run(paths, SimpleNamespace(dataset=Dataset(name="folder"), validate_=bounds))
    receipt = json.loads(paths.receipt("spellings").read_text())
    assert receipt["groups"] == {"genre": [{"Hip-Hop": 2, "HipHop": 2, "hip hop": 1}, {"R and B": 1, "R&B": 1}]}
    broken = {e["column"]: (e["reason"], e["n_broken"]) for e in receipt["expectations"]}
    assert broken["genre"] == ("genres that may be the same, in several spellings", 2)
    assert not receipt["success"]
    assert (
        "genre: Hip-Hop (2), HipHop (2), hip hop (1) may be the same; "
        "if so, dataset.rename: {HipHop: Hip-Hop, hip hop: Hip-Hop}" in caplog.text
    )
    assert tables.read(paths.quarantine).empty
    renaming = {"HipHop": "Hip-Hop", "hip hop": "Hip-Hop", "R&B": "R and B"}
    assert set(run_ingest(tmp_path, genres, rename=renaming)["genre"]) == {"Hip-Hop", "R and B", "Jazz"}
    validate.run(paths, SimpleNamespace(dataset=Dataset(name="folder"), validate_=bounds))
    assert json.loads(paths.receipt("spellings").read_text())["success"]
    assert len(tracks) == 8


def test_a_declared_class_in_another_spelling_is_declared() -> None:
    rows = pd.DataFrame({"genre": ["ROCK", "Polka"], "tags": [["Slow"], []]})
    found = facts.prepare(rows, pd.Series([False, False]), None, {"genre": ("rock",), "tags": ("slow",)})
    assert found["undeclared"].tolist() == [None, "Polka"]
