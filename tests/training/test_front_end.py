"""The front end of training: what it computes is what the cache holds, and a candidate goes on as any other."""

import json

import numpy as np
import pytest
import torch
from test_training_network import Cut, have_same_weights

import tiny_project
from ostinato import audio, features
from ostinato.audio.context import AudioContext
from ostinato.cache import store
from ostinato.core import registry
from ostinato.core.params.training import Train
from ostinato.errors import ParamsError
from ostinato.stages import _candidate, infer, train, tune
from ostinato.training import artefact as artefacts
from ostinato.training.data.build import open_source
from ostinato.training.data.sources import Features
from ostinato.training.data.waveforms import Waveforms
from ostinato.training.front_end import RECIPES, FrontEnd
from ostinato.training.network import fit_network
from ostinato.training.settings import resolve

RATE, CHUNK = 22050, 60
LENGTHS = (6 * RATE, 4 * RATE + 77, RATE, 90)
TOLERANCE = 0.02
"""In dB, of samples that sixteen bits hold."""


@pytest.fixture(scope="module")
def clips():
    """Make clips of sixteen bits, loud and soft, some shorter than a chunk."""
    rng = np.random.default_rng(5)
    made = []
    for n, level in zip(LENGTHS, (0.9, 0.02, 0.3, 0.3), strict=True):
        time = np.arange(n) / RATE
        y = np.sin(2 * np.pi * 330 * time) * np.exp(-2 * (time % 1.5)) + 0.02 * rng.standard_normal(n)
        made.append(np.rint(32767 * level * y / np.abs(y).max()) / 32768)
    return made


def compute_feature(kind, y, rate=RATE):
    """Compute a kind as the cache holds it, at its own rate: samples of sixteen bits stay such."""
    return registry.load("ostinato.features", kind).compute(AudioContext(y, rate), **parameters(kind, rate))


def parameters(kind, rate=RATE):
    return {**features.parameters(kind, {}, rate), "sample_rate": rate}


def waveforms(kind, how, clips, *augmentations):
    rows = [compute_feature(kind, y) for y in clips]
    cached = Features(kind, rows, CHUNK, how).fit(np.arange(len(rows)))
    samples = [compute_feature("waveform", y) for y in clips]
    return Waveforms(cached, samples, kind, parameters(kind), augmentations)


def run_front_end(source, tracks, where, generator=None):
    batch = map(torch.from_numpy, source.crops(tracks, where))
    return source.make_front_end()(*batch, generator).numpy()


@pytest.mark.parametrize("how", ["none", "frame", "track", "train"])
@pytest.mark.parametrize("kind", RECIPES)
def test_it_computes_the_cached_feature(kind, how, clips):
    source = waveforms(kind, how, clips)
    tracks = np.arange(len(clips)).repeat(4)
    where = np.tile([0.0, 0.4, 0.8, 1 - 1e-9], len(clips))
    (wanted,) = source.features.crops(tracks, where)
    found = run_front_end(source, tracks, where)
    assert found.shape == wanted.shape == (16, *source.inputs[kind])
    tolerance = TOLERANCE if how == "none" else TOLERANCE / 4
    np.testing.assert_allclose(found, wanted, atol=tolerance)


def test_the_floor_is_that_of_the_whole_track(clips):
    """A soft passage of a loud track lies higher than it would by itself."""
    y = np.concatenate([1e-5 * clips[0], clips[0]])
    source = waveforms("mel", "none", [y])
    found = run_front_end(source, np.zeros(1, int), np.zeros(1))
    assert found.min() == pytest.approx(source.features.rows[0].max() - 80, abs=TOLERANCE)


@pytest.mark.parametrize("augmentations", [("level",), ("bandwidth",), ("speed", "pitch", "noise")])
def test_augmentation_changes_batches_of_training_alone(clips, augmentations):
    plain, source = waveforms("mel", "none", clips), waveforms("mel", "none", clips, *augmentations)
    tracks, where = np.zeros(16, int), np.zeros(16)
    clean = run_front_end(plain, tracks, where)
    np.testing.assert_array_equal(source.chunks(0)[0], plain.chunks(0)[0])
    np.testing.assert_allclose(run_front_end(source, tracks, where)[..., :1], clean[..., :1], atol=TOLERANCE)
    changed = run_front_end(source, tracks, where, torch.Generator().manual_seed(0))
    assert changed.shape == clean.shape
    assert np.isfinite(changed).all()
    assert (np.abs(changed - clean).max((1, 2, 3)) > 1).any()


def test_a_level_moves_every_value_and_the_floor_with_it(clips):
    source, tracks = waveforms("mel", "none", clips, "level"), np.zeros(32, int)
    where = np.linspace(0, 0.99, 32)
    moved = run_front_end(source, tracks, where, torch.Generator().manual_seed(0)) - run_front_end(
        source, tracks, where
    )
    moved = moved.reshape(32, -1)
    np.testing.assert_allclose(moved, np.broadcast_to(moved[:, :1], moved.shape), atol=0.05)
    assert moved.min() < -9


def test_what_torchaudio_cannot_compute_is_refused_with_the_mend():
    for kind in ("cqt", "chroma", "stft_halved"):
        with pytest.raises(ParamsError, match=rf"computes stft, mel, .*, not {kind}; read {kind} from the cache"):
            FrontEnd(kind, parameters(kind))


