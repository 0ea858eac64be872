"""The length of a file is what its bytes hold, whatever its header, container or name says."""

import numpy as np
import pytest
import soundfile

from audio.zoo import RATE, SECONDS, make_concatenated, make_music
from ostinato.audio import measurement


@pytest.fixture(scope="module")
def music():
    return make_music()


def test_a_name_changes_nothing(tmp_path, music):
    soundfile.write(tmp_path / "same.ogg", music[::2], 24_000, format="OGG", subtype="OPUS")
    for name in ("same.opus", "same.wav", "same"):
        (tmp_path / name).write_bytes((tmp_path / "same.ogg").read_bytes())
    first, *others = (measurement.measure(tmp_path / name) for name in ("same.ogg", "same.opus", "same.wav", "same"))
    assert first.error is None
    assert np.isnan(first.bandwidth_share), "a codec with a rate of its own says nothing about the sound's"
    assert [other.audio_hash for other in others] == [first.audio_hash] * 3


def test_a_recording_behind_the_end_is_seen(tmp_path, music):
    for kind in ("WAV", "AIFF", "AU", "RF64"):
        make_concatenated(kind)(tmp_path / kind, music)
        assert measurement.measure(tmp_path / kind).unheard_seconds == pytest.approx(SECONDS / 2, abs=0.05), kind


def test_a_header_of_a_cut_file_is_believed(tmp_path, music):
    """A size that stands for no length is told from one that the file no longer has."""
    soundfile.write(tmp_path / "cut.wav", music, RATE, subtype="PCM_16")
    (tmp_path / "cut.wav").write_bytes((tmp_path / "cut.wav").read_bytes()[: RATE * 4])
    assert "cut off" in (measurement.measure(tmp_path / "cut.wav").error or "")
