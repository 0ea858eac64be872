"""What each dataset's own files mean: splits, genres, tags, albums; and what is wrong with them."""

from types import SimpleNamespace

import miniatures
import pandas as pd
import pytest

from ostinato.cache.store import Store
from ostinato.core.params.schema import Compute, Dataset, Features, Ingest, Splitting, Validate
from ostinato.core.params.training import Train
from ostinato.core.paths import Paths
from ostinato.datasets import (
    artist_metadata,
    ballroom,
    cifar100,
    fma,
    folder,
    gtzan,
    magnatagatune,
    mtg_jamendo,
    soundtracks,
    spotify_attributes,
    union,
)
from ostinato.errors import DataError, ParamsError
from ostinato.io import tables
from ostinato.stages import featurize, ingest, split, validate
from ostinato.training.network import build
from ostinato.training.settings import Settings


def list_tracks(plugin, root, **given):
    options = plugin.Options(**(getattr(miniatures, plugin.__name__.split(".")[-1])(root) | given))
    return plugin.tracks(root, options).set_index("track_id")


def test_gtzan_has_the_published_split_and_leaves_out_what_it_leaves_out(tmp_path):
    frame = list_tracks(gtzan, tmp_path)
    assert frame["genre"].unique().tolist() == ["blues", "jazz"]
    assert frame["split"].value_counts().to_dict() == {"train": 4, "test": 4, "validation": 2}
    assert pd.isna(frame.loc["jazz.00054", "split"])
    assert frame.loc["jazz.00002", ["path", "split"]].tolist() == ["genres_original/jazz/jazz.00002.wav", "validation"]


def test_gtzan_lists_that_contradict_or_fit_nothing_are_refused(tmp_path):
    miniatures.gtzan(tmp_path)
    (tmp_path / "test_filtered.txt").write_text("blues/blues.00005.wav\njazz/jazz.00000.wav\n")
    with pytest.raises(DataError, match=r"test_filtered\.txt: line 2: jazz\.00000 is already in train"):
        gtzan.tracks(tmp_path, gtzan.Options(lists="filtered"))
    for i, part in enumerate(("train", "valid", "test")):
        (tmp_path / f"{part}_filtered.txt").write_text(f"rock/rock.0000{i}.wav\n")
    with pytest.raises(DataError, match="no clip is in the filtered lists"):
        gtzan.tracks(tmp_path, gtzan.Options(lists="filtered"))
    with pytest.raises(DataError, match=r"train_stratified\.txt: does not exist"):
        gtzan.tracks(tmp_path, gtzan.Options(lists="stratified"))


def test_a_broken_jazz_54_goes_to_quarantine_and_the_official_split_is_used(tmp_path):
    given = miniatures.gtzan(tmp_path / "root")
    paths, dataset = Paths(tmp_path), Dataset(name="gtzan", path="root", **given)
    ingest.run(paths, SimpleNamespace(seed=1, compute=Compute(workers=1), ingest=Ingest(), dataset=dataset))
    validate.run(paths, SimpleNamespace(dataset=dataset, validate_=Validate(min_seconds=0.5)))
    (row,) = tables.read(paths.quarantine).to_dict("records")
    assert (row["track_id"], row["reason"]) == ("jazz.00054", "unreadable")
    split.run(paths, SimpleNamespace(seed=1, split=Splitting(official=True)))
    assert tables.read(paths.splits)["split"].value_counts().to_dict() == {"train": 4, "test": 4, "validation": 2}


def test_the_real_lists_part_930_clips_and_no_artist_stands_on_two_sides(shared_data):
    published = gtzan._read_lists(shared_data / "splits", "filtered")
    assert pd.Series(published).value_counts().to_dict() == {"train": 443, "test": 290, "validation": 197}
    options = gtzan.Options(
        lists="filtered",
        lists_path=str(shared_data / "splits"),
        artists=str(shared_data / "splits/gtzan_tracks.csv"),
    )
    frame = gtzan.tracks(shared_data / "gtzan_mini", options)
    assert (len(frame), frame["genre"].nunique()) == (100, 10)
    kept = frame[frame["split"].notna()]
    assert (kept.groupby("artist")["split"].nunique() == 1).all()
    stratified = gtzan._read_lists(shared_data / "splits", "stratified")
    assert pd.Series(stratified).value_counts().to_dict() == {"train": 500, "validation": 250, "test": 250}


