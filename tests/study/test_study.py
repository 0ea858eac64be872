"""Studies: who is asked what, what a listener may know, and what becomes of answers."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from kills import Disk, KilledError
from ostinato.cli import app
from ostinato.errors import DataError
from ostinato.io.files import write_json
from ostinato.study.answers import Answers, read_answers
from ostinato.study.design import LEVEL, PEAK, make_study
from ostinato.study.folder import ANSWERS, CLIPS, MANIFEST, Question, Source, Study
from study.study_project import N_TRACKS, NAMES, write_catalogs, write_study

ANN, BOB = "a" * 16, "b" * 16


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    write_study(root, n_spaces=3)
    return root


@pytest.fixture
def study(original, tmp_path):
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    return Study.open(tmp_path / "study")


def answer_all(study, listener, prefer):
    answers = Answers(study)
    for presentation in study.order(listener):
        side = prefer(presentation)
        answers.add(listener, presentation.question, side)


@pytest.mark.parametrize("n_spaces", [2, 3])
@pytest.mark.parametrize("n_tracks", range(2, 41, 2))
def test_each_space_of_a_pair_is_first_for_exactly_half_of_the_tracks(n_spaces, n_tracks):
    names = NAMES[:n_spaces]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    questions = [Question(f"t{i}", f"t{i}", {a: ["x"], b: ["y"]}) for i in range(n_tracks) for a, b in pairs]
    study = Study(Path("nowhere"), 3, questions, {}, [Source(name, "", "") for name in names])
    for listener in (ANN, BOB, "0123456789abcdef"):
        order = study.order(listener)
        assert sorted(p.question for p in order) == list(range(len(questions)))
        sides = Counter((p.first, p.second) for p in order)
        assert sides == {side: n_tracks // 2 for a, b in pairs for side in ((a, b), (b, a))}
        assert all({p.first, p.second} == set(questions[p.question].recommendations) for p in order)
        assert order == study.order(listener)
    assert study.order(ANN) != study.order(BOB)


def test_recommendations_are_those_of_each_space_and_differ(study):
    assert len(study.questions) == 12
    assert len({q.track for q in study.questions}) == len({q.group for q in study.questions}) == 4
    for question in study.questions:
        (one,), (other,) = question.recommendations.values()
        assert len({one, other, question.track}) == 3


def test_what_a_listener_gets_names_neither_space_nor_track(study):
    answers = Answers(study)
    text = json.dumps([study.present(p) for p in study.order(ANN)]) + json.dumps(answers.get_next(ANN))
    names = [*study.spaces, *(field for i in range(N_TRACKS) for field in (f"track{i:02d}", f"Title {i}", "Artist"))]
    assert not [name for name in names if name in text]
    numbers = [study.clips[track] for track in sorted(study.clips)]
    assert numbers != sorted(numbers)
    pairs = [tuple(sorted(q.recommendations)) for q in study.questions]
    assert pairs[:3] != pairs[3:6] or pairs[3:6] != pairs[6:9], "the number of a question must not tell its pair"


def test_the_same_spaces_and_seed_make_the_same_bytes(original, tmp_path):
    write_study(tmp_path, n_spaces=3)
    files = sorted(p.relative_to(original) for p in (original / "study").rglob("*") if p.is_file())
    assert len(files) > 12
    assert [(tmp_path / f).read_bytes() for f in files] == [(original / f).read_bytes() for f in files]
    assert str(original) not in (original / "study" / MANIFEST).read_text()


def test_clips_have_one_level(tmp_path):
    spaces = write_catalogs(tmp_path)
    for i, gain in enumerate(np.geomspace(0.01, 1, N_TRACKS)):
        file = tmp_path / "music" / f"track{i:02d}.wav"
        y, rate = soundfile.read(file)
        soundfile.write(file, 0.9 * gain * y, rate)
    study = make_study(spaces, 4, tmp_path / "study", seed=1, k=2, seconds=0.5)
    for clip in study.clips.values():
        y, rate = soundfile.read(study.folder / CLIPS / clip)
        assert len(y) == rate / 2
        assert np.sqrt(np.mean(y**2)) == pytest.approx(LEVEL, rel=0.01)
        assert np.abs(y).max() <= PEAK


def test_a_silent_track_is_heard_as_silence(tmp_path):
    spaces = write_catalogs(tmp_path)
    for file in (tmp_path / "music").iterdir():
        soundfile.write(file, np.zeros(8000), 8000)
    study = make_study(spaces, 2, tmp_path / "study", seed=1, k=1, seconds=1.0)
    assert not soundfile.read(study.folder / CLIPS / next(iter(study.clips.values())))[0].any()


# ------------------------------------------------------------------ answers


def test_answers_are_appended_and_a_second_one_changes_nothing(study):
    answers = Answers(study)
    first, second = (p.question for p in study.order(ANN)[:2])
    assert answers.get_next(ANN)["next"]["question"] == first
    answers.add(ANN, first, "first")
    content = answers.file.read_bytes()
    for choice in ("first", "second"):
        answers.add(ANN, first, choice)
    assert answers.file.read_bytes() == content
    answers.add(BOB, first, "same")
    answers.add(ANN, second, "second")
    assert answers.file.read_bytes().startswith(content)
    assert [(a["listener"], a["choice"]) for a in read_answers(study)] == [
        (ANN, "first"),
        (BOB, "same"),
        (ANN, "second"),
    ]
    assert {key for line in answers.file.read_text().splitlines() for key in json.loads(line)} == {
        "listener", "question", "choice", "first", "second",
    }  # fmt: skip


def test_another_process_goes_on_where_one_ended(study):
    order = [p.question for p in study.order(ANN)]
    for n, question in enumerate(order):
        given = Answers(Study.open(study.folder)).get_next(ANN)
        assert (given["n_answered"], given["next"]["question"]) == (n, question)
        Answers(study).add(ANN, question, "same")
    assert Answers(study).get_next(ANN) == {"n_answered": 12, "n_questions": 12, "next": None}


def test_no_kill_loses_a_confirmed_answer(study, tmp_path):
    questions = [p.question for p in study.order(ANN)]
    start = shutil.copytree(study.folder, tmp_path / "start")
    at, is_reached = 0, True
    while is_reached:
        at, confirmed = at + 1, list[int]()
        shutil.rmtree(study.folder)
        shutil.copytree(start, study.folder)
        with pytest.MonkeyPatch.context() as patch, suppress(KilledError):
            disk = Disk(tmp_path, patch.setattr, partial(kill_half_way_through_writing, at))
            answers = Answers(study)
            for question in questions:
                answers.add(ANN, question, "first")
                confirmed.append(question)
                assert not disk.unsynced
                assert len(confirmed) > 1 or study.folder not in disk.unsynced_folders
        is_reached = disk.n_steps >= at
        reopened = Answers(study)
        answered = [answer["question"] for answer in read_answers(study)]
        assert answered[: len(confirmed)] == confirmed
        assert len(answered) <= len(confirmed) + 1
        assert reopened.get_next(ANN)["n_answered"] == len(answered)
    assert at > 3 * len(questions), "each answer is opened, written and forced to the disk"


def kill_half_way_through_writing(at, disk, name, path, half):
    if disk.n_steps == at and name == "write":
        half()
    if disk.n_steps >= at:
        raise KilledError


def test_a_killed_process_leaves_every_answer_that_it_confirmed(study):
    code = f"""
