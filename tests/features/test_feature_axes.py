"""What pictures write beside the bins of each kind."""

from pathlib import Path

import librosa
import numpy as np
import pytest

from ostinato import features
from ostinato.audio.context import AudioContext
from ostinato.core import code_hash
from ostinato.core.registry import load, names

RATE = 22050
NAMED = {"stft", "stft_halved", "mel", "mel40", "mel96", "cqt", "chroma"}


def hertz(label, name):
    if label == "Hz":
        return float(name.replace("k", "000"))
    return float(librosa.note_to_hz(name if name[-1].isdigit() else f"{name}4"))


@pytest.mark.parametrize("kind", sorted(NAMED))
def test_a_named_bin_is_the_loudest_one_of_that_sound(kind):
    parameters = features.parameters(kind, {}, RATE)
    label, ticks = features.axis(kind, parameters)
    sounds = {place: hz for place, name in ticks.items() if 60 < (hz := hertz(label, name)) < 5500}
    assert len(sounds) >= 3
    for place, hz in sounds.items():
        y = 0.5 * np.sin(2 * np.pi * hz * np.arange(2 * RATE) / RATE)
        rows = load("ostinato.features", kind).compute(AudioContext(y, RATE), **parameters)
        assert abs(int(rows[len(rows) // 2].argmax()) - place) <= 1


def test_names_follow_the_departures():
    ends = []
    for n_mels in (256, 512):
        ticks = features.axis("mel", features.parameters("mel", {"n_mels": n_mels}, RATE)).ticks
        ends.append(next(place for place, name in ticks.items() if name == "1k"))
    assert 1.98 < ends[1] / ends[0] < 2.02
    high = features.axis("cqt", features.parameters("cqt", {"f_min": 110.0, "n_bins": 48}, RATE)).ticks
    assert high == {6.0: "C3", 30.0: "C4"}


def test_names_do_not_touch_and_stay_within_the_bins():
    for kind in NAMED:
        label, ticks = features.axis(kind, features.parameters(kind, {}, RATE))
        gaps = np.diff(sorted(ticks))
        assert gaps.min() > 0
        assert label in ("Hz", "note")


def test_kinds_without_names_are_plain_bins():
    for kind in set(names("ostinato.features")) - NAMED:
        assert features.axis(kind, features.parameters(kind, {}, RATE)) == ("bin", {})


def test_what_pictures_write_does_not_change_the_cache(monkeypatch, tmp_path):
    before = features.fingerprint("ostinato.features.mel")
    source = tmp_path / "mel.py"
    text = Path(load("ostinato.features", "mel").__file__).read_text()
    assert "return hertz(" in text
    source.write_text(text.replace("return hertz(", "return None or hertz("))
    spec = type("Spec", (), {"origin": str(source)})
    found = code_hash.importlib.util.find_spec
    monkeypatch.setattr(
        code_hash.importlib.util, "find_spec", lambda n: spec if n == "ostinato.features.mel" else found(n)
    )
    code_hash.parse.cache_clear()
    assert features.fingerprint("ostinato.features.mel") == before
    source.write_text(text.replace("n_mels: int = 256", "n_mels: int = 255"))
    code_hash.parse.cache_clear()
    assert features.fingerprint("ostinato.features.mel") != before
    code_hash.parse.cache_clear()
