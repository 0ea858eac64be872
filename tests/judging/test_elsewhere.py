"""A released model on another folder: the figures are those of its answers, strangers are left out and counted."""

import re

import numpy as np
import pytest

from judging.test_predict import play, put
from ostinato import audio
from ostinato.errors import DataError
from ostinato.evaluation import elsewhere
from ostinato.features._shared import AudioContext
from ostinato.runtime.session import Released


@pytest.fixture
def model(tmp_path):
    return Released(put(tmp_path / "released" / "genre", weight=0.5))


@pytest.fixture
def music(tmp_path, model):
    """Give a folder whose directories name what the model says of their files, but for one file."""
    for i, frequency in enumerate((120.0, 300.0, 700.0, 1400.0, 2500.0)):
        path = play(tmp_path / f"{i}.wav", seconds=1.0, frequency=frequency)
        said = model.label(model.scores(AudioContext(*audio.load(path))))
        target = tmp_path / "music" / (said if i else "hip-hop") / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    return tmp_path / "music"


def test_right_answers_count_as_right_and_strange_classes_are_left_out(model, music):
    found = elsewhere.judge(model, music, confidence=0.95)
    assert found["figures"]["accuracy"]["value"] == 1.0
    assert (found["n_tracks"], found["left_out"], found["unreadable"]) == (4, {"hip-hop": 1}, {})
    assert "1 tracks of 'hip-hop'" in elsewhere.markdown(found)


def test_files_unlike_those_of_training_are_counted_with_the_reasons(model, music):
    assert elsewhere.judge(model, music)["reasons"] == {}
    model.reference = {"sound": {"duration": [5.0, 30.0]}, "bounds": {"min_seconds": 2.0}}
    found = elsewhere.judge(model, music)
    assert len(found["reasons"]) == found["n_tracks"] == 4
    assert {r for reasons in found["reasons"].values() for r in reasons} == {
        "too short: duration 1 s, at least 2 s",
        "duration 1.0 s, trained on 5.0 to 30.0 s",
    }
    assert "unlike the training tracks: 4 of 4 files, such as " in elsewhere.markdown(found)


@pytest.mark.parametrize(
    ("renamed", "words"),
    [
        ({"polka": "rock"}, "--rename polka=rock: no track has 'polka'; there are "),
        ({"hip-hop": "rokc"}, "knows no 'rokc'; there are blues, jazz, rock; did you mean 'rock'?"),
    ],
)
def test_a_renaming_that_changes_nothing_is_refused(model, music, renamed, words):
    with pytest.raises(DataError, match=re.escape(words)):
        elsewhere.judge(model, music, renamed=renamed, confidence=0.95)


def test_a_renamed_class_counts(model, music):
    (file,) = (music / "hip-hop").iterdir()
    right = model.label(model.scores(AudioContext(*audio.load(file))))
    wrong = next(c for c in model.classes if c != right)
    accuracy = [
        elsewhere.judge(model, music, renamed={"hip-hop": c}, confidence=0.95)["figures"]["accuracy"]["value"]
        for c in (right, wrong)
    ]
    np.testing.assert_allclose(accuracy, [1.0, 0.8])


def test_a_bad_file_is_named_and_passed_over(model, music):
    (music / model.classes[0]).mkdir(exist_ok=True)
    (music / model.classes[0] / "broken.mp3").write_text("this is no music")
    found = elsewhere.judge(model, music, confidence=0.95)
    assert [p.rsplit("/", 1)[1] for p in found["unreadable"]] == ["broken.mp3"]
    assert found["n_tracks"] == 4


def test_a_folder_of_strangers_is_refused(model, tmp_path):
    play(tmp_path / "other" / "polka" / "a.wav", seconds=0.5)
    with pytest.raises(DataError, match=r"\(polka\) is one of tiny's \(.*\); say which is which by --rename"):
        elsewhere.judge(model, tmp_path / "other")
    with pytest.raises(DataError, match="write theirs=ours"):
        elsewhere.mapping(["polka"])
