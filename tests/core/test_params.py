"""params.yaml: every mistake is named, nothing is guessed."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
import yaml

from ostinato.core import params
from ostinato.core.params.kinds import network_kinds
from ostinato.core.params.schema import TaskName
from ostinato.core.task import COLUMNS
from ostinato.errors import ParamsError
from ostinato.training.budget import compute_shares, distributions
from ostinato.training.settings import resolve

TIME = {"architecture": "time", "feature": "mel", "task": "genre"}
STACK = {"architecture": "timefreq", "task": "genre"}
EDGE = {"s.a": {"of": "s", "member": "a"}}
MINIMAL = {"dataset": {"name": "folder"}, "features": {"kinds": {"mel": {}}}}


def numbers(name: str, edges: dict, **departures: str) -> dict:
    """Return a sound stack, a kind beside two others, and entries of numbers."""
    return {
        "features": {"kinds": {"mel": {}, "year": {}, name: departures}},
        "candidates": {"a": TIME},
        "stacked": {"s": STACK},
        "members": EDGE,
        "numbers": edges,
    }


def write(folder: Path, **sections) -> Path:
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(MINIMAL | sections))
    return path


def test_the_projects_own_file_is_sound():
    own = params.load(Path(__file__).parents[2] / "params.yaml")
    assert own.candidates["time_mel"].architecture == "time"


def test_the_projects_own_file_searches_at_least_six_candidates():
    own = params.load(Path(__file__).parents[2] / "params.yaml")
    shares = compute_shares(own)
    searched = [name for name, share in shares.items() if any(share.values())]
    assert len(searched) >= 6
    assert all(distributions(resolve(own, name).load().search_space) for name in searched)
    assert "majority" not in searched
    parts = [share["trainings"] for share in shares.values() if share.get("trainings")]
    assert sum(parts) == pytest.approx(own.tune.budget.trials, abs=0.01)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"sed": 1}, r"sed: unknown key; there are seed, .*; did you mean 'seed'\?"),
        ({"split": {"fold": 5}}, r"split\.fold: unknown key; there are folds, .*; did you mean 'folds'\?"),
        ({"validate": {"max_silense_share": 1}}, r"validate\.max_silense_share: .*did you mean 'max_silence_share'\?"),
        ({"tune": {"budget": {"trails": 9}}}, r"tune\.budget\.trails: .*did you mean 'trials'\?"),
        (
            {"candidates": {"a": {**TIME, "nomalise": "frame"}}},
            r"candidates\.a\.nomalise: .*did you mean 'normalise'\?",
        ),
        ({"split": {"folds": "five"}}, r"split\.folds: must be a whole number \(it is 'five'\)$"),
        ({"seed": None}, r"seed: must be a whole number \(it is None\)$"),
        ({"tune": {"n_trials": 3, "budget": {"trials": 9}}}, r"tune: .*has n_trials: 3 and a budget; keep one of them"),
        ({"tune": {"budget": {"trials": 9, "minutes": 2}}}, r"tune\.budget: .*needs either trials or minutes"),
        ({"tune": {"budget": {}}}, r"tune\.budget: .*needs either trials or minutes, such as \{trials: 60\}"),
        ({"train": {"learning_rate": 0.1}}, r"train\.learning_rate: unknown key"),
        ({"seed": "seven"}, r"seed: .*'seven'"),
        ({"split": {"folds": -1}}, r"split\.folds: .*greater than or equal to 0"),
        ({"flows": {"cron": "61 3 * * *"}}, r"flows\.cron: .*'61 3 \* \* \*' is not a schedule \(bad minute\)"),
        ({"flows": {"cron": "0 3 * *"}}, r"flows\.cron: .*is not a schedule \(has 4 fields\): give minute, hour, day"),
        ({"flows": {"cron": "0 0 30 2 *"}}, r"flows\.cron: .*is not a schedule"),
        ({"flows": {"timezone": "Europe/Viena"}}, r"flows\.timezone: .*is not a time zone: .*such as Europe/Vienna"),
        ({"flows": {"timezone": "../../etc/localtime"}}, r"flows\.timezone: .*is not a time zone"),
        ({"split": {"group_by": "label"}}, r"split\.group_by: .*'label'"),
        ({"train": {"lr": "1e-3"}}, r"train\.lr: .*'1e-3'"),
        ({"train": {"loss": "triplet", "apart": 0.9}}, "train: apart is called margin"),
        ({"train": {"focus": 2.0}}, "train: focus is called gamma"),
        ({"train": {"subsample": 0.1}}, "train: subsample is called subsample_threshold"),
        ({"train": {"vocabulary": 9}}, "train: vocabulary is called max_vocabulary"),
        ({"train": {"absent_share": 0.1}}, "train: absent_share is called modality_dropout"),
        ({"train": {"batch_norm_momentum": 0.1}}, "train: batch_norm_momentum has no effect: running statistics"),
        ({"candidates": {"a": {**TIME, "train": {"tokens": 9}}}}, r"a: train: tokens is called sequence_length"),
        ({"train": {"margin": 0.9}}, "train: margin has no effect with loss: plain; delete it or set loss: triplet"),
        ({"train": {"n_masks": 2}}, "n_masks has no effect with spec_augment: false; .* set spec_augment: true"),
        (
            {"candidates": {"a": {**TIME, "train": {"loss": "asymmetric", "margin": 0.1}}}},
            r"candidates\.a: train: margin has no effect with loss: asymmetric; delete it or set loss: triplet",
        ),
        (
            {"train": {"loss": "triplet", "gamma": 1.0}},
            "train: gamma has no effect with loss: triplet; delete it or set loss: focal or asymmetric",
        ),
        ({"candidates": {"a": {"architecture": "time", "feature": "mel"}}}, r"candidates\.a\.task: is missing"),
        ({"members": {"x.y": {"of": "x", "member": "y"}}}, "there is no stack 'x'"),
        ({"members": {"x": {"of": "x", "member": "y"}}}, r"must be named x\.y"),
        (
            {"candidates": {"a": {"architecture": "time", "feature": "cqt", "task": "genre"}}},
            r"candidates\.a: reads 'cqt', which features\.kinds lacks; add `cqt: {}`",
        ),
        (
            {
                "candidates": {"a": TIME},
                "estimators": {"a": {"estimator": "majority", "feature": "mel", "task": "genre"}},
            },
            "'a' names two candidates",
        ),
        (
            {"candidates": {"a": {"architecture": "tmie", "feature": "mel", "task": "genre"}}},
            r"candidates\.a: there is no architecture 'tmie'; there are albums, .*; did you mean 'time'\?",
        ),
        (
            {"candidates": {"a": {"architecture": "time", "feature": "mell", "task": "genre"}}},
            r"candidates\.a: reads 'mell', .*did you mean 'mel'\?",
        ),
        (
            {"estimators": {"a": {"estimator": "mfcc_svn", "feature": "mel", "task": "genre"}}},
            r"estimators\.a: there is no estimator 'mfcc_svn'; .*did you mean 'mfcc_svm'\?",
        ),
        (
            {"stacked": {"a": {"architecture": "timefrek", "task": "genre"}}},
            r"stacked\.a: there is no architecture 'timefrek'; .*did you mean 'timefreq'\?",
        ),
        (
            {
                "train": {"weights": "a.safetensors"},
                "candidates": {"a": TIME},
            },
            r"candidates\.a: train: weights: a\.safetensors needs weights_sha256",
        ),
        (
            {"candidates": {"a": {"architecture": "time", "feature": "mel", "task": "gnere"}}},
            r"candidates\.a\.task: must be 'genre', 'tags' or 'artist_embedding' \(it is 'gnere'\)",
        ),
        ({"gate": {"gnere": {"accuracy": {"min": 0}}}}, r"gate\.gnere: must be 'genre', 'tags'"),
        ({"candidates": {"a": {**TIME, "n_trials": -1}}}, r"candidates\.a\.n_trials: .*greater than or equal to 0"),
        ({"train": {"precision": "bf17"}}, r"train\.precision: .*'bf17'"),
        ({"stacked": {"s": STACK}}, r"stacked\.s: has no members; list them"),
        (
            {"candidates": {"a": {**TIME, "task": "tags"}}, "stacked": {"s": STACK}, "members": EDGE},
            r"members\.s\.a: learns tags, its stack genre; use the same task",
        ),
        (
            {
                "features": {"kinds": {"mel": {}, "cqt": {}, "mel+cqt": {}}},
                "candidates": {"a": {"architecture": "two_windows", "feature": "mel+cqt", "task": "genre"}},
                "stacked": {"s": STACK},
                "members": EDGE,
            },
            r"members\.s\.a: reads mel\+cqt; a member reads one kind of feature",
        ),
        (numbers("year", {"x.year": {"of": "x", "feature": "year"}}), r"numbers\.x\.year: there is no stack 'x'"),
        (numbers("year", {"y": {"of": "s", "feature": "year"}}), r"numbers\.y: must be named s\.year"),
        (
            numbers("year", {"s.year": {"of": "s", "feature": "yaer"}}),
            r"numbers\.s\.year: s reads 'yaer', .*did you mean",
        ),
        (numbers("year", {"s.yaer": {"of": "s", "feature": "yaer"}}), r"s reads 'yaer', .*did you mean 'year'\?"),
        (numbers("mel", {"s.mel": {"of": "s", "feature": "mel"}}), r"s reads mel, computed from audio"),
        (
            numbers("a", {"s.a": {"of": "s", "feature": "a"}}, kind="year"),
            r"numbers\.s\.a: a member of s has that name",
        ),
        (
            numbers("mel+year", {"s.mel+year": {"of": "s", "feature": "mel+year"}}),
            r"s reads mel\+year; write one entry for each of mel, year",
        ),
        (
            {"features": {"kinds": {"mel": {}, "fast": {"kind": "mfc"}}}},
            r"features\.kinds\.fast: there is no feature 'mfc'; .*did you mean 'mfcc'\?",
        ),
    ],
)
def test_a_mistake_is_named(tmp_path, sections, message):
    with pytest.raises(ParamsError, match=message):
        params.load(write(tmp_path, **sections))


def test_the_tasks_of_params_are_those_that_a_logit_has_a_meaning_for():
    assert get_args(TaskName) == tuple(COLUMNS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train:\n  lr: 1e-3", "train.lr: line 4: YAML 1.1 reads 1e-3 as text; write 1.0e-3, or '1e-3' in quotes"),
        ("train: {lr: 2.5E4}", "write 25000 or 2.5e+4"),
        ("train: {max_epochs: 1e2}", "train.max_epochs: line 3: YAML 1.1 reads 1e2 as text; write 100 or 1.0e+2"),
        ("train: {lr: .5e2}", "write 50 or 0.5e+2"),
        ("gate: {genre: {accuracy: {min: -5e-1}}}", "gate.genre.accuracy.min: line 3: YAML 1.1 reads -5e-1 as text"),
        ("candidates: {a: {train: {lr: 1e-3}}}", "candidates.a.train.lr: line 3: YAML 1.1 reads 1e-3 as text"),
        ("estimators: {a: {settings: {c: [1, 1e-3]}}}", "estimators.a.settings.c.1: line 3"),
        ("train: {lr: 1e-3}\nvalidate: {max_dc: 3e-2}", "write 3.0e-2"),
    ],
)
def test_a_number_that_yaml_reads_as_text_is_told_with_how_to_write_it(tmp_path, text, message):
    path = tmp_path / "params.yaml"
    path.write_text(f"dataset: {{name: folder}}\nfeatures: {{kinds: {{mel: {{}}}}}}\n{text}\n")
    with pytest.raises(ParamsError, match=re.escape(message)):
        params.load(path)


def test_text_in_quotes_that_looks_like_a_number_is_text(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("dataset: {name: folder, path: '1e-3'}\nfeatures: {kinds: {mel: {}}}\ntrain: {lr: 1.0e-3}\n")
    assert (params.load(path).dataset.path, params.load(path).train.lr) == ("1e-3", 0.001)


def test_a_file_that_is_absent_or_no_yaml_is_named(tmp_path):
    with pytest.raises(ParamsError, match="is not there"):
        params.load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("seed: [1\n")
    with pytest.raises(ParamsError, match="is not YAML"):
        params.load(tmp_path / "params.yaml")


def test_a_stage_sees_only_what_it_declares(tmp_path):
    given = params.only(params.load(write(tmp_path)), ("seed", "validate"))
    assert given.validate_.min_seconds == 1.0
    with pytest.raises(AttributeError):
        _ = given.train


def test_keys_of_a_dataset_plugin_pass_through(tmp_path):
    given = params.load(write(tmp_path, dataset={"name": "folder", "table": "a.csv"}))
    assert given.dataset.options == {"table": "a.csv"}


@pytest.mark.parametrize(
    ("what", "name", "advice"),
    [
        ("candidates", "tiem_mel", "candidates have no 'tiem_mel'; did you mean time_mel"),
        ("candidates", "zzz", "there are time_mel, freq_mel, majority, both"),
        ("numbers", "both.yaer", "numbers have no 'both.yaer'; did you mean both.year"),
        ("members", "both.tmie_mel", "members have no 'both.tmie_mel'; did you mean both.time_mel"),
    ],
)
def test_a_misspelt_candidate_gets_the_names_it_may_have_been(what, name, advice):
    given = SimpleNamespace(
        candidates={"time_mel": 0, "freq_mel": 0}, estimators={"majority": 0}, stacked={"both": 0},
        members={"both.time_mel": 0, "both.freq_mel": 0}, numbers={"both.year": 0},
    )  # fmt: skip
    with pytest.raises(ParamsError, match=advice):
        params.check_entry(given, what, name)
    params.check_entry(given, what, {"candidates": "both", "members": "both.time_mel", "numbers": "both.year"}[what])


WAVEFORMS = {"mel": {}, "cqt": {}, "waveform": {}, "wave16": {"kind": "waveform", "sample_rate": 16000}}
JOINTS: dict[str, dict] = {
    name: {} for name in ("mel+waveform", "mel+wave16", "waveform+mel", "mel+cqt+waveform", "waveform+wave16")
}
FRONT_END = {"front_end": "waveform", "augment": ["bandwidth", "level"]}


def on_waveform(feature: str, train: dict, **sections: dict) -> dict:
    """Return sections with a candidate that reads a feature and has keys of training."""
    candidates = {"a": {**TIME, "feature": feature, "train": train}}
    return {"features": {"kinds": WAVEFORMS | JOINTS}, "candidates": candidates, **sections}


@pytest.mark.parametrize("feature", ["mel+waveform", "mel+wave16", "waveform+mel"])
def test_a_candidate_of_one_feature_and_its_waveform_is_sound_alone_and_in_a_stack(tmp_path, feature):
    stack = {"stacked": {"s": STACK}, "members": EDGE}
    given = params.load(write(tmp_path, **on_waveform(feature, FRONT_END, **stack)))
    assert network_kinds(given.candidates["a"].feature, given.features.kinds) == ("mel",)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            on_waveform("mel", FRONT_END),
            r"a: train\.front_end: .* not mel; write feature: mel\+waveform, and `wave.*features",
        ),
        (on_waveform("waveform", FRONT_END), r"a: train\.front_end: .* write feature: mel\+waveform"),
        (on_waveform("mel+cqt+waveform", FRONT_END), r"a: train\.front_end: waveform needs one kind and the waveform"),
        (on_waveform("waveform+wave16", FRONT_END), r"a: train\.front_end: waveform needs one kind and the waveform"),
        (on_waveform("mel+waveform", {}), r"a: no network reads samples; add train: \{front_end: waveform\}"),
        (on_waveform("waveform", {}), r"a: no network reads samples"),
        (on_waveform("mel", {"augment": ["level"]}), r"a: train\.augment needs the waveform; add front_end: waveform"),
        (
            on_waveform("mel", {}, estimators={"e": {"estimator": "mfcc_svm", "feature": "wave16", "task": "genre"}}),
            r"estimators\.e: reads samples; choose a feature such as mfcc",
        ),
        (
            on_waveform("mel", {}, stacked={"s": {**STACK, "train": {"augment": ["level"]}}}, members=EDGE),
            r"stacked\.s: train\.augment: a stack reads no audio; remove it",
        ),
    ],
)
def test_a_waveform_that_nothing_reads_and_a_front_end_without_one_are_refused(tmp_path, sections, message):
    with pytest.raises(ParamsError, match=message):
        params.load(write(tmp_path, **sections))


def test_a_common_key_that_one_candidate_uses_is_sound(tmp_path):
    candidates = {"a": {**TIME, "train": {"loss": "focal"}}, "b": TIME}
    assert params.load(write(tmp_path, train={"gamma": 3.0}, candidates=candidates)).train.gamma == 3.0


@pytest.mark.parametrize(("former", "mend"), [("bootstrap", "delete it"), ("level", "is called confidence now")])
def test_a_former_key_is_refused_with_what_to_do_about_it(former, mend, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(f"evaluate: {{{former}: 1}}\n")
    with pytest.raises(ParamsError, match=f"evaluate: .*{former} .*{mend}"):
        params.load(path)


NUMBER = {"column": "year", "regressor": "ridge"}
AROUND = numbers("place", {"s.place": {"of": "s", "feature": "place"}}) | {
    "estimators": {"e": {"estimator": "knn", "feature": "year", "task": "genre"}}
}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (NUMBER, "needs either feature or candidate"),
        ({**NUMBER, "feature": "mel", "candidate": "a"}, "needs either feature or candidate"),
        ({**NUMBER, "feature": "mle"}, "regressions.x: reads one kind of features.kinds; there are mel, place, year"),
        ({**NUMBER, "candidate": "b"}, "regressions.x: there is no candidate 'b'; there are a, e, s"),
        ({**NUMBER, "feature": "year"}, "predicts year, and its input year contains it"),
        ({**NUMBER, "candidate": "e"}, "predicts year, and its input year contains it"),
        ({**NUMBER, "column": "latitude", "candidate": "s"}, "predicts latitude, and its input place contains it"),
        ({**NUMBER, "regressor": "forest", "feature": "mel"}, "regressions.x.regressor: must be 'ridge', 'huber'"),
        ({**NUMBER, "feature": "mel", "table": "a.csv"}, "table: a.csv needs table_sha256, as computed by `sha256sum`"),
    ],
)
def test_a_regression_without_input_or_with_its_own_number_as_input_is_refused(tmp_path, entry, message):
    with pytest.raises(ParamsError, match=message):
        params.load(write(tmp_path, **AROUND, regressions={"x": entry}))


def test_regressions_of_features_and_of_candidates_are_accepted(tmp_path):
    entries = {"x": {**NUMBER, "feature": "mel"}, "y": {**NUMBER, "candidate": "a"}, "z": {**NUMBER, "candidate": "s"}}
    given = params.load(write(tmp_path, **AROUND, regressions=entries, gate={"regression": {"sure_r2": {"min": 0.0}}}))
    assert given.regressions["y"].candidate == "a"


def test_no_attribute_of_a_streaming_service_is_predicted_from_itself(tmp_path):
    kinds = {"features": {"kinds": {"mel": {}, "attributes": {}}}}
    popularity = {"column": "popularity", "regressor": "huber", "feature": "attributes"}
    params.load(write(tmp_path, **kinds, regressions={"x": popularity}))  # popularity is not among the attributes
    with pytest.raises(ParamsError, match="predicts energy, and its input attributes contains it"):
        params.load(write(tmp_path, **kinds, regressions={"x": {**popularity, "column": "energy"}}))