from ostinato.study.answers import Answers
from ostinato.study.folder import Study
from pathlib import Path
study = Study.open(Path({str(study.folder)!r}))
answers = Answers(study)
for n in range(1000):
    for presentation in study.order(f"{{n:016x}}"):
        answers.add(f"{{n:016x}}", presentation.question, "first")
        print(n, presentation.question, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        confirmed = [process.stdout.readline().split() for _ in range(40)]
        os.kill(process.pid, signal.SIGKILL)
        confirmed += [line.split() for line in process.stdout.read().splitlines()]
    answered = [[str(int(a["listener"], 16)), str(a["question"])] for a in read_answers(study)]
    assert answered[: len(confirmed)] == confirmed
    Answers(study).add(ANN, 0, "second")
    assert len(list(read_answers(study))) == len(answered) + 1


def test_a_torn_line_is_cut_and_asked_again(study):
    question = study.order(ANN)[0].question
    Answers(study).add(ANN, question, "first")
    content = (study.folder / ANSWERS).read_bytes()
    (study.folder / ANSWERS).write_bytes(content[:-9])
    assert list(read_answers(study)) == []
    answers = Answers(study)
    assert answers.get_next(ANN)["next"]["question"] == question
    answers.add(ANN, question, "first")
    assert (study.folder / ANSWERS).read_bytes() == content


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("listener", "question", "choice"),
    [("ann", 0, "first"), (ANN.upper(), 0, "first"), (ANN, 12, "first"), (ANN, -1, "first"), (ANN, 0, "near")],
)
def test_other_answers_are_refused(study, listener, question, choice):
    with pytest.raises(DataError, match="load the page again"):
        Answers(study).add(listener, question, choice)
    assert not (study.folder / ANSWERS).exists()