SUBSETS = {"small": [2, 5, 10], "medium": [2, 5, 10, 140], "full": [2, 5, 10, 140, 141]}


@pytest.mark.parametrize(("subset", "ids"), SUBSETS.items())
def test_fma_subsets_hold_those_below_them(tmp_path, subset, ids):
    frame = list_tracks(fma, tmp_path, subset=subset)
    assert frame.index.tolist() == [f"{i:06d}" for i in ids]
    assert frame["path"].iloc[0] == f"fma_{subset}/000/000002.mp3"


def test_fma_rows_are_read_through_three_rows_of_header(tmp_path):
    frame = list_tracks(fma, tmp_path, subset="large")
    first, last = frame.iloc[0], frame.iloc[-1]
    assert first[["genre", "artist", "album", "title"]].tolist() == ["Hip-Hop", "AWOL", 'AWOL, a "way" of life', "Food"]
    assert first[["year", "latitude", "longitude"]].tolist() == [2009, 40.05, -74.4]
    assert last["tags"] == ["Folk", "Singer-Songwriter"]
    assert pd.isna(last["genre"])
    assert frame["split"].tolist() == ["train", "train", "validation", "test", "test"]
    tree = fma.genres(tmp_path / "fma_metadata/genres.csv")
    assert tree.loc[tree.loc[103, "parent"], "title"] == "Folk"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text.replace("genre_top", "genre_tip"), "has no column 'track genre_top'"),
        (lambda text: text.replace('"[17, 103]"', "[17;103]"), r"track 141: genres_all '\[17;103\]' is not a list"),
        (lambda text: text.replace('"[17, 103]"', "[9999]"), "is not a list of known genres"),
    ],
)
def test_a_broken_fma_table_is_named_with_its_track(tmp_path, edit, message):
    miniatures.fma(tmp_path)
    path = tmp_path / "fma_metadata/tracks.csv"
    path.write_text(edit(path.read_text()))
    with pytest.raises(DataError, match=message):
        fma.tracks(tmp_path, fma.Options(subset="large"))


def test_a_subset_of_which_no_track_is_named_and_a_broken_tree_are_refused(tmp_path):
    miniatures.fma(tmp_path)
    path = tmp_path / "fma_metadata/genres.csv"
    path.write_text(path.read_text().replace("902,17,", "902,18,"))
    with pytest.raises(DataError, match="genre 103 has the unknown parent 18"):
        fma.genres(path)
    tracks = tmp_path / "fma_metadata/tracks.csv"
    tracks.write_text(tracks.read_text().replace("small", "large"))
    with pytest.raises(DataError, match="has no track of fma_small"):
        fma.tracks(tmp_path, fma.Options())


def test_fma_only_fetches_what_a_subset_needs():
    assert [r.name for r in fma.remotes(fma.Options(subset="medium"))] == ["fma_metadata.zip", "fma_medium.zip"]


def test_ballroom_joins_the_rumbas_and_knows_albums(tmp_path):
    frame = list_tracks(ballroom, tmp_path)
    assert frame["genre"].value_counts().to_dict() == {"Rumba": 3, "Waltz": 2, "Samba": 1}
    assert frame.loc[["Waltz/Media-103501", "Waltz/Media-103502"], "album"].tolist() == ["Media-1035"] * 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no audio"):
        ballroom.tracks(tmp_path / "empty", ballroom.Options())


def test_soundtracks_takes_the_strongest_emotion_and_none_of_a_tie(tmp_path):
    frame = list_tracks(soundtracks, tmp_path)
    assert frame["genre"].tolist()[:2] == ["happy", "anger"]
    assert pd.isna(frame.loc["Set1/003", "genre"])
    assert frame.loc["Set2/001", "genre"] == "tender"
    sheet = tmp_path / "mean_ratings_set1.csv"
    sheet.write_text(sheet.read_text().replace("6.5", "n/a"))
    with pytest.raises(DataError, match=r"mean_ratings_set1\.csv: has a cell that is not a number"):
        soundtracks.tracks(tmp_path, soundtracks.Options())


