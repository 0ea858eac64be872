"""Scores of networks and of stacks mean something once validation has chosen their temperature."""

from functools import cache

import numpy as np
import pytest

from ostinato.core.params.training import Train
from ostinato.core.task import Task
from ostinato.evaluation.calibration import apply_temperature, calibrate
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.training.data.labels import LabelledTracks
from ostinato.training.data.sources import Features, Logits
from ostinato.training.network import build, fit_network
from ostinato.training.out_of_fold import out_of_fold
from ostinato.training.predict import run_network
from ostinato.training.settings import Settings
from score_laws import CASES, N_TEST, N_TRAIN, WIDTH, check_scores, draw_tracks

N_VALIDATION, N_FRAMES, EPOCHS = 500, 2, 8
TASKS = {"single": "genre", "multi": "tags"}
MEMBERS = {"low": slice(0, 7), "high": slice(3, WIDTH)}
"""What each member of a stack hears of a track."""


def label_tracks(target, kind):
    """Part planted tracks into training, validation and test."""
    ends = np.cumsum([0, N_TRAIN, N_VALIDATION, N_TEST])
    parts = {
        name: np.arange(first, min(last, len(target)))
        for name, first, last in zip(("train", "validation", "test"), ends, ends[1:], strict=False)
    }
    names = np.arange(len(target)).astype(str).astype(object)
    task = Task(TASKS[kind], tuple(map(str, range(target.shape[1]))))
    return LabelledTracks(task, names, target, names, {0: parts})


def make_settings(fitter, plugin, kind, network, **train):
    options = Train(**{"max_epochs": EPOCHS, "patience": 4, "batch_size": 64, "chunk_frames": 1, **train})
    return Settings(plugin, fitter, plugin, TASKS[kind], 3, options, network=network)


def fit_and_run(settings, labelled, source, tracks):
    parts = labelled.folds[0]
    fitted = fit_network(settings, labelled, source, parts["train"], parts["validation"], label="fold 0")
    network = build(settings, fitted.source.inputs, labelled.target.shape[1])
    network.load_state_dict(dict(fitted.weights))
    return run_network(network, fitted.source, tracks, labelled.task)[0], fitted.epochs


def calibrated_scores(labelled, logits):
    """Return the scores of the test tracks, the temperature chosen on validation, of the logits of all tracks."""
    parts, kind = labelled.folds[0], labelled.task.kind
    names, fold = labelled.track_ids, np.zeros(len(logits), np.int64)
    rows = ScoredTracks(names, labelled.task.scores(logits), labelled.target, names, names, fold)
    validation, test = rows.select(parts["validation"]), rows.select(parts["test"])
    return apply_temperature(test, calibrate(validation, test, kind)["temperature"], kind).scores


@pytest.fixture(scope="module")
def make_members():
    """Return labelled tracks, and the logits of all of them of each member, those of training tracks out of fold."""

    @cache
    def make(n_classes, kind, absent=None):
        n_tracks = N_TRAIN + N_VALIDATION + N_TEST
        x, target = draw_tracks(n_classes, kind, n_tracks)
        if absent is not None:
            x, target = (values[target[:, absent] == 0] for values in (x, target))
        labelled, tables = label_tracks(target, kind), {}
        frames = x[:, np.newaxis] + np.random.default_rng(6).normal(0, 0.3, (len(x), N_FRAMES, WIDTH))
        settings = make_settings("lightning", "mlp", kind, {"hidden": (32,)}, lr=0.005, chunks_per_track=1)
        for name, bins in MEMBERS.items():
            source = Features("mel", list(frames[:, :, bins].astype(np.float32)), 1, "none")
            others, epochs = fit_and_run(settings, labelled, source, np.arange(N_TRAIN, len(x)))
            tables[name] = np.concatenate([out_of_fold(settings, labelled, source, 0, epochs=epochs, parts=2), others])
        return labelled, tables

    return make


@pytest.mark.parametrize(("n_classes", "kind"), CASES)
@pytest.mark.parametrize("member", MEMBERS)
def test_scores_of_a_network_mean_something(member, n_classes, kind, make_members):
    labelled, tables = make_members(n_classes, kind)
    check_scores(calibrated_scores(labelled, tables[member]), labelled.target[labelled.folds[0]["test"]], kind)


@pytest.mark.parametrize(("n_classes", "kind"), CASES)
@pytest.mark.parametrize("plugin", ["timefreq", "timefreq_avg", "genre_ensemble"])
def test_scores_of_a_stack_mean_something(plugin, n_classes, kind, make_members):
    labelled, tables = make_members(n_classes, kind)
    settings = make_settings("stacked", plugin, kind, {})
    logits, _ = fit_and_run(settings, labelled, Logits(tables), np.arange(len(labelled.target)))
    check_scores(calibrated_scores(labelled, logits), labelled.target[labelled.folds[0]["test"]], kind)


@pytest.mark.parametrize("plugin", ["mlp", "timefreq", "timefreq_avg"])
def test_a_class_absent_from_a_fold_takes_nothing_from_the_others(plugin, make_members):
    absent = 4
    labelled, tables = make_members(10, "single", absent)
    if plugin == "mlp":
        logits = tables["low"]
    else:
        settings = make_settings("stacked", plugin, "single", {})
        logits, _ = fit_and_run(settings, labelled, Logits(tables), np.arange(len(labelled.target)))
    scores, target = calibrated_scores(labelled, logits), labelled.target[labelled.folds[0]["test"]]
    assert scores[:, absent].mean() < 0.01
    assert (scores.argmax(axis=1) == target.argmax(axis=1)).mean() > 0.4
    check_scores(scores, target, "single")
