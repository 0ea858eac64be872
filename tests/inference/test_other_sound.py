"""A released model marks what sounds unlike its training tracks, or breaks the bounds of `validate`, and says why."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile

from finished_project import Project
from ostinato.audio import limits
from ostinato.audio import measurement as measuring
from ostinato.audio.context import AudioContext
from ostinato.core.params.schema import Validate
from ostinato.features import mel
from ostinato.inference import reference
from ostinato.inference.answers import audio_warnings, doubt
from ostinato.inference.formats import COLUMNS, HASHES, Csv, Json, Text
from ostinato.inference.inputs import FittedInput
from ostinato.inference.model import REFERENCE, ReleasedModel
from ostinato.inference.predict import run
from ostinato.io.files import read_json
from ostinato.release import release
from tiny_project import write_cache

RATE = 8_000
BOUNDS = Validate(min_seconds=1.0, max_temporal_flatness=1.0)  # the clips hold noise


def clip(rng: np.random.Generator, seconds: float = 4.0, rate: int = RATE, level: float = 0.05) -> np.ndarray:
    """Make a chord with noise up to half the rate that swells and fades by 30 dB, at a pitch and level of its own."""
    t = np.arange(int(seconds * rate)) / rate
    pitch, bright = rng.uniform(200, 400), rng.uniform(0.2, 0.4)
    chord = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in (1, 2, 3, 5))
    swell = 10 ** np.interp(t, np.arange(0, seconds + 1, 0.5), rng.uniform(-1.5, 0, int(2 * seconds) + 2))
    wave = swell / swell.mean() * (chord + bright * rng.standard_normal(t.size))
    return (level * rng.uniform(0.7, 1.4) * wave).astype(np.float32)


def write(path, y: np.ndarray, rate: int = RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, y, rate, subtype="FLOAT")
    return path


@pytest.fixture(scope="module")
def trained_project(tmp_path_factory) -> Project:
    """Release a model of 120 tracks at 8 kHz whose files were measured and whose features are cached."""
    project = Project(tmp_path_factory.mktemp("trained"))
    project.make_candidates(good=0.9)
    rng, ids = np.random.default_rng(0), sorted(project.splits["track_id"].unique())
    rows, measured = [], []
    for track_id in ids:
        y = clip(rng)
        one = measuring.measure(write(project.paths.root / "music" / track_id, y))
        measured.append({"track_id": track_id, **{name: getattr(one, name) for name in reference.FIGURES}})
        rows.append(mel.compute(AudioContext(y, RATE), sample_rate=RATE, n_mels=8).astype(np.float16))
    write_cache(project.paths.feature("mel"), ids, rows)
    meta = json.loads((project.paths.feature("mel") / "meta.json").read_text())
    meta["parameters"] = {"sample_rate": RATE, "n_mels": 8}
    (project.paths.feature("mel") / "meta.json").write_text(json.dumps(meta))
    pd.DataFrame(measured).to_parquet(project.paths.files, index=False)
    project.params.validate_ = BOUNDS
    assert release.release(project.paths, project.params)["genre"]["answer"] == "released"
    return project


def ask(project: Project, *files, form=None, **options):
    out = io.StringIO()
    assert run(files, project.paths.releases, form=form or Json(), out=out, err=io.StringIO(), **options) == 0
    return [json.loads(line) for line in out.getvalue().splitlines()] if form is None else out.getvalue()


def test_the_release_keeps_bounds_and_the_sound_of_its_training_tracks(trained_project):
    kept = read_json(trained_project.paths.current_release("genre") / REFERENCE)
    assert kept["bounds"] == {limit.bound: getattr(BOUNDS, limit.bound) for limit in limits.LIMITS}
    assert kept["sound"]["bandwidth"] == [4000.0, 4000.0]
    assert kept["sound"]["duration"] == [4.0, 4.0]
    low, high = kept["sound"]["level"]
    assert -35 < low < high < -20
    assert len(kept["profiles"]["mel"]["median"]) == 8


def test_clean_files_of_the_same_kind_are_not_marked(trained_project, tmp_path):
    rng = np.random.default_rng(1)
    answers = ask(trained_project, *(write(tmp_path / f"{i}.wav", clip(rng)) for i in range(100)))
    marked = [reasons for a in answers if (reasons := audio_warnings(a))]
    assert len(marked) <= 2, marked
    assert list(answers[0]) == ["path", "task", "model", "label", "unsure", "reasons", "scores", *HASHES]


def test_a_lower_sample_rate_is_marked_with_its_bandwidth(trained_project, tmp_path):
    rng = np.random.default_rng(2)
    files = [write(tmp_path / f"{i}.wav", clip(rng, rate=5_000), 5_000) for i in range(20)]
    for answer in ask(trained_project, *files):
        assert answer["unsure"]
        assert "bandwidth 2.5 kHz, trained on 4.0 kHz" in answer["reasons"]


def test_a_higher_sample_rate_is_heard_up_to_what_the_features_hear(trained_project, tmp_path):
    """The features are computed at 8 kHz: of a file at 22 kHz they hear what they heard in training."""
    rng = np.random.default_rng(3)
    fine = clip(rng, rate=22_050)
    (answer,) = ask(trained_project, write(tmp_path / "a.wav", fine, 22_050))
    assert not [reason for reason in answer["reasons"] if reason.startswith("bandwidth")]


def test_a_wider_band_than_that_of_training_is_marked():
    heard = {"mel": FittedInput(feature="mel", parameters={"sample_rate": 22_050}, bins=8)}
    measurement = measuring.Measurement(sample_rate=22_050, bandwidth_share=1.0)
    learned = {"sound": {"bandwidth": [7000.0, 8000.0]}}
    (reason,) = reference.find_reasons(learned, measurement, heard, {})
    assert reason == "bandwidth 11.0 kHz, trained on 7.0 to 8.0 kHz"


def cases() -> dict[str, tuple[np.ndarray, str]]:
    y = clip(np.random.default_rng(4))
    broken, held = y.copy(), y.copy()
    broken[5] = np.nan
    held[8_000:28_000] = 0
    return {
        "antiphase": (np.stack([y, -y], axis=1), "channels in opposite phase: mono loss "),
        "silence": (np.zeros_like(y), "silent: silence share 1, at most 0.5"),
        "not a number": (broken, "NaN or infinite samples: nonfinite 1, at most 0"),
        "dropout": (held, "a gap of silence: gap 2.464 s, at most 2 s"),
        "dead channel": (np.stack([y, 0 * y], axis=1), "a dead channel: imbalance "),
        "clipped": (np.clip(30 * y, -1, 1), "clipped: clipped share "),
        "short": (y[:4_000], "too short: duration 0.5 s, at least 1 s"),
        "soft": (y * 0.02, "level "),
        "loud": (y * 8, "level "),
        "dull": (np.cumsum(y - y.mean()).astype(np.float32) * 0.03, "mean mel "),
    }


@pytest.mark.parametrize("name", cases())
def test_what_validate_or_the_training_tracks_rule_out_is_unsure_with_the_reason(trained_project, tmp_path, name):
    y, reason = cases()[name]
    (answer,) = ask(trained_project, write(tmp_path / "case.wav", y))
    assert answer["unsure"]
    assert [r for r in answer["reasons"] if r.startswith(reason)], answer["reasons"]
    assert doubt(answer) == 1.0


def test_a_file_that_is_cut_off_is_unsure(trained_project, tmp_path):
    path = write(tmp_path / "whole.wav", clip(np.random.default_rng(5)))
    (tmp_path / "cut.wav").write_bytes(path.read_bytes()[:70_000])
    (answer,) = ask(trained_project, tmp_path / "cut.wav")
    assert answer["unsure"]
    assert answer["reasons"][0].startswith("is cut off: its header says 4.00 s")


def test_a_track_may_last_longer_than_those_of_training_but_not_for_ever(trained_project, tmp_path):
    rng = np.random.default_rng(6)
    longer, endless = (write(tmp_path / f"{s}.wav", clip(rng, seconds=s)) for s in (30.0, 90.0))
    (song,), (mix,) = ask(trained_project, longer), ask(trained_project, endless)
    assert not [r for r in song["reasons"] if "duration" in r]
    assert "duration 90.0 s, trained on 4.0 s" in mix["reasons"]


def test_reasons_stand_in_text_and_table(trained_project, tmp_path):
    path = write(tmp_path / "a.wav", clip(np.random.default_rng(7), rate=5_000), 5_000)
    assert "; bandwidth 2.5 kHz, trained on 4.0 kHz" in ask(trained_project, path, form=Text())
    (row,) = csv.DictReader(io.StringIO(ask(trained_project, path, form=Csv())))
    assert tuple(row) == COLUMNS
    assert row["unsure"] == "True"
    assert "bandwidth 2.5 kHz, trained on 4.0 kHz" in row["reasons"].split("; ")


def test_a_model_released_without_a_reference_loads_and_says_nothing(trained_project, tmp_path):
    kept = trained_project.paths.current_release("genre") / REFERENCE
    content = kept.read_bytes()
    kept.unlink()
    try:
        (answer,) = ask(trained_project, write(tmp_path / "silence.wav", np.zeros(4 * RATE, np.float32)))
        assert audio_warnings(answer) == []
        verdict = release.release(trained_project.paths, trained_project.params)["genre"]
        assert verdict["answer"] == "unchanged"
        assert "its reference.json was updated" in verdict["reasons"][-1]
        assert kept.read_bytes() == content
    finally:
        kept.write_bytes(content)
    assert "anew" not in str(release.release(trained_project.paths, trained_project.params)["genre"]["reasons"])


def test_other_bounds_reach_the_model_in_service(trained_project, tmp_path):
    path = write(tmp_path / "short.wav", clip(np.random.default_rng(8), seconds=2.5))
    assert not ask(trained_project, path)[0]["reasons"]
    before, trained_project.params.validate_ = (
        trained_project.params.validate_,
        BOUNDS.model_copy(update={"min_seconds": 3.0}),
    )
    try:
        assert release.release(trained_project.paths, trained_project.params)["genre"]["answer"] == "unchanged"
        assert ask(trained_project, path)[0]["reasons"] == ["too short: duration 2.5 s, at least 3 s"]
    finally:
        trained_project.params.validate_ = before
        release.release(trained_project.paths, trained_project.params)


def test_few_training_tracks_describe_nothing():
    few = {name: np.full(19, 1.0) for name in reference.FIGURES}
    assert reference.describe_sound(few, []) == {}
    assert set(reference.describe_sound({n: np.full(20, 1.0) for n in reference.FIGURES}, [])) == {
        "bandwidth",
        "level",
        "duration",
    }


def test_the_level_is_no_part_of_a_profile_where_each_frame_is_standardised():
    rng = np.random.default_rng(9)
    profiles = rng.normal(-40, 3, (50, 16))
    softer = profiles[0] - 30
    for how, marked in (("frame", False), ("track", False), ("train", True), ("none", True)):
        given = {"mel": FittedInput(feature="mel", parameters={}, bins=16, normalise=how)}
        learned = {"profiles": {"mel": reference.describe_profiles(profiles, how)}}
        reasons = reference.find_reasons(learned, measuring.Measurement(), given, {"mel": softer})
        assert bool(reasons) == marked, how


def test_no_file_ends_the_run_over_the_others(trained_project, tmp_path, monkeypatch):
    files = [write(tmp_path / f"{i}.wav", clip(np.random.default_rng(i))) for i in range(3)]

    def compute_or_fail(self, context, *, compute=ReleasedModel.compute_inputs):
        if context.y[0] == broken:
            raise MemoryError("no room")
        return compute(self, context)

    broken = soundfile.read(files[1], dtype="float32")[0][0]
    monkeypatch.setattr(ReleasedModel, "compute_inputs", compute_or_fail)
    out = io.StringIO()
    assert run(files, trained_project.paths.releases, form=Json(), out=out, err=io.StringIO()) == 1
    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert ["error" in a for a in answers] == [False, True, False]
    assert answers[1]["error"] == "cannot be predicted (MemoryError: no room)"


def test_every_limit_names_a_figure_and_a_bound():
    for limit in limits.LIMITS:
        value = getattr(Validate(), limit.bound)
        beyond = value - 0.01 if limit.is_lower else value + 1
        measurement = replace(measuring.Measurement(sample_rate=44_100), **{limit.figure: beyond})
        assert limits.find_faults(measurement, {limit.bound: value}), limit
    assert limits.find_faults(measuring.Measurement(sample_rate=44_100), limits.read_bounds(Validate())) == []
