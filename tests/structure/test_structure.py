"""Tempo, sections and thumbnails of songs whose form is known."""

import json

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly
from typer.testing import CliRunner

from ostinato.cli import app
from ostinato.structure import Section, Structure, analyze, find_thumbnail
from ostinato.structure.analysis import compute_novelty, label_sections
from songs import Song, render_song

SEEDS = range(6)


@pytest.fixture(scope="module")
def songs() -> list[tuple[Song, Structure]]:
    rendered = [render_song(seed) for seed in SEEDS]
    return [(song, analyze(song.sound, song.sample_rate)) for song in rendered]


def get_starts(structure: Structure) -> np.ndarray:
    return np.array([s.start for s in structure.sections])


def test_sections_begin_where_they_were_planted(songs):
    for song, structure in songs:
        assert len(structure.sections) == len(song.starts)
        np.testing.assert_allclose(get_starts(structure), song.starts, atol=3)


def test_sections_are_without_gaps_and_end_with_the_song(songs):
    for song, structure in songs:
        ends = [s.end for s in structure.sections]
        assert get_starts(structure).tolist() == [0.0, *ends[:-1]]
        assert ends[-1] == pytest.approx(len(song.sound) / song.sample_rate, abs=1e-3)


def test_returning_sections_share_a_letter(songs):
    for _, structure in songs:
        letters = [s.label for s in structure.sections]
        assert letters[0] == letters[2] == "A"
        assert letters[1] == letters[3] == letters[5] == "B"


def test_the_tempo_is_that_of_the_song_or_an_octave_of_it(songs):
    for song, structure in songs:
        assert min(abs(structure.tempo / song.tempo / factor - 1) for factor in (0.5, 2 / 3, 1, 1.5, 2)) < 0.03
        assert np.median(np.diff(structure.beats)) == pytest.approx(60 / structure.tempo, rel=0.05)


def test_a_track_without_sections_has_its_middle_as_thumbnail():
    plain = Structure(40.0, None, None, (), (Section(0.0, 40.0, "A", -20.0),))
    assert find_thumbnail(plain, 15.0) == (12.5, 27.5)
    assert find_thumbnail(plain, 60.0) == (0.0, 40.0)
    sections = (Section(0.0, 20.0, "A", -20.0), Section(20.0, 60.0, "B", -10.0))
    assert find_thumbnail(Structure(60.0, None, None, (), sections), 15.0) == (20.0, 35.0)


def test_the_thumbnail_lies_in_the_hook_of_all_songs_but_one(songs):
    """The one has a bridge that is longer than its hooks and as quiet as its verses."""
    n_right = 0
    for song, structure in songs:
        start, end = find_thumbnail(structure)
        assert end - start == pytest.approx(15)
        inside = sum(max(0.0, min(end, b) - max(start, a)) for a, b in song.list_sections("hook"))
        n_right += inside > 0.75 * min(15, song.starts[2] - song.starts[1])
    assert n_right >= len(songs) - 1


@pytest.mark.parametrize("change", ["12 dB lower", "another sample rate"])
def test_the_answer_does_not_depend_on_level_or_sample_rate(songs, change):
    """But for a beat, on which a section may begin sooner or later."""
    song, structure = songs[0]
    if change == "12 dB lower":
        other = analyze(song.sound * np.float32(10 ** (-12 / 20)), song.sample_rate)
    else:
        other = analyze(resample_poly(song.sound, 320, 147).astype(np.float32), 48000)
    assert [s.label for s in other.sections] == [s.label for s in structure.sections]
    np.testing.assert_allclose(get_starts(other), get_starts(structure), atol=60 / structure.tempo + 0.1)
    np.testing.assert_allclose(find_thumbnail(other), find_thumbnail(structure), atol=60 / structure.tempo + 0.1)


@pytest.mark.parametrize("sound", ["silence", "nothing", "a second of a tone", "noise"])
def test_what_has_no_form_is_one_section(sound):
    y = {
        "silence": np.zeros(5 * 22050, np.float32),
        "nothing": np.zeros(0, np.float32),
        "a second of a tone": np.sin(np.arange(22050) / 10).astype(np.float32),
        "noise": np.random.default_rng(0).normal(0, 0.1, 30 * 22050).astype(np.float32),
    }[sound]
    structure = analyze(y, 22050)
    if sound == "noise":
        assert len({s.label for s in structure.sections}) == 1
    else:
        assert len(structure.sections) == 1
    assert find_thumbnail(structure)[0] >= 0
    assert (structure.tempo is None) == (sound in ("silence", "nothing", "a second of a tone"))


def test_novelty_peaks_where_two_halves_meet():
    features = np.repeat([[0.0, 1.0], [1.0, 0.0]], 30, axis=1) + 0.01 * np.random.default_rng(0).normal(size=(2, 60))
    assert compute_novelty(features, 8).argmax() == 30


def test_letters_follow_the_order_of_sections():
    features = np.repeat([[5.0, 0.0, 5.0, 9.0]], 4, axis=1)
    assert label_sections(features, np.array([0, 4, 8, 12])) == ["A", "B", "A", "C"]


def test_the_commands(tmp_path, songs):
    song, structure = songs[0]
    soundfile.write(tmp_path / "song.flac", song.sound, song.sample_rate)
    (tmp_path / "notes.mp3").write_text("no music " * 50)
    result = CliRunner().invoke(app, ["structure", str(tmp_path), "--json"])
    assert result.exit_code == 1
    assert "notes.mp3: cannot be decoded" in result.stderr
    (answer,) = map(json.loads, result.stdout.splitlines())
    assert [s["label"] for s in answer["sections"]] == [s.label for s in structure.sections]
    text = CliRunner().invoke(app, ["structure", str(tmp_path / "song.flac")]).stdout
    assert " bpm, tuning " in text
    assert ", A 0:00, B 0:" in text
    clip = tmp_path / "clip.wav"
    call = ["thumbnail", str(tmp_path / "song.flac"), "--seconds", "10", "--out", str(clip)]
    assert CliRunner().invoke(app, call).exit_code == 0
    y, rate = soundfile.read(clip)
    assert len(y) / rate == pytest.approx(10, abs=1e-3)
    start = round(find_thumbnail(structure, 10)[0] * rate)
    np.testing.assert_allclose(y, song.sound[start : start + len(y)], atol=1e-3)
    assert "is there already" in str(CliRunner().invoke(app, call).exception)
