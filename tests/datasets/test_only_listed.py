"""A table that lists a part of a folder."""

import numpy as np
import pytest
import soundfile

from ostinato.datasets import folder
from ostinato.errors import DataError

NAMES = ("a/one.wav", "a/two.wav", "b/three.wav")


@pytest.fixture
def root(tmp_path):
    for name in NAMES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, np.zeros(80), 8000)
    (tmp_path / "some.csv").write_text("path,genre\nb/three.wav,rock\na/one.wav,\n")
    return tmp_path


def test_files_without_a_row_are_left_out_and_rows_without_a_label_stay(root):
    options = folder.Options(table="some.csv", genre_from="table", only_listed=True, max_unmatched_share=0)
    tracks = folder.tracks(root, options)
    assert tracks["path"].tolist() == ["a/one.wav", "b/three.wav"]
    assert tracks["genre"].tolist() == [None, "rock"]


def test_without_a_table_nothing_is_listed(root):
    with pytest.raises(DataError, match=r"dataset\.only_listed: there is no table .* set dataset\.table"):
        folder.tracks(root, folder.Options(only_listed=True))
