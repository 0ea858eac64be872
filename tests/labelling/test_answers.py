"""Answers of people: kept apart, counted together, never lost, and read back by what learns from them."""

import pandas as pd
import pytest
import soundfile

from ostinato.datasets import folder as folder_dataset
from ostinato.errors import DataError
from ostinato.labelling.agreement import compute_alpha
from ostinato.labelling.answers import Answers
from ostinato.labelling.table import read_labels

PATHS = ["a/one.wav", "a/two.wav", "b/three.wav"]


@pytest.fixture
def folder(tmp_path):
    for path in PATHS:
        (tmp_path / "music" / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "music" / path, [0.0] * 80, 8000)
    return tmp_path / "music"


@pytest.fixture
def table(tmp_path):
    return tmp_path / "labels.csv"


def test_alpha_is_that_of_the_published_example():
    """Four observers of twelve units, values missing: Krippendorff 2011, section C, nominal data."""
    rows = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    units = [[str(v) for v in unit if v is not None] for unit in zip(*rows, strict=True)]
    assert compute_alpha(units) == pytest.approx(0.743, abs=5e-4)
    assert compute_alpha([["a"], ["b"]]) is None
    assert compute_alpha([["a", "a"]]) is None


def test_people_stay_apart_and_the_most_count(folder, table):
    answers = Answers(folder, table, ["jazz", "rock"])
    for person, label in (("ann", "jazz"), ("bob", "rock"), ("cy", "jazz")):
        answers.set(person, PATHS[0], label)
    answers.set("ann", PATHS[1], "rock")
    answers.set("bob", PATHS[1], "jazz")
    rows = pd.read_csv(table).set_index("path")
    assert rows.loc[PATHS[0], ["genre", "by_ann", "by_bob", "by_cy"]].tolist() == ["jazz", "jazz", "rock", "jazz"]
    assert pd.isna(rows.loc[PATHS[1], "genre"])
    assert PATHS[2] not in rows.index
    said = answers.summarise()
    assert (said["files"], said["labelled"], said["several"], said["at_odds"]) == (3, 1, 2, 1)


def test_what_learns_reads_the_table_as_it_is(folder, table):
    answers = Answers(folder, table)
    answers.set("ann", PATHS[0], "=jazz")
    answers.set("bob", PATHS[2], "rock")
    assert read_labels(folder, table).labelled["genre"].tolist() == ["=jazz", "rock"]
    options = folder_dataset.Options(table=str(table), genre_from="table", only_listed=True)
    assert folder_dataset.tracks(folder, options)["genre"].tolist() == ["=jazz", "rock"]


def test_answers_outlive_the_program_and_so_do_other_columns(folder, table):
    table.write_text("path,genre,artist\na/one.wav,blues,Ann\nb/three.wav,,Bob\n")
    Answers(folder, table).set("ann", PATHS[2], "rock")
    again = Answers(folder, table)
    assert again.get(PATHS[0]) == {"table": "blues"}
    assert again.get(PATHS[2]) == {"ann": "rock"}
    assert again.classes == ["blues", "rock"]
    again.set("ann", PATHS[0], "jazz")
    rows = pd.read_csv(table).set_index("path")
    assert rows["artist"].tolist() == ["Ann", "Bob"]
    assert pd.isna(rows.loc[PATHS[0], "genre"])


def test_undo_goes_back_answer_by_answer_and_only_ones_own(folder, table):
    answers = Answers(folder, table)
    answers.set("ann", PATHS[0], "jazz")
    answers.set("bob", PATHS[0], "rock")
    answers.set("ann", PATHS[0], "blues")
    assert answers.undo("ann") == PATHS[0]
    assert answers.get(PATHS[0]) == {"ann": "jazz", "bob": "rock"}
    assert answers.undo("ann") == PATHS[0]
    assert answers.get(PATHS[0]) == {"bob": "rock"}
    assert answers.undo("ann") is None


def test_a_table_that_another_program_changed_is_not_written_over(folder, table):
    answers = Answers(folder, table)
    answers.set("ann", PATHS[0], "jazz")
    table.write_text("path,genre\na/two.wav,mine\n")
    with pytest.raises(DataError, match="was changed by another program"):
        answers.set("ann", PATHS[1], "rock")
    with pytest.raises(DataError, match="was changed by another program"):
        answers.undo("ann")
    assert table.read_text() == "path,genre\na/two.wav,mine\n"
    assert answers.get(PATHS[1]) == {}


@pytest.mark.parametrize(
    ("person", "path", "label", "message"),
    [
        ("../x", PATHS[0], "jazz", "is not a valid name"),
        ("table", PATHS[0], "jazz", "is not a valid name"),
        ("ann", "../secret.wav", "jazz", "is not a file of music"),
        ("ann", PATHS[0], " ", "a label has 1 to 60 characters"),
        ("ann", PATHS[0], "a;b", "separate labels in a table"),
    ],
)
def test_what_cannot_be_taken_is_refused(folder, table, person, path, label, message):
    with pytest.raises(DataError, match=message):
        Answers(folder, table).set(person, path, label)
    assert not table.exists()


def test_a_parquet_table_is_refused(folder):
    with pytest.raises(DataError, match=r"set --labels to a \.csv file"):
        Answers(folder, folder / "labels.parquet")
