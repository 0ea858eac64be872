"""Names: which spellings are one, how each is written, and which are nearly the same."""

import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.core import names
from ostinato.errors import DataError


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Sigur Rós", unicodedata.normalize("NFD", "Sigur Rós")),
        ("Motörhead", "MOTÖRHEAD"),
        ("The  Beatles", " the beatles\t"),
        ("The\u00a0Beatles", "The Beatles"),
        ("Ｒｏｃｋ", "Rock"),
        ("Straße", "STRASSE"),
        ("Guns N’ Roses", "Guns N' Roses"),
        ("Jay‐Z", "Jay-Z"),
        ("\ufeffABBA", "ABBA"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ],
)
def test_spellings_of_one_name(a: str, b: str) -> None:
    assert names.identity(a) == names.identity(b) is not None
    assert names.are_same(a, b)


@pytest.mark.parametrize(("a", "b"), [("Hip-Hop", "hiphop"), ("Ana", "Aná"), ("AC/DC", "ACDC"), ("R&B", "R and B")])
def test_other_names_stay_others(a: str, b: str) -> None:
    assert names.identity(a) != names.identity(b)


@pytest.mark.parametrize("missing", [None, np.nan, float("nan"), pd.NA, pd.NaT, "", "  ", "\u200b"])
def test_what_is_missing_is_no_name(missing: object) -> None:
    assert names.identity(missing) is None
    assert not names.are_same(missing, missing)


def test_an_artist_called_nan_is_one() -> None:
    assert names.identity("Nan") == names.identity("NAN") == "nan"
    assert not names.are_same("Nan", float("nan"))


def test_a_number_is_a_name() -> None:
    assert names.identity(311) == names.identity("311")


@given(st.text())
def test_the_identity_of_an_identity_is_itself(text: str) -> None:
    same = names.identity(text)
    assert same is None or names.identity(same) == same


@given(st.text(), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_the_form_of_unicode_is_no_difference(text: str, form: str) -> None:
    assert names.identity(unicodedata.normalize(form, text)) == names.identity(text)


def test_the_commonest_spelling_is_shown() -> None:
    assert names.unify(["ROCK", "ROCK", "Rock", None]) == ["ROCK", "ROCK", "ROCK", None]


def test_ties_do_not_depend_on_the_order() -> None:
    spellings = ["rock", "ROCK", "Rock", "Ｒｏｃｋ"]
    assert {names.choose_spellings(spellings[i:] + spellings[:i])["rock"] for i in range(4)} == {"Rock"}


def test_composed_and_decomposed_count_as_one_spelling() -> None:
    told = ["Rós", unicodedata.normalize("NFD", "Rós"), "RÓS", "RÓS", "Rós"]
    assert set(names.unify(told)) == {"Rós"}


def test_lists_of_labels_hold_each_once() -> None:
    told = [["rock", "Rock", "Slow"], ["Rock"], [], None]
    assert names.unify(told) == [["Rock", "Slow"], ["Rock"], [], None]


def test_a_renamed_class_is_written_as_its_renaming_says() -> None:
    told = ["hiphop", "HIPHOP", "hip-hop", "hip-hop", "hip hop", "Jazz"]
    renamed = names.unify(told, {"hiphop": "Hip-Hop", "Hip Hop": "Hip-Hop"})
    assert renamed == ["Hip-Hop"] * 5 + ["Jazz"]


def test_two_classes_may_change_places() -> None:
    assert names.unify(["a", "b"], {"a": "b", "b": "a"}) == ["b", "a"]


def test_a_renaming_of_what_is_not_there_is_told() -> None:
    with pytest.raises(DataError, match=r"--rename hipop=Hip-Hop: no track has 'hipop'.*hiphop"):
        names.check_renaming({"hipop": "Hip-Hop"}, ["hiphop", "Jazz"], "--rename {}={}")


def test_near_spellings_are_listed_with_counts() -> None:
    told = ["Hip-Hop"] * 3 + ["hip hop", "HipHop", "hiphop", "Jazz", "R&B", "R and B", "Funk / Soul", "Funk/Soul"]
    assert names.find_near_spellings(told) == [
        {"Hip-Hop": 3, "HipHop": 2, "hip hop": 1},
        {"Funk / Soul": 1, "Funk/Soul": 1},
        {"R and B": 1, "R&B": 1},
    ]


def test_names_of_marks_alone_and_other_scripts_are_not_near() -> None:
    assert names.find_near_spellings(["!!!", "???", "रॉक", "रेक", "ロック", "ポップ"]) == []


@given(st.text(st.characters(max_codepoint=127), max_size=30))
def test_a_name_of_ascii_is_read_as_beside_other_letters(text):
    assert names.identity(f"{text} \u00e9") == " ".join(filter(None, [names.identity(text), "\u00e9"]))