@pytest.mark.parametrize("line", ["{", "[]", '{"listener": "ann"}', "null", {"question": 0.0}, {"question": -1}])
def test_a_damaged_line_is_named(study, line):
    Answers(study).add(ANN, 0, "first")
    if isinstance(line, dict):
        line = json.dumps(next(read_answers(study)) | line)
    with open(study.folder / ANSWERS, "a") as file:
        file.write(f"{line}\n")
    with pytest.raises(DataError, match=r"answers\.jsonl, line 2: is not an answer to this study; delete the line"):
        Answers(study)


def test_a_study_whose_catalog_has_changed_is_refused(study, tmp_path):
    catalog = tmp_path / "far" / "catalog.json"
    before = catalog.read_text()
    catalog.write_text(before + " ")
    for command in (["study", "report", str(study.folder)], ["serve", "--study", str(study.folder)]):
        refused = CliRunner().invoke(app, command)
        assert isinstance(refused.exception, DataError)
        assert "the space far has changed since the study was made" in str(refused.exception)
        assert "or make a new study (`ostinato study make`)" in str(refused.exception)
    catalog.unlink()
    with pytest.raises(
        DataError, match=r"the space far is gone: .*far/catalog\.json is not there \(was the study moved\?\)"
    ):
        Study.open(study.folder)
    catalog.write_text(before)
    Study.open(study.folder)


def test_a_damaged_study_is_named(study, tmp_path):
    with pytest.raises(DataError, match="holds no study; make one with `ostinato study make"):
        Study.open(tmp_path)
    clip = study.folder / CLIPS / next(iter(study.clips.values()))
    clip.unlink()
    with pytest.raises(DataError, match=rf"{clip.name}: is not there"):
        Study.open(study.folder)
    write_json(study.folder / MANIFEST, {"seed": 1, "questions": [{"song": 1}]})
    with pytest.raises(DataError, match=r"study\.json: is damaged"):
        Study.open(study.folder)


@pytest.mark.parametrize(
    ("n_tracks", "k", "words"),
    [
        (3, 1, "--seeds 3: give an even number"),
        (0, 1, "--seeds 0: give an even number"),
        (60, 1, r"the spaces share 24 tracks, and recommend different ones for \d+; give --seeds \d+ or fewer"),
        (2, 30, "the spaces share 24 tracks, too few to recommend 30; give a smaller -k"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path, n_tracks, k, words):
    with pytest.raises(Exception, match=words):
        make_study(write_catalogs(tmp_path), n_tracks, tmp_path / "study", seed=1, k=k, seconds=1.0)
    assert not (tmp_path / "study").exists()


def test_a_folder_with_answers_is_never_overwritten(study, tmp_path):
    with pytest.raises(DataError, match="is not empty; name another folder, since answers may be in it"):
        make_study(write_catalogs(tmp_path), 2, study.folder, seed=1, k=1, seconds=1.0)


def test_audio_that_is_missing_is_named(tmp_path):
    spaces = write_catalogs(tmp_path)
    shutil.rmtree(tmp_path / "music")
    with pytest.raises(DataError, match=r"track\d\d\.wav: the audio of track\d\d is not there"):
        make_study(spaces, 2, tmp_path / "study", seed=1, k=1, seconds=1.0)
    assert not (tmp_path / "study").exists()


def test_the_command_makes_a_study_of_catalogs(tmp_path, monkeypatch):
    write_catalogs(tmp_path, 3)
    monkeypatch.chdir(tmp_path)
    made = CliRunner().invoke(app, ["study", "make", "--spaces", "near", "far", "odd", "--seeds", "2", "--out", "s"])
    study = Study.open(Path("s"))
    assert made.output == f"s: 6 questions, {len(study.clips)} clips; run `ostinato serve --study s`\n"
    assert study.spaces == list(NAMES)
    made = CliRunner().invoke(app, ["study", "make", "near", "--spaces", "far", "--seeds", "2"])
    assert made.output.startswith("study: 2 questions, ")
    assert Study.open(tmp_path / "study").spaces == ["far", "near"]


@pytest.mark.parametrize(
    ("spaces", "words"),
    [
        (["near"], "1 given; compare two or three"),
        (["near", "far", "odd", "near/../near/../odd"], "two spaces are called odd"),
        (["near", "near"], "two spaces are called near"),
        (["near", "nowhere"], "nowhere is no space; give the folder of a catalog"),
    ],
)
def test_spaces_that_cannot_be_compared_are_refused(tmp_path, monkeypatch, spaces, words):
    write_catalogs(tmp_path, 3)
    monkeypatch.chdir(tmp_path)
    refused = CliRunner().invoke(app, ["study", "make", "--spaces", *spaces, "--seeds", "2"])
    assert words in str(refused.exception)
