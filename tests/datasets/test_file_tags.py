"""Tags of files in every container, and which genre they come to."""

from pathlib import Path

import av
import lameenc
import mutagen
import mutagen.aiff
import mutagen.apev2
import mutagen.flac
import mutagen.id3
import mutagen.mp4
import mutagen.oggopus
import mutagen.oggvorbis
import mutagen.wave
import numpy as np
import pytest
import soundfile

from ostinato.datasets import folder
from ostinato.datasets._file_tags import choose_artists, read_file_tags, split_genres
from ostinato.datasets.folder import Options

RATE = 22_050
TONE = (0.3 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)).astype(np.float32)
ARTISTS, GENRES = ["Öne", "Two"], ["Rock", "Jazz"]
KINDS = ("flac", "ogg", "opus", "m4a", "v24.mp3", "v23.mp3", "ape.mp3", "id3.wav", "info.wav", "aiff")


def mp3(path: Path) -> None:
    encoder = lameenc.Encoder()
    encoder.set_channels(1)
    encoder.set_in_sample_rate(RATE)
    encoder.silence()
    path.write_bytes(bytes(encoder.encode((TONE * 32_767).astype("<i2").tobytes()) + encoder.flush()))


def m4a(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=RATE)
        for start in range(0, len(TONE), 1024):
            frame = av.AudioFrame.from_ndarray(TONE[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def id3(path: Path, version: int, artists: list[str], genres: list[str]) -> None:
    """Write ID3 into MP3, WAV or AIFF."""
    kind = {".wav": mutagen.wave.WAVE, ".aiff": mutagen.aiff.AIFF}.get(path.suffix)
    frames = [
        mutagen.id3.TPE1(encoding=1, text=artists),
        mutagen.id3.TCON(encoding=1, text=genres),
        mutagen.id3.TALB(encoding=1, text="Album (Disc 1)"),
        mutagen.id3.TDRC(encoding=1, text="2008-11-26"),
    ]
    tags = mutagen.id3.ID3() if kind is None else kind(path)
    if kind is not None:
        tags.add_tags()
    for frame in frames:
        (tags if kind is None else tags.tags).add(frame)
    tags.save(path, v2_version=version)


def info(path: Path, artist: str, genre: str, encoding: str = "cp1252") -> None:
    """Append RIFF INFO to a WAV file."""
    chunks = b"".join(
        name + len(text).to_bytes(4, "little") + text + b"\0" * (len(text) % 2)
        for name, text in (
            (b"IART", artist.encode(encoding) + b"\0"),
            (b"IGNR", genre.encode(encoding) + b"\0"),
            (b"IPRD", b"Album (Disc 1)\0"),
            (b"ICRD", b"2008-11-26\0"),
        )
    )
    body = b"INFO" + chunks
    data = bytearray(path.read_bytes() + b"LIST" + len(body).to_bytes(4, "little") + body)
    data[4:8] = (len(data) - 8).to_bytes(4, "little")
    path.write_bytes(data)


def write(path: Path, artists: list[str] = ARTISTS, genres: list[str] = GENRES) -> Path:
    """Write a tone with tags; its name says the container."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = next(kind for kind in sorted(KINDS, key=len, reverse=True) if path.name.endswith(kind))
    if kind.endswith("mp3"):
        mp3(path)
    elif kind == "m4a":
        m4a(path)
    else:
        subtype = {"opus": ("OGG", "OPUS"), "ogg": ("OGG", "VORBIS"), "aiff": ("AIFF", "PCM_16")}.get(
            kind, (None, None)
        )
        soundfile.write(
            path, TONE[: RATE // 2], 24_000 if kind == "opus" else RATE, format=subtype[0], subtype=subtype[1]
        )
    about = {"artist": artists, "genre": genres, "album": ["Album (Disc 1)"], "date": ["2008-11-26"]}
    if kind in ("flac", "ogg", "opus"):
        opened = mutagen.File(path)
        for name, values in about.items():
            opened[name.upper()] = values
        opened.save()
    elif kind == "m4a":
        opened = mutagen.mp4.MP4(path)
        atoms = {"artist": "\xa9ART", "genre": "\xa9gen", "album": "\xa9alb", "date": "\xa9day"}
        for name, values in about.items():
            opened[atoms[name]] = values
        opened.save()
    elif kind == "ape.mp3":
        tags = mutagen.apev2.APEv2()
        for name, values in about.items():
            tags[{"date": "Year"}.get(name, name.title())] = values
        tags.save(path)
    elif kind == "info.wav":
        info(path, artists[0], "; ".join(genres))
    else:
        id3(path, 3 if "v23" in kind else 4, artists, genres)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_all_values_of_a_tag_are_read(tmp_path, kind):
    tags = read_file_tags(write(tmp_path / f"a.{kind}"))
    assert split_genres(tags["genre"]) == GENRES
    assert tags["artist"] == (ARTISTS[:1] if kind == "info.wav" else ARTISTS)
    assert (tags["album"], tags["date"]) == (["Album (Disc 1)"], ["2008-11-26"])


@pytest.mark.parametrize("kind", ["flac", "v24.mp3", "v23.mp3", "m4a", "info.wav"])
def test_a_listing_has_the_first_genre_and_all_else_that_files_say(tmp_path, kind):
    for name in ("Ann", "Bob"):
        write(tmp_path / name / "Album" / "CD1" / f"a.{kind}", [name, "Two"])
    frame = folder.tracks(tmp_path, Options(read_tags=True))
    assert frame[["genre", "artist", "album", "year"]].to_numpy().tolist() == [
        ["Rock", "Ann", "Album", 2008.0],
        ["Rock", "Bob", "Album", 2008.0],
    ]
    assert frame["tags"].tolist() == [[], []]
    several = "files with several genres, of which the first is the class"
    assert {r["what"]: (r["n"], r["of"]) for r in frame.attrs["remarks"]}[several] == (2, 2)
    assert (
        folder.tracks(tmp_path, Options(genre_from="tags", genre_tags=True))["tags"].tolist() == [["Jazz", "Rock"]] * 2
    )


@pytest.mark.parametrize(
    ("written", "genres"),
    [
        ("Rock/Jazz", ["Rock", "Jazz"]),
        ("Rock; Jazz", ["Rock", "Jazz"]),
        ("Rock|Jazz", ["Rock", "Jazz"]),
        ("(17)", ["Rock"]),
        ("(17)(8)", ["Rock", "Jazz"]),
        ("(17)Rock", ["Rock"]),
        ("(4)Eurodisco", ["Disco", "Eurodisco"]),
        ("17", ["Rock"]),
        ("17; 8", ["Rock", "Jazz"]),
        ("Pop/Funk", ["Pop/Funk"]),
        ("Folk, World, & Country", ["Folk, World, & Country"]),
        ("R&B/Soul", ["R&B", "Soul"]),
        ("Unknown", []),
        ("255", []),
        ("80s", ["80s"]),
    ],
)
@pytest.mark.parametrize("kind", ["flac", "v23.mp3", "v24.mp3", "m4a"])
def test_genres_are_read_as_people_write_them(tmp_path, kind, written, genres):
    assert split_genres(read_file_tags(write(tmp_path / f"a.{kind}", genres=[written])).get("genre", [])) == genres


@pytest.mark.parametrize("name", ["AC/DC", "Au/Ra", "KD/A", "LOONA 1/3"])
@pytest.mark.parametrize("kind", KINDS[:-1])
def test_a_slash_may_belong_to_the_name_of_an_artist(tmp_path, kind, name):
    assert read_file_tags(write(tmp_path / f"a.{kind}", artists=[name]))["artist"] == [name]


@pytest.mark.parametrize("kind", ["flac", "v24.mp3", "m4a"])
def test_artists_are_parted_only_where_the_container_parts_them(tmp_path, kind):
    names = ["Smith/Kotzen", "Earth, Wind & Fire", "Tom; Jerry"]
    assert read_file_tags(write(tmp_path / f"a.{kind}", artists=names))["artist"] == names


def test_version_3_of_id3_parts_artists_by_a_slash(tmp_path):
    assert read_file_tags(write(tmp_path / "a.v23.mp3", artists=["Simon", "Garfunkel"]))["artist"] == [
        "Simon",
        "Garfunkel",
    ]


def test_the_word_for_several_artists_is_no_artist():
    assert choose_artists({"artist": ["Various Artists"], "albumartist": ["V.A."]}) == []
    assert choose_artists({"artist": ["A feat. B"], "albumartist": ["A"]}) == ["A feat. B", "A"]


def test_id3_goes_before_the_info_of_a_wav(tmp_path):
    path = write(tmp_path / "a.id3.wav", ["Whole Name"], ["Rock"])
    info(path, "Cut Na", "Jazz")
    assert read_file_tags(path)["artist"] == ["Whole Name"]


@pytest.mark.parametrize(
    "content", [b"", b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f", b"fLaC\x84\xff\xff\xff", b"RIFF\xff\xff\xff\xffWAVE"]
)
@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.wav", "a.m4a"])
def test_a_damaged_tag_is_no_tag(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert read_file_tags(tmp_path / name) == {}


def test_no_file_is_no_tag(tmp_path):
    assert read_file_tags(tmp_path / "absent.flac") == {}


@pytest.fixture
def archive(tmp_path):
    """Make a collection as most are: Artist/Album/Title, genres in the tags."""
    for number, artist in enumerate(["Ann", "Bo", "Cy", "Di"]):
        for disc in ("CD1", "Disc 2"):
            write(
                tmp_path / artist / "Hits" / disc / f"{number}.flac",
                [artist],
                [["Rock"], ["Jazz", "Blues"]][number % 2],
            )
    write(tmp_path / "Various Artists" / "Party" / "x.flac", ["Ed"], ["Rock"])
    return tmp_path


@pytest.mark.parametrize("options", [{"read_tags": True}, {"genre_from": "tags"}])
def test_no_artist_becomes_a_genre(archive, options):
    frame = folder.tracks(archive, Options(**options))
    assert frame["genre"].value_counts().to_dict() == {"Rock": 5, "Jazz": 4}
    assert sorted(frame["artist"].unique()) == ["Ann", "Bo", "Cy", "Di", "Ed"]
    assert not any(frame["tags"])


def test_folders_of_artists_are_pointed_out_where_tags_are_not_read(archive):
    remarks = [remark["what"] for remark in folder.tracks(archive, Options()).attrs["remarks"]]
    assert sum("set dataset.genre_from: tags" in remark for remark in remarks) == 1
    assert folder.tracks(archive, Options(genre_from="folder"))["genre"].nunique() == 5


def test_a_folder_per_genre_stays_so_and_differing_tags_are_counted(tmp_path):
    write(tmp_path / "rock" / "Ann" / "a.flac", ["Ann"], ["ROCK"])
    write(tmp_path / "rock" / "Bo" / "b.flac", ["Bo"], ["Jazz"])
    write(tmp_path / "jazz" / "Cy" / "c.flac", ["Cy"], ["Jazz"])
    write(tmp_path / "d.flac", ["Di"], ["Jazz"])
    frame = folder.tracks(tmp_path, Options(read_tags=True))
    assert frame.set_index("path")["genre"].to_dict() == {
        "d.flac": "Jazz",
        "jazz/Cy/c.flac": "jazz",
        "rock/Ann/a.flac": "rock",
        "rock/Bo/b.flac": "rock",
    }
    assert frame.attrs["remarks"] == [
        {
            "what": "files whose tags and folder disagree on the genre (folder counts)",
            "n": 1,
            "of": 3,
            "examples": ["rock/Bo/b.flac: folder rock, tags Jazz"],
        }
    ]
    told = folder.tracks(tmp_path, Options(genre_from="tags"))
    assert told["genre"].tolist() == ["Jazz", "Jazz", "ROCK", "Jazz"]
    assert "folder and tags disagree on the genre (tags counts)" in told.attrs["remarks"][0]["what"]


@pytest.mark.parametrize(
    ("depth", "genres"), [(1, ["Ann", "Bo"]), (2, ["Jazz", "Rock"]), (-1, ["Jazz", "Rock"]), (3, [None, None])]
)
def test_the_depth_of_the_folder_that_names_the_genre(tmp_path, depth, genres):
    for name in ("Ann/Jazz/CD1/a.wav", "Bo/Rock/disc 2/b.wav"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    frame = folder.tracks(tmp_path, Options(genre_from="folder", genre_depth=depth))
    assert frame["genre"].tolist() == genres


def test_all_artists_of_a_track_are_listed(tmp_path):
    write(tmp_path / "rock" / "a.flac", ["One", "Two"])
    assert folder.tracks(tmp_path, Options(read_tags=True))["artists"].tolist() == [["One", "Two"]]
