"""What is off by default: schedules, losses beside the plain one, masks, repeats, compilation."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from pytorch_lightning.trainer.states import TrainerFn
from test_training_network import Cut, candidate, fit_candidate, have_same_weights  # noqa: F401

import tiny_project
from ostinato.core.params.training import Train
from ostinato.core.task import Task
from ostinato.errors import ParamsError
from ostinato.stages import evaluate, infer, train, tune
from ostinato.training import artefact as artefacts
from ostinato.training import losses
from ostinato.training.callbacks import EarlyStop, ResumableCheckpoint
from ostinato.training.fit import explain_chance, fit
from ostinato.training.module import Module, is_map, mixup, spec_augment
from ostinato.training.schedule import Schedule


def run_schedule(options, values, epochs=20):
    """Run a schedule over monitored values; give the rates it set, and when it stopped."""
    torch.manual_seed(0)
    network = torch.nn.Linear(1, 1)
    optimizer = torch.optim.Adam(network.parameters())
    keeper, best = ResumableCheckpoint(None, validated=True), float("inf")
    schedule = Schedule(Train(**options), keeper, epochs)
    trainer = SimpleNamespace(optimizers=[optimizer], current_epoch=0, callback_metrics={}, should_stop=False)
    rates, module = [], SimpleNamespace(network=network)
    for epoch, value in enumerate(values):
        trainer.current_epoch = epoch
        schedule.on_train_epoch_start(trainer, module)
        rates.append(optimizer.param_groups[0]["lr"])
        trainer.callback_metrics = {} if value is None else {"monitor": torch.tensor(value)}
        schedule.on_train_epoch_end(trainer, module)
        if value is not None and value < best:
            best, keeper.weights = value, {k: torch.full_like(v, epoch) for k, v in network.state_dict().items()}
        if trainer.should_stop:
            break
    return rates, network, trainer


def test_a_cosine_falls_from_the_rate_to_nothing():
    rates, *_ = run_schedule({"lr": 0.4, "schedule": "cosine"}, [1.0] * 20)
    np.testing.assert_allclose(rates[::5], [0.4, 0.2 * (1 + np.cos(np.pi / 4)), 0.2, 0.2 * (1 - np.cos(np.pi / 4))])
    assert rates == sorted(rates, reverse=True)


def test_a_plateau_lowers_the_rate_when_nothing_improves():
    options = {"lr": 0.8, "schedule": "plateau", "lr_patience": 2, "lr_factor": 0.5}
    rates, *_ = run_schedule(options, [3.0, 2.0, 2.5, 2.1, 1.9, 2.0, 2.0, 2.0])
    assert rates == [0.8, 0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2]


def test_phases_go_on_from_the_best_weights_and_end_training():
    phases = [{"lr": 0.5, "patience": 1}, {"lr": 0.1, "patience": 2}]
    rates, network, trainer = run_schedule({"phases": phases}, [3.0, 2.0, 2.5, 2.2, 1.5, 1.6, 1.7, 1.0])
    assert rates == [0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1]
    assert trainer.should_stop
    assert {w.flatten()[0].item() for w in network.parameters()} == {1.0}


def test_without_validation_the_first_rate_holds():
    assert (
        run_schedule({"phases": [{"lr": 0.5, "patience": 1}, {"lr": 0.1, "patience": 1}]}, [None] * 4)[0] == [0.5] * 4
    )


@pytest.mark.parametrize(
    "extra",
    [
        {"schedule": "plateau", "lr_patience": 1, "lr": 0.3},
        {"phases": [{"lr": 0.3, "patience": 1}, {"lr": 0.01, "patience": 2}]},
        {"loss": "focal", "schedule": "cosine", "clip_norm": 0.1, "weight_decay": 0.01},
    ],
    ids=["plateau", "phases", "focal"],
)
def test_a_run_that_was_cut_off_in_a_schedule_goes_on_to_the_same_bits(candidate, tmp_path, extra):  # noqa: F811
    extra = {"max_epochs": 7, "patience": 7, **extra}
    alone = fit_candidate(candidate, **extra)
    with pytest.raises(InterruptedError):
        fit_candidate(candidate, callbacks=[Cut(4, 1)], state=tmp_path, **extra)
    resumed = fit_candidate(candidate, state=tmp_path, **extra)
    assert have_same_weights(alone, resumed)
    assert alone.curve == resumed.curve


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_without_focus_the_losses_are_the_plain_one(kind):
    torch.manual_seed(0)
    logits = torch.randn(5, 4)
    target = F.one_hot(torch.arange(5) % 4, 4).float() if kind == "single" else (torch.rand(5, 4) > 0.5).float()
    plain = losses.loss(kind)(logits, target)
    torch.testing.assert_close(losses.focal(logits, target, kind, gamma=0), plain)
    if kind == "multi":
        torch.testing.assert_close(losses.asymmetric(logits, target, gamma=0, clip=0), plain)
        weights = torch.tensor([1.0, 2.0, 3.0, 4.0])
        weighted = F.binary_cross_entropy_with_logits(logits, target, pos_weight=weights)
        torch.testing.assert_close(losses.focal(logits, target, kind, gamma=0, weights=weights), weighted)


def test_focal_loss_by_hand():
    p = 0.8
    logits, target = torch.tensor([[np.log(p), np.log(1 - p)]]), torch.tensor([[1.0, 0.0]])
    assert losses.focal(logits, target, "single", gamma=2).item() == pytest.approx(-(0.2**2) * np.log(p))
    score = 1 / (1 + np.exp(-1.5))
    expected = -((score - 0.05) ** 4) * np.log(1.05 - score)
    found = losses.asymmetric(torch.tensor([[1.5]]), torch.zeros(1, 1), gamma=4, clip=0.05).item()
    assert found == pytest.approx(expected, rel=1e-5)


def test_an_asymmetric_loss_of_a_single_label_is_refused():
    with pytest.raises(ParamsError, match="asymmetric is for tags; genre has one label, take focal"):
        Module(torch.nn.Linear(2, 2), Task("genre", ("a", "b")), Train(loss="asymmetric"), np.eye(2), np.arange(2), 0)


def test_words_are_neither_masked_nor_blended():
    words = torch.ones(2, 5, dtype=torch.int64)
    assert [is_map(x) for x in (words, torch.ones(2, 3, 8, 8), torch.ones(2, 1, 2, 1), torch.ones(2, 1, 8, 8))] == [
        False, False, False, True,
    ]  # fmt: skip
    with pytest.raises(ParamsError, match="mixup cannot blend words"):
        mixup((words,), torch.eye(2), 0.4)


@pytest.mark.parametrize("share", [0.05, 0.125, 0.4])
@pytest.mark.parametrize("bins", [12, 13, 40, 96, 256])
def test_a_mask_covers_half_its_share_on_average_however_few_bins(bins, share):
    torch.manual_seed(1)
    widths = torch.cat(
        [bins - spec_augment(torch.ones(40, 1, bins, 40), share)[:, 0].sum(1).amax(1) for _ in range(60)]
    )
    assert widths.max() == int(np.ceil(bins * share))
    deviation = np.hypot(float(widths.double().std()) / np.sqrt(len(widths)), 0.25 / np.sqrt(60))
    assert float(widths.double().mean()) == pytest.approx(bins * share / 2, abs=4 * deviation)


def test_more_and_wider_masks_blank_more():
    def measure_blank_share(**options):
        torch.manual_seed(0)
        return float((spec_augment(torch.ones(64, 1, 32, 80), **options) == 0).float().mean())

    assert measure_blank_share() < measure_blank_share(n_masks=3) < measure_blank_share(n_masks=3, share=0.4)


def test_a_compiled_network_learns_the_same(candidate, monkeypatch):  # noqa: F811
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compiled.append(self))
    assert have_same_weights(fit_candidate(candidate, compile=True), fit_candidate(candidate))
    assert len(compiled) == 1


@pytest.fixture(scope="module")
def repeated_runs(tmp_path_factory):
    """Fit a candidate three times on each of two folds."""
    paths = tiny_project.make(tmp_path_factory.mktemp("runs") / "project", folds=2)
    params = tiny_project.settings(train={"runs": 3}, tune={"n_trials": 0})
    for stage in (tune, train, infer):
        stage.run(paths, params, "tiny_mel")
    return paths, params


def test_of_several_runs_the_best_on_validation_is_kept(repeated_runs):
    paths, _ = repeated_runs
    folder = paths.checkpoints("tiny_mel")
    assert artefacts.load(folder).runs == 3
    for fold in (0, 1):
        best = artefacts.weights_file(folder, fold).read_bytes()
        runs = [artefacts.weights_file(folder, fold, run).read_bytes() for run in range(3)]
        assert len(set(runs)) == 3
        assert best in runs
    assert artefacts.weights_file(folder, "final").exists()


def test_the_spread_over_runs_and_folds_is_that_of_their_figures(repeated_runs):
    paths, params = repeated_runs
    tracks = pd.read_parquet(paths.tracks).assign(content_hash="x")
    tracks.to_parquet(paths.tracks)
    about = json.loads(paths.classes.read_text()) | {"name": "n"}
    paths.classes.write_text(json.dumps(about))
    evaluate.run(paths, params, "tiny_mel")
    found = json.loads(paths.metrics("tiny_mel").read_text())
    genre = tracks.set_index("track_id")["genre"]

    def accuracy(table):
        named = [tiny_project.GENRES[int(np.argmax(v))] for v in table["logits"]]
        return np.mean(np.array(named) == genre[table["track_id"]].to_numpy())

    for file, by, what in (("runs", "run", "runs"), ("predictions", "fold", "folds")):
        table = pd.read_parquet(paths.predictions("tiny_mel") / f"{file}.parquet").query("split == 'test'")
        values = [accuracy(part) for _, part in table.groupby(by)]
        said = found["spread"][what]["accuracy"]
        assert said["n"] == len(values)
        assert said["mean"] == pytest.approx(np.mean(values), abs=1e-6)
        assert said["deviation"] == pytest.approx(np.std(values, ddof=1), abs=1e-6)


def test_patience_counts_epochs_and_steps_from_where_validation_left_chance():
    def run_early_stop(losses, **given):
        patience = EarlyStop(**{"epochs": 2, "steps": 0, "steps_per_epoch": 4, "limit": 2.0, **given})
        strategy = SimpleNamespace(reduce_boolean_decision=lambda decision, all: decision)
        trainer = SimpleNamespace(
            should_stop=False, strategy=strategy, fast_dev_run=False, current_epoch=0, sanity_checking=False,
            val_check_interval=1.0, check_val_every_n_epoch=1, state=SimpleNamespace(fn=TrainerFn.FITTING),
        )  # fmt: skip
        patience.setup(trainer, None, "fit")
        for epoch, loss in enumerate(losses):
            trainer.callback_metrics = {"val_loss": torch.tensor(loss), "monitor": torch.tensor(loss)}
            patience.on_train_epoch_end(trainer, None)
            if trainer.should_stop:
                return epoch
        return None

    assert run_early_stop([2.3, 2.3, 2.4, 2.3, 2.1, 1.5, 1.6, 1.7]) == 7
    assert run_early_stop([2.3, 2.4, 2.5, 2.6, 2.7, 2.8]) is None
    assert run_early_stop([1.5, 1.6, 1.7, 1.8, 1.9], steps=16) == 4
    assert run_early_stop([2.3, float("nan")]) == 1
    assert run_early_stop([2.3, 2.4, 2.5], limit=float("inf")) == 2


def test_chance_is_the_loss_of_one_answer_for_all():
    train, held = torch.tensor([[1.0, 0], [1, 0], [0, 1]]), torch.tensor([[1.0, 0], [0, 1]])
    assert losses.compute_chance(train, held, "single") == pytest.approx(-(np.log(0.6) + np.log(0.4)) / 2)
    assert losses.compute_chance(train, held, "multi") == pytest.approx(-(np.log(0.6) + np.log(0.4)) / 2)
    assert losses.compute_chance(torch.eye(2), torch.eye(2), "embedding") == pytest.approx(-np.sqrt(0.5))


def test_validation_at_chance_is_told_with_what_to_try():
    def explain(train, validation, limit=2.25):
        curve = [{"train_loss": t, "val_loss": v} for t, v in zip(train, validation, strict=True)]
        return explain_chance(SimpleNamespace(curve=curve, limit=limit))

    assert explain([2.3, 0.4], [2.3, 2.2]) is None
    assert explain([2.3, 0.4], [2.3, 2.9], limit=float("inf")) is None
    assert "fell from 2.300 to 0.400: it does not generalise to other tracks" in explain([2.3, 0.4], [2.3, 2.9])
    assert "the training loss did not fall (2.300 to 2.290); try another train.lr" in explain([2.3, 2.29], [2.3, 2.31])


def test_a_network_that_learns_noise_is_warned_of(candidate, caplog, tmp_path):  # noqa: F811
    settings, inputs = candidate
    settings = settings.with_overrides({"train": {"max_epochs": 12, "patience": 12}})
    labelled = inputs.labelled
    shuffled = np.random.default_rng(0).permutation(len(labelled.target))
    noise = dataclasses.replace(labelled, target=labelled.target[shuffled])
    fit(settings, noise, inputs.sources, inputs.inputs, tmp_path / "noise")
    assert "tiny_mel fold 0: validation is at chance in each of 12 epochs" in caplog.text
    caplog.clear()
    fit(settings, labelled, inputs.sources, inputs.inputs, tmp_path / "learned")
    assert "chance" not in caplog.text
