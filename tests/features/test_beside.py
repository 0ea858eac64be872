"""Kinds that are made of lyrics, covers and the tracks table."""

import io

import numpy as np
import pytest
from PIL import Image

from ostinato.curation import side_inputs
from ostinato.datasets._synthesis.covers import png
from ostinato.errors import DataError
from ostinato.features import cover, lyrics, place, year

SUNG = "[Verse 1]\nDon’t stop the music {x3} x2, oh 2X\nCHORUS: \nÀ bientôt, my love!\n[Outro]"


def compute_lyrics(text, **options):
    return bytes(lyrics.compute(text, **options)).decode()


def test_lyrics_lose_marks_repeats_and_sections():
    assert compute_lyrics(SUNG) == "dont stop the music oh à bientôt my love\n"


def test_a_long_passage_in_brackets_is_sung():
    inside = "word " * 9
    assert lyrics.words(f"[{inside}]") == ["word"] * 9
    assert lyrics.words("[short] word") == ["word"]


@pytest.mark.parametrize("text", [None, "", "[Instrumental]", "la la la"])
def test_hardly_any_words_are_an_instrumental(text):
    assert compute_lyrics(text) == "\n"


def test_the_least_number_of_characters_is_a_parameter():
    assert compute_lyrics("la la la", min_characters=8) == "la la la\n"
    assert compute_lyrics("la la la", min_characters=9) == "\n"


def test_words_are_not_cut_where_a_section_name_is_part_of_them():
    assert lyrics.words("unabridged solos hooked") == ["unabridged", "solos", "hooked"]


def test_a_cover_keeps_its_colours_at_any_size():
    pixels = np.zeros((30, 50, 3), np.uint8)
    pixels[:, :25], pixels[:, 25:] = (200, 0, 0), (0, 0, 200)
    small = cover.compute(pixels, size=8)
    assert small.shape == (8, 8, 3)
    np.testing.assert_array_equal(small[4, 1], (200, 0, 0))
    np.testing.assert_array_equal(small[4, 6], (0, 0, 200))


def test_no_cover_is_black():
    np.testing.assert_array_equal(cover.compute(None, size=4), np.zeros((4, 4, 3), np.uint8))


def test_numbers_are_those_of_the_row():
    row = {"year": 1987.0, "latitude": 48.2, "longitude": float("nan")}
    np.testing.assert_array_equal(year.compute(row), [[1987.0]])
    np.testing.assert_array_equal(place.compute(row), [[48.2, np.nan]])


def test_what_is_found_is_hashed_by_content(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.txt").write_text("one")
    found = [side_inputs.find("lyrics", tmp_path, {"lyrics": name}) for name in ("a.txt", "b.txt", None, float("nan"))]
    assert found[0].content_hash == found[1].content_hash != found[2].content_hash == found[3].content_hash
    assert [side_inputs.read(f) for f in found] == ["one", "one", None, None]
    here, there = (side_inputs.find("table", tmp_path, {"year": y}) for y in (1987, 1988))
    assert here.content_hash != there.content_hash
    assert side_inputs.read(here)["year"] == 1987.0
    assert np.isnan(side_inputs.read(here)["latitude"])


def test_a_cover_is_decoded_to_its_pixels(tmp_path, rng):
    pixels = rng.integers(0, 256, (6, 5, 3), np.uint8)
    (tmp_path / "c.png").write_bytes(png(pixels))
    np.testing.assert_array_equal(side_inputs.read(side_inputs.find("cover", tmp_path, {"cover": "c.png"})), pixels)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no image", "is not an image of a known format"), (None, "cannot be read"), ("bomb", "9000 x 9000 pixels")],
    ids=["other bytes", "absent", "too large"],
)
def test_what_is_no_cover_is_refused_by_name(tmp_path, content, message):
    if content == "bomb":
        buffer = io.BytesIO()
        Image.new("1", (9000, 9000)).save(buffer, "png")
        content = buffer.getvalue()
    if content is not None:
        (tmp_path / "c.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"c\.png: .*{message}"):
        side_inputs.read(side_inputs.find("cover", tmp_path, {"cover": "c.png"}))


def test_a_novel_is_no_lyrics(tmp_path):
    (tmp_path / "novel.txt").write_bytes(b"a" * (side_inputs.MAX_LYRICS_BYTES + 1))
    with pytest.raises(DataError, match=r"novel.txt: has more than 1048576 bytes"):
        side_inputs.read(side_inputs.find("lyrics", tmp_path, {"lyrics": "novel.txt"}))


def test_a_bare_picture_is_read_out_of_a_larger_file(tmp_path, rng):
    """Two bytes of something else, then red, green and blue planes of four rows and five columns."""
    pixels = rng.integers(0, 256, (4, 5, 3), np.uint8)
    (tmp_path / "many.bin").write_bytes(b"xy" + pixels.transpose(2, 0, 1).tobytes() + b"z" * 60)
    here, next_ = (side_inputs.find("cover", tmp_path, {"cover": f"many.bin#{n}:3x4x5"}) for n in (2, 62))
    np.testing.assert_array_equal(side_inputs.read(here), pixels)
    assert here.content_hash != next_.content_hash
    with pytest.raises(DataError, match=r"many\.bin#63:3x4x5: is beyond the end of the file"):
        side_inputs.read(side_inputs.find("cover", tmp_path, {"cover": "many.bin#63:3x4x5"}))
    with pytest.raises(DataError, match=r"none\.bin: cannot be read"):
        side_inputs.read(side_inputs.find("cover", tmp_path, {"cover": "none.bin#0:3x4x5"}))