def test_magnatagatune_keeps_the_most_frequent_tags_and_splits_by_folder(tmp_path):
    frame = list_tracks(magnatagatune, tmp_path)
    assert frame["tags"].tolist() == [["guitar", "no voice"], ["no voice"], ["guitar", "no voice"], ["guitar"]]
    assert frame["split"].tolist() == ["train", "train", "validation", "test"]
    assert frame["artist"].unique().tolist() == ["Bach Soloists"]
    assert len(magnatagatune.tracks(tmp_path, magnatagatune.Options(n_tags=2, untagged=True))) == 5


def test_jamendo_has_five_splits_and_as_many_tags_as_a_line_has(tmp_path):
    frame = list_tracks(mtg_jamendo, tmp_path)
    assert frame["split"].tolist() == ["train", "validation", "test"]
    assert frame["tags"].iloc[1] == ["genre---rock", "instrument---guitar"]
    other = mtg_jamendo.tracks(tmp_path, mtg_jamendo.Options(number=1, low=True))
    assert other["path"].iloc[0] == "audio/49/949.low.mp3"
    path = tmp_path / "data/splits/split-0/autotagging_top50tags-test.tsv"
    path.write_text(path.read_text().replace("\t212.7", ""))
    path.write_text("\n".join([path.read_text().splitlines()[0], "track_1\tartist_1"]))
    with pytest.raises(DataError, match=r"autotagging_top50tags-test\.tsv: line 2: has 2 cells"):
        mtg_jamendo.tracks(tmp_path, mtg_jamendo.Options())


