"""Which files of a folder are listed, through which links, and what is counted as passed over."""

import os

import pytest

from ostinato.audio import SUFFIXES, find_audio
from ostinato.audio.listing import Skipped


@pytest.fixture
def music(tmp_path):
    """A folder with two genres, one of them a link out of it."""
    for name in ("lib/jazz/a.wav", "lib/jazz/b.MP3", "elsewhere/rock/c.flac", "elsewhere/rock/live/d.ogg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "lib/rock").symlink_to(tmp_path / "elsewhere/rock")
    return tmp_path / "lib"


FOUR = ["jazz/a.wav", "jazz/b.MP3", "rock/c.flac", "rock/live/d.ogg"]


def test_links_to_folders_and_files_are_followed(music):
    (music / "jazz/e.wav").symlink_to(music.parent / "elsewhere/rock/../e.wav")
    (music.parent / "elsewhere/e.wav").write_bytes(b"e")
    listing = find_audio(music)
    assert listing.paths == sorted([*FOUR, "jazz/e.wav"])
    assert listing.skipped == []
    assert listing.explain() == ""


def test_what_is_reached_twice_is_listed_once_and_told(music):
    (music / "aaa").symlink_to(music / "jazz")
    (music / "jazz/0.wav").symlink_to("a.wav")
    (music / "rock_again").symlink_to(music.parent / "elsewhere/rock")
    listing = find_audio(music)
    assert listing.paths == FOUR
    assert listing.skipped == [
        Skipped("leading to the same file as another path", 1, "jazz/0.wav (same as jazz/a.wav)"),
        Skipped("leading to the same folder as another path", 2, "aaa (same as jazz)"),
    ]
    (music / "aaa").unlink()
    (music / "jazz/0.wav").unlink()
    assert find_audio(music).explain() == (
        "1 leading to the same folder as another path, such as rock_again (same as rock)"
    ), "of two links to one folder the first is listed, and the second names it"
    (music / "rock_again").unlink()
    (music / "up").symlink_to(music)
    assert find_audio(music).explain() == "1 leading to the same folder as another path, such as up (same as .)"


def test_links_that_lead_back_end(music):
    (music / "jazz/up").symlink_to(music)
    (music / "all").symlink_to(music.parent)
    (music / "one").symlink_to("two")
    (music / "two").symlink_to("one")
    listing = find_audio(music)
    assert listing.paths == FOUR, "of several ways the link to the deepest folder counts, since it names the genre"


def test_a_link_to_a_folder_that_is_away_is_named_as_such(music):
    (music / "pop").symlink_to(music.parent / "unmounted/pop")
    (music / "cover.jpg").symlink_to("gone.jpg")
    listing = find_audio(music)
    assert listing.paths == FOUR
    assert listing.explain() == "2 linking to a missing path, such as cover.jpg"


def test_what_is_no_audio_is_counted_by_kind(music):
    for name in ("jazz/x.mid", "jazz/y.MID", "cover.jpg", "notes", "jazz/._a.wav", ".git/z.wav"):
        (music / name).parent.mkdir(exist_ok=True)
        (music / name).write_bytes(b"")
    os.mkfifo(music / "jazz/pipe.wav")
    (music / "jazz/gone.wav").symlink_to("nowhere.wav")
    listing = find_audio(music)
    assert listing.paths == sorted([*FOUR, "jazz/gone.wav"])
    assert listing.skipped == [
        Skipped("hidden", 1, "jazz/._a.wav"),
        Skipped("not a regular file", 1, "jazz/pipe.wav"),
        Skipped("with the suffix .jpg", 1, "cover.jpg"),
        Skipped("with the suffix .mid", 2, "jazz/x.mid"),
        Skipped("without a suffix", 1, "notes"),
    ]


def test_names_that_no_table_can_hold_are_left_to_who_can(music):
    (music / os.fsdecode(b"caf\xe9.wav")).write_bytes(b"")
    assert len(find_audio(music).paths) == 5
    listing = find_audio(music, only_utf8=True)
    assert listing.paths == FOUR
    assert listing.skipped == [Skipped("with a name that is not UTF-8", 1, "caf\\xe9.wav")]


def test_a_folder_that_cannot_be_listed_is_counted_or_refused(music, monkeypatch):
    scandir = os.scandir

    def deny(path):
        if str(path).endswith("jazz"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)
    listing = find_audio(music)
    assert listing.paths == FOUR[2:]
    assert listing.skipped == [Skipped("that cannot be listed (Permission denied)", 1, "jazz")]
    errors = []
    find_audio(music, errors.append)
    assert [error.filename for error in errors] == [str(music / "jazz")]


@pytest.mark.parametrize(
    "suffix", ["wav", "wave", "w64", "rf64", "bwf", "aifc", "m4b", "3gp", "weba", "caf", "mka", "mkv", "tta", "oga"]
)
def test_suffixes_that_decoders_read_are_listed(suffix):
    assert f".{suffix}" in SUFFIXES
