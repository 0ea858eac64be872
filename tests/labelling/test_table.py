"""A person's table of labels: what is read, and what is refused with what to do about it."""

import numpy as np
import pytest
import soundfile

from ostinato.errors import DataError
from ostinato.labelling.table import check_labels, read_labels, write_tracks

N = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("songs")
    for i in range(N):
        soundfile.write(root / f"s{i:02d}.wav", np.zeros(80), 8000)
    return root


def write(tmp_path, *rows, header="path,genre"):
    file = tmp_path / "labels.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


def test_files_without_a_row_or_a_label_are_the_pool(folder, tmp_path):
    file = write(tmp_path, "s03.wav,rock,Ann", "s01.wav,,Bob", "s00.wav,jazz;blues,", header="path,genre,artist")
    labels = read_labels(folder, file)
    assert labels.labelled.set_index("path")["genre"].to_dict() == {"s00.wav": "jazz", "s03.wav": "rock"}
    assert len(labels.unlabelled) == N - 2
    assert labels.tracks.set_index("path")["artist"].dropna().to_dict() == {"s01.wav": "Bob", "s03.wav": "Ann"}


def test_another_column_may_hold_the_labels(folder, tmp_path):
    file = write(tmp_path, "s03.wav,rock", header="path,mood")
    assert read_labels(folder, file, "mood").labelled["genre"].tolist() == ["rock"]
    with pytest.raises(DataError, match=r"labels\.csv: has no column genre; .*there are mood; .*first line must name"):
        read_labels(folder, file)


def test_files_that_are_not_there_are_named(folder, tmp_path):
    file = write(tmp_path, "s03.wav,rock", "gone.wav,jazz")
    with pytest.raises(DataError, match=r"1 of 2 rows name files that are not below .*gone\.wav.*correct or delete"):
        read_labels(folder, file)


def test_two_labels_of_one_file_are_refused(folder, tmp_path):
    with pytest.raises(DataError, match="with rows that contradict each other"):
        read_labels(folder, write(tmp_path, "s03.wav,rock", "s03.wav,jazz"))


@pytest.mark.parametrize(
    ("genres", "message"),
    [
        (["a"] * 10 + ["b"] * 9, "labels 19 files; at least 20 are needed; label more, such as by `ostinato label"),
        (["a"] * 20, "all 20 files have the label 'a'; two labels are needed"),
        (["a"] * 20 + ["b"], "only 1 label has two files or more"),
    ],
)
def test_too_little_is_refused(folder, tmp_path, genres, message):
    file = write(tmp_path, *(f"s{i:02d}.wav,{genre}" for i, genre in enumerate(genres)))
    with pytest.raises(DataError, match=message):
        check_labels(read_labels(folder, file), file, folder)


def test_a_written_table_reads_back(folder, tmp_path):
    labels = read_labels(folder, write(tmp_path, "s03.wav,=rock", "s01.wav,jazz"))
    write_tracks(tmp_path / "again.csv", labels.tracks)
    again = read_labels(folder, tmp_path / "again.csv")
    assert again.labelled["genre"].tolist() == labels.labelled["genre"].tolist() == ["jazz", "=rock"]