def test_an_attribute_table_is_mended_where_it_can_be(tmp_path, caplog):
    frame = list_tracks(spotify_attributes, tmp_path)
    assert frame.index.tolist() == ["a1", "b2"]
    assert frame.loc["a1", "tags"] == ["Dance", "Movie"]
    assert frame.loc["a1", ["genre", "key", "mode", "time_signature"]].tolist() == ["Movie", 1.0, 1.0, 4.0]
    assert frame.loc["b2", ["artist", "key", "mode", "time_signature"]].tolist() == ["Björk", 5.0, 0.0, 3.0]
    assert "left out 1 row with" in caplog.text
    assert "the first is row 5" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"genre,energy,energy\nx,1,2\n", "has the column 'energy' twice"),
        (b"kind,energy,tempo\nx,1,2\n", "has no column for the genre"),
        (b"genre,energy\nx,1\n", "has 1 of the attributes"),
        (b"genre,energy,tempo\n", "has no rows"),
    ],
)
def test_an_attribute_table_that_cannot_be_used_says_why(tmp_path, content, message):
    (tmp_path / "tracks.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        spotify_attributes.tracks(tmp_path, spotify_attributes.Options())


def test_attribute_tables_of_other_encodings_and_line_ends_are_read(tmp_path):
    (tmp_path / "tracks.csv").write_bytes(
        "Genre,Artist Name,energy,tempo\rPop,Café,0.1,90\rRock,Zoë,0.2,91".encode("cp1252")
    )
    frame = spotify_attributes.tracks(tmp_path, spotify_attributes.Options())
    assert frame["artist"].tolist() == ["Café", "Zoë"]


REAL = {
    "SpotifyFeatures_19829.csv": (19_160, 6),
    "machinehack_music_genre.csv": (17_996, 11),
    "machinehack_music_genre_ragged_dirty.csv": (17_990, 11),
    "spotify_genres_v2_42896.csv": (41_975, 15),
}


@pytest.mark.parametrize("name", REAL)
def test_real_attribute_tables_are_read_almost_whole(shared_data, name):
    least, n_genres = REAL[name]
    frame = spotify_attributes.tracks(shared_data, spotify_attributes.Options(table=f"tables/{name}"))
    assert len(frame) >= least
    assert frame["genre"].nunique() == n_genres
    assert frame["key"].dropna().between(0, 11).all()
    assert frame["duration_ms"].dropna().between(10_000, 6e6).mean() > 0.99
    assert set(frame["time_signature"].dropna()) <= {0, 1, 3, 4, 5}


def test_a_dataset_without_audio_goes_through_the_pipeline_up_to_features(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    rows = [f"{'abc'[i % 3]},Artist {i // 2},{i / 60},{90 + i}" for i in range(60)]
    (root / "tracks.csv").write_text("\n".join(["genre,artist,energy,tempo", *rows, "a,Other,0.5,120"]))
    paths, dataset = Paths(tmp_path), Dataset(name="spotify_attributes", path="root")
    ingest.run(paths, SimpleNamespace(seed=1, compute=Compute(workers=1), ingest=Ingest(), dataset=dataset))
    validate.run(paths, SimpleNamespace(dataset=dataset, validate_=Validate()))
    split.run(paths, SimpleNamespace(seed=1, split=Splitting()))
    kinds = Features(sample_rate=22_050, shard_tracks=8, kinds={"mel": {}})
    featurize.run(paths, SimpleNamespace(compute=Compute(workers=1), dataset=dataset, features=kinds))
    assert len(tables.read(paths.quarantine)) == 0
    assert len(tables.read(paths.splits)) == 61
    assert tables.read(paths.attributes)["tempo"].sum() == sum(90 + i for i in range(60)) + 120
    assert [path.name for path in paths.features.iterdir()] == ["mel"]


def test_rows_of_the_same_attributes_stand_in_one_split(tmp_path):
    rows = [f"{'ab'[i % 2]},{(i // 2) / 60},{90 + i // 2}" for i in range(80)]
    (tmp_path / "tracks.csv").write_text("\n".join(["genre,energy,tempo", *rows]))
    frame = spotify_attributes.tracks(tmp_path, spotify_attributes.Options())
    assert frame["content_hash"].value_counts().unique().tolist() == [2]


def test_artist_metadata_joins_artists_albums_and_lyrics(tmp_path):
    frame = list_tracks(artist_metadata, tmp_path)
    assert frame["artist"].tolist() == ["Ann", "Ann", "Bo"]
    assert frame["tags"].tolist() == [["folk", "pop"], ["jazz"], []]
    assert frame.loc["t1", ["genre", "album", "year"]].tolist() == ["folk", "Q", 1999]
    assert frame.loc["t1", ["cover", "lyrics"]].tolist() == ["covers/q.png", "lyrics/t1.txt"]
    people = artist_metadata.artists(tmp_path, artist_metadata.Options()).set_index("artist")
    assert people["related"].to_dict() == {"Ann": ["Bo"], "Bo": ["Ann"]}


def test_orphans_are_named_and_strangers_refused(tmp_path, caplog):
    miniatures.artist_metadata(tmp_path)
    (tmp_path / "lyrics/t9.txt").write_text("alone")
    artist_metadata.tracks(tmp_path, artist_metadata.Options())
    assert "1 lyrics belong to no track, such as t9" in caplog.text
    pd.DataFrame({"track_id": ["t1"], "artist_id": ["p7"], "title": ["x"]}).to_parquet(tmp_path / "tracks.parquet")
    with pytest.raises(DataError, match="row 1: artist 'p7' is in no table"):
        artist_metadata.tracks(tmp_path, artist_metadata.Options())


def test_a_union_keeps_the_origin_as_a_tag_or_as_the_genre(tmp_path):
    frame = list_tracks(union, tmp_path)
    assert frame.loc["ours/jazz/a.wav", ["path", "tags"]].tolist() == ["ours/jazz/a.wav", ["from ours"]]
    assert frame.loc["gtzan/jazz.00000", "path"] == "theirs/genres_original/jazz/jazz.00000.wav"
    assert (tmp_path / frame.loc["gtzan/jazz.00000", "path"]).exists()
    given = miniatures.union(tmp_path)
    assert set(union.tracks(tmp_path, union.Options(**given, origin="genre"))["genre"]) == {"ours", "gtzan"}


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"name": "union"}, "other than union"),
        ({}, "needs the name"),
        ({"name": "folder", "path": "../x"}, "is outside the root"),
        ({"name": "spotify_attributes"}, "has no audio"),
    ],
)
def test_a_part_that_cannot_be_joined_is_named(tmp_path, part, message):
    with pytest.raises(ParamsError, match=f"dataset.of.odd.*{message}"):
        union.tracks(tmp_path, union.Options(of={"odd": part}))