# ---------------------------------------------------------------- a candidate
DEPARTURES = {"n_fft": 256, "hop_length": 128, "n_mels": 12, "f_min": 0.0, "f_max": None, "sample_rate": 8000}
FRONT_END = {"front_end": "waveform", "augment": ["speed", "bandwidth", "level", "noise"]}
CANDIDATE = {"architecture": "tiny", "feature": "mel+waveform", "task": "genre", "train": FRONT_END}


@pytest.fixture
def paths(tmp_path):
    """Make a project of tones, one per genre, in noise."""
    made, rng = tiny_project.make(tmp_path / "project"), np.random.default_rng(0)
    ids = [e.track_id for e in store.read_index(made.feature("mel"))]
    clips = []
    for i in range(len(ids)):
        time = np.arange(5000 + 100 * i) / 8000
        clips.append(0.2 * np.sin(2 * np.pi * (500, 1200, 2500)[i % 3] * time) + 0.02 * rng.standard_normal(time.size))
    contexts = [AudioContext(y, 8000) for y in clips]
    for kind, about in (("mel", DEPARTURES), ("waveform", {"sample_rate": 8000})):
        rows = [registry.load("ostinato.features", kind).compute(c, **about) for c in contexts]
        tiny_project.write_cache(made.feature(kind), ids, rows)
        meta = {**json.loads((made.feature(kind) / "meta.json").read_text()), "module": kind, "parameters": about}
        store.write_meta(made.feature(kind), meta)
    store.write_meta(made.feature("mel+waveform"), {"kind": "mel+waveform", "content": {}})
    return made


def project_settings(**changes):
    kinds = {"mel": {}, "waveform": {}, "mel+waveform": {}}
    return tiny_project.settings(
        candidates={"sound": {**CANDIDATE, **changes}}, features={"kinds": kinds}, tune={"n_trials": 0}
    )


def fit(paths, *, callbacks=(), state=None, label="fold 0", **train_keys):
    torch.set_num_threads(1)
    settings = resolve(project_settings(), "sound").with_overrides({"train": train_keys})
    opened = _candidate.open_candidate(paths, settings)
    parts = opened.labelled.folds[0]
    return fit_network(
        settings, opened.labelled, opened.sources[0], parts["train"], parts["validation"],
        label=label, state=state, callbacks=callbacks,
    )  # fmt: skip


def test_training_on_waveforms_as_they_are_is_training_on_the_cache(paths):
    """The same chunks in the same order, so the same curve but for the rounding of the cache."""
    by = {front_end: fit(paths, front_end=front_end, augment=[]) for front_end in ("cache", "waveform")}
    for one, other in zip(by["cache"].curve, by["waveform"].curve, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-2)
    augmented = fit(paths)
    assert augmented.curve[0]["train_loss"] != pytest.approx(by["cache"].curve[0]["train_loss"], rel=1e-2)


@pytest.mark.parametrize("where", [(0, 1), (2, 1)])
def test_an_augmented_run_that_was_cut_off_goes_on_to_the_same_bits(paths, tmp_path, where):
    extra = {"max_epochs": 4, "patience": 4, "mixup": 0.4}
    alone = fit(paths, **extra)
    with pytest.raises(InterruptedError):
        fit(paths, callbacks=[Cut(*where)], state=tmp_path / "state", **extra)
    torch.rand(3)
    resumed = fit(paths, state=tmp_path / "state", **extra)
    assert have_same_weights(alone, resumed)
    assert alone.curve == resumed.curve
    assert not have_same_weights(alone, fit(paths, label="fold 1", **extra))


def test_stages_train_and_infer_it_as_a_reader_of_the_cached_feature(paths):
    params = project_settings()
    for stage in (tune, train, infer):
        stage.run(paths, params, "sound")
    artefact = artefacts.load(paths.checkpoints("sound"))
    assert list(artefact.inputs) == ["mel"]
    assert artefact.inputs["mel"].bins == DEPARTURES["n_mels"]
    assert (paths.predictions("sound") / "predictions.parquet").exists()
    (paths.feature("waveform") / "index.parquet").unlink()
    infer.run(paths, params, "sound")


def test_another_rate_or_half_precision_is_refused_with_the_mend(paths):
    inputs = _candidate.open_candidate(paths, resolve(project_settings(), "sound")).inputs
    stores = {kind: store.Store(paths.feature(kind)) for kind in ("mel", "waveform")}
    ids = [e.track_id for e in store.read_index(paths.feature("mel"))]
    given = Train(**FRONT_END, chunk_frames=16)
    with pytest.raises(ParamsError, match="single precision; set precision: bf16-mixed"):
        open_source(stores, inputs, ids, given.model_copy(update={"precision": "bf16-true"}))
    stores["waveform"].meta["parameters"]["sample_rate"] = 16000
    with pytest.raises(ParamsError, match=r"`waveform_8000: \{kind: waveform, sample_rate: 8000\}`"):
        open_source(stores, inputs, ids, given)


def test_samples_of_files_come_back_as_they_were(tmp_path, clips):
    import soundfile

    soundfile.write(tmp_path / "a.flac", clips[0], RATE, subtype="PCM_16")
    y, _ = audio.load(tmp_path / "a.flac")
    source = waveforms("mel", "none", [y])
    x, *_ = source.crops(np.zeros(1, int), np.zeros(1))
    np.testing.assert_array_equal(x[0, 2048 : 2048 + 10000], y[:10000])