def test_a_folder_takes_tags_of_its_artists(tmp_path, caplog):
    miniatures.folder(tmp_path)
    (tmp_path / "t.csv").write_text("path,artist,tags\njazz/a.wav,Ann B,loud\nrock/b.wav,Bo,\n")
    (tmp_path / "artists.csv").write_text("artist,tags\nann  b,folk;loud\nann b,vocal\nelse,x\n")
    given = {"table": "t.csv", "artist_tags": "artists.csv"}
    assert folder.tracks(tmp_path, folder.Options(**given))["tags"].tolist() == [["folk", "loud", "vocal"], []]
    (tmp_path / "artists.csv").write_text("artist,tags\nelse,x\n")
    with pytest.raises(DataError, match=r"names no artist of the tracks, such as \['Ann B'\]"):
        folder.tracks(tmp_path, folder.Options(**given))


def test_a_folder_takes_what_the_files_say_of_themselves(shared_data):
    frame = folder.tracks(shared_data / "fma_000", folder.Options(read_tags=True)).set_index("path")
    assert frame["artist"].notna().mean() > 0.9
    assert frame.loc["000002.mp3", ["artist", "title"]].tolist() == ["AWOL", "Food"]
    assert frame["genre"].notna().mean() > 0.9
    assert frame["genre"].value_counts().head(3).to_dict() == {"Folk": 25, "Latin": 6, "Hip-Hop": 5}
    assert not any(frame["tags"])


def test_cifar_has_the_published_test_and_a_fifth_to_validate_on(tmp_path):
    frame = list_tracks(cifar100, tmp_path)
    assert frame["split"].value_counts().to_dict() == {"train": 24, "validation": 6, "test": 6}
    assert frame["genre"].value_counts().to_dict() == {"ray": 12, "rose": 12, "shark": 12}
    assert set(frame.loc[frame["split"] == "validation", "genre"]) == {"ray", "rose", "shark"}
    assert frame.loc["train/00001", ["genre", "tags"]].tolist() == ["rose", ["flowers"]]


def test_cifar_pictures_reach_the_networks_as_they_stand_in_the_archive(tmp_path):
    root, paths = tmp_path / "root", Paths(tmp_path)
    miniatures.cifar100(root)
    given = SimpleNamespace(seed=1, compute=Compute(workers=1), dataset=Dataset(name="cifar100", path="root"))
    given.split, given.validate_ = Splitting(official=True), Validate()
    given.features = Features(kinds={"image": {"kind": "cover", "size": 32}})
    for stage in (ingest, validate, split, featurize):
        stage.run(paths, given)
    store = Store(paths.feature("image"))
    record = (root / "cifar-100-binary/train.bin").read_bytes()[17 * 3074 : 18 * 3074]
    planes = store.read("train/00017").squeeze().transpose(2, 0, 1)
    assert planes.tobytes() == record[2:]
    for name in ("simple", "time", "freq"):
        settings = Settings(name, "lightning", name, "genre", 1, Train(), "image")
        assert build(settings, {"image": (3, 32, 32)}, 100).head.out_features == 100


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "train.bin").write_bytes(bytes(3075)), r"train\.bin: 3075 bytes is not a multiple of 3074"),
        (
            lambda f: (f / "test.bin").write_bytes(bytes([0, 9, *bytes(3072)])),
            r"test\.bin: has class 9, the list has 3",
        ),
        (lambda f: (f / "test.bin").unlink(), r"test\.bin: does not exist; run `ostinato download`"),
    ],
)
def test_a_broken_cifar_archive_is_refused(tmp_path, spoil, said):
    miniatures.cifar100(tmp_path)
    spoil(tmp_path / "cifar-100-binary")
    with pytest.raises(DataError, match=said):
        cifar100.tracks(tmp_path, cifar100.Options())


def test_fma_is_as_large_as_its_real_list(shared_data):
    top = pd.read_csv(shared_data / "tables/fma_track_genre_top_106574.csv")
    told = top["genre_top"][top["genre_top"] != "Other"]
    assert (len(top), told.nunique()) == (fma.EXPECTED["large"], fma.EXPECTED["genre"])
    assert len(told) == 49_598
    assert set(pd.read_csv(shared_data / "fma_000_labels.csv", header=None)[0]) <= set(top["track_id"])
