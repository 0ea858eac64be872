"""An encoder as a kind of feature: its front ends, its file, and what cannot be used."""

import hashlib
import json
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import onnx
import pytest
import soundfile
import yaml
from onnx import numpy_helper

from ostinato import features
from ostinato.audio.context import AudioContext
from ostinato.cache.spec import describe
from ostinato.errors import DataError, ParamsError
from ostinato.features import encoder
from ostinato.features._front_end import Bands, Curve, build_bank, compress, compute_bands
from ostinato.features._onnx import find_shape, load
from toy_encoder import MELS, PATCH, WIDTH, describe_encoder, write_model

RATE = 16000


def compute(y: np.ndarray, said: dict[str, Any], rate: int = RATE) -> np.ndarray:
    return encoder.compute(AudioContext(y, rate), **features.parameters("toy", said, rate))


@pytest.fixture
def noise() -> np.ndarray:
    return 0.1 * np.random.default_rng(3).standard_normal(3 * RATE).astype(np.float32)


@pytest.mark.parametrize(
    ("preset", "reference"),
    [
        ("musicnn", {"n_fft": 512, "hop_length": 256, "n_mels": 96, "fmax": 8000, "pad_mode": "reflect"}),
        ("effnet-discogs", {"n_fft": 512, "hop_length": 256, "n_mels": 96, "fmax": 8000, "window": np.hanning(512)}),
        ("mule", {"n_fft": 2048, "win_length": 400, "hop_length": 160, "n_mels": 96, "fmin": 0.0, "fmax": 8000.0,
                  "htk": True, "norm": 2.0, "pad_mode": "reflect"}),
        ("panns", {"n_fft": 1024, "hop_length": 320, "n_mels": 64, "fmin": 50, "fmax": 14000, "pad_mode": "reflect"}),
        ("clap", {"n_fft": 1024, "hop_length": 480, "n_mels": 64, "fmin": 50, "fmax": 14000, "pad_mode": "reflect"}),
    ],
)  # fmt: skip
def test_front_ends_are_those_of_librosa(noise, preset, reference):
    given = features.parameters("k", {"kind": "encoder", "preset": preset}, 22050)
    rate = given["sample_rate"]
    mel = librosa.feature.melspectrogram(y=noise, sr=rate, **reference)
    curve = {
        "log10": lambda x: np.log10(1 + 10000 * x),
        "decibels": lambda x: 10 * np.log10(np.maximum(x, 1e-10)),
    }[given["compression"]]
    mine = _front_end(noise, given)
    np.testing.assert_allclose(mine, curve(mel).T, atol=2e-4)


def _front_end(y: np.ndarray, given: dict[str, Any]) -> np.ndarray:
    bands, curve = (kind(*(given[name] for name in kind._fields)) for kind in (Bands, Curve))
    return compress(compute_bands(AudioContext(y, given["sample_rate"]), bands=bands), curve, given["power"])


def test_yamnets_front_end_is_that_of_its_description(noise):
    """Frames of 400 samples without padding, magnitudes, flanks straight in mel; see presets.yaml."""
    given = features.parameters("k", {"kind": "encoder", "preset": "yamnet"}, 22050)
    frames = np.stack([noise[start : start + 400] for start in range(0, len(noise) - 399, 160)])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    magnitude = np.abs(np.fft.rfft(frames * window, 512))
    mel = lambda f: 1127 * np.log1p(np.asarray(f) / 700)  # noqa: E731 (HTK's, in natural logarithms)
    edges, bins = np.linspace(mel(125), mel(7500), 66), mel(np.arange(257) * RATE / 512)
    bank = np.zeros((257, 64))
    for band in range(64):
        low, middle, high = edges[band : band + 3]
        bank[:, band] = np.clip(np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)), 0, None)
    np.testing.assert_allclose(_front_end(noise, given), np.log(magnitude @ bank + 0.001), atol=1e-4)
    assert len(_front_end(noise, given)) == 1 + (len(noise) - 400) // 160


def test_maests_scale_is_that_of_its_description(noise):
    maest, plain = (
        features.parameters("k", {"kind": "encoder", "preset": p}, 22050) for p in ("maest", "effnet-discogs")
    )
    expected = (_front_end(noise, plain) - 2.06755686098554) / (2 * 1.268292820667291)
    np.testing.assert_allclose(_front_end(noise, maest), expected, atol=1e-6)


@pytest.mark.parametrize(("norm", "size"), [("sum", 1), ("l2", 1), ("none", None), ("area", None)])
def test_bands_are_normalised_as_asked(norm, size):
    bands = Bands(2048, None, None, 256, "hann", True, "reflect", 16, 100.0, 6000.0, "htk", "hertz", norm, 2.0)
    bank = build_bank(RATE, bands)
    if norm == "sum":
        np.testing.assert_allclose(bank.sum(axis=1), 1, rtol=1e-5)
    elif norm == "l2":
        np.testing.assert_allclose((bank**2).sum(axis=1), 1, rtol=1e-5)
    else:
        theirs = librosa.filters.mel(
            sr=RATE, n_fft=2048, n_mels=16, fmin=100, fmax=6000, htk=True, norm="slaney" if norm == "area" else None
        )
        np.testing.assert_allclose(bank, theirs, atol=1e-6)


def test_a_level_or_its_normalisation(tmp_path, noise):
    model = write_model(tmp_path / "toy.onnx", ("batch", 4000))
    said = describe_encoder(model, patch_length=4000)
    plain, peak, standard = (compute(noise, said | {"waveform_norm": how}) for how in ("none", "peak", "standard"))
    np.testing.assert_allclose(peak, plain / np.abs(noise).max(), rtol=1e-4)
    np.testing.assert_allclose(compute(noise / 7, said | {"waveform_norm": "standard"}), standard, rtol=1e-3)


@pytest.mark.parametrize(
    ("sizes", "axes"),
    [
        (("batch", PATCH, MELS), ("batch", "time", "mel")),
        (("batch", MELS, PATCH), ("batch", "mel", "time")),
        (("batch", 1, MELS, PATCH), ("batch", "channel", "mel", "time")),
        (("batch", PATCH, MELS, 1), ("batch", "time", "mel", "channel")),
        ((1, PATCH, MELS), ("batch", "time", "mel")),
        ((4, PATCH, MELS), ("batch", "time", "mel")),
    ],
)
def test_axes_follow_from_sizes_and_each_patch_is_read_the_right_way(tmp_path, noise, sizes, axes):
    model = write_model(tmp_path / "toy.onnx", sizes)
    rows = compute(noise, describe_encoder(model))
    mel = _front_end(noise, features.parameters("toy", describe_encoder(model), RATE))
    weights = numpy_helper.to_array(onnx.load(model).graph.initializer[0])
    for i, row in enumerate(rows):
        patch = mel[i * PATCH : (i + 1) * PATCH]
        patch = patch.T if axes.index("mel") < axes.index("time") else patch
        np.testing.assert_allclose(row, np.maximum(patch.reshape(-1) @ weights, 0), atol=1e-4)
    assert rows.shape == (len(mel) // PATCH, WIDTH)
    np.testing.assert_array_equal(compute(noise, describe_encoder(model, axes=list(axes))), rows)


@pytest.mark.parametrize("size", [1, 4, "batch"])
def test_a_vector_does_not_hang_on_the_patches_beside_it(tmp_path, size):
    said = describe_encoder(write_model(tmp_path / "toy.onnx", (size, PATCH, MELS)))
    opened = load(said["model"], said["sha256"], "hidden")
    shape = find_shape(opened, None, MELS, PATCH, None)
    patches = list(np.random.default_rng(0).standard_normal((9, PATCH, MELS)).astype(np.float32))
    together = opened.embed(patches, shape, "mean")
    for first in (0, 3, 8):
        np.testing.assert_array_equal(opened.embed(patches[first:], shape, "mean")[0], together[first])


def test_overlapping_patches(tmp_path, noise):
    said = describe_encoder(write_model(tmp_path / "toy.onnx", ("batch", PATCH, MELS)))
    apart, half = compute(noise, said), compute(noise, said | {"patch_hop": PATCH // 2})
    np.testing.assert_array_equal(half[::2][: len(apart)], apart)
    assert features.seconds_per_row("encoder", features.parameters("k", said, RATE)) == PATCH * 256 / RATE
    hop = features.parameters("k", said | {"patch_hop": 10}, RATE)
    assert features.seconds_per_row("encoder", hop) == 10 * 256 / RATE


def test_a_tensor_inside_the_graph_may_be_the_embedding(tmp_path, noise):
    said = describe_encoder(write_model(tmp_path / "toy.onnx", ("batch", PATCH, MELS)))
    hidden = compute(noise, said | {"output": "hidden"})
    assert (hidden < 0).any()
    np.testing.assert_array_equal(np.maximum(hidden, 0), compute(noise, said))


def test_the_key_of_the_cache_sees_the_bytes_of_the_file_and_not_its_place(tmp_path):
    def key(model: Path, **more: Any) -> str:
        return describe("toy", describe_encoder(model, **more), sample_rate=22050, shard_tracks=8).key

    first = write_model(tmp_path / "one.onnx", ("batch", PATCH, MELS))
    moved = write_model(tmp_path / "two.onnx", ("batch", PATCH, MELS))
    other = write_model(tmp_path / "three.onnx", ("batch", PATCH, MELS), seed=1)
    assert key(first) == key(moved) == key(first, license="Apache-2.0", trained_on="somewhere")
    assert (
        len({key(first), key(other), key(first, gain=1.0), key(first, patch_hop=3), key(first, output="hidden")}) == 5
    )


def test_what_params_say_goes_before_a_preset():
    said = features.parameters("k", {"kind": "encoder", "preset": "mule", "hop_length": 80}, 22050)
    assert (said["hop_length"], said["n_fft"], said["mel_scale"]) == (80, 2048, "htk")


def test_complete_parameters_stay_as_they_are(tmp_path):
    said = features.parameters(
        "k", describe_encoder(write_model(tmp_path / "toy.onnx", ("batch", PATCH, MELS)), preset="mule"), 22050
    )
    assert features.parameters("encoder", said, 8000) == said


def test_essentias_description_beside_the_file_fills_in_the_rest(tmp_path, noise):
    model = write_model(tmp_path / "discogs.onnx", ("batch", 128, 96), n_outputs=2)
    about = {
        "dataset": {"name": "Discogs-4M"},
        "inference": {"sample_rate": 16000, "algorithm": "TensorflowPredictEffnetDiscogs"},
        "schema": {"outputs": [{"name": "hidden", "shape": [64, WIDTH], "output_purpose": "embeddings"}]},
    }
    (tmp_path / "discogs.json").write_text(json.dumps(about))
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    given = features.parameters("k", {"kind": "encoder", "model": str(model), "sha256": sha256}, 22050)
    assert (given["output"], given["patch_hop"], given["license"]) == ("hidden", 62, "CC BY-NC-SA 4.0")
    assert given["trained_on"] == "Discogs-4M"
    features.check("k", "encoder", given)
    assert encoder.compute(AudioContext(noise, RATE), **given).shape == (1, WIDTH)


def test_a_name_of_before_it_became_onnx_is_matched_by_width(tmp_path):
    model = write_model(tmp_path / "effnet.onnx", ("batch", 128, 96))
    outputs = [{"name": "PartitionedCall:1", "shape": [64, WIDTH], "output_purpose": "embeddings"}]
    about = {
        "inference": {"sample_rate": 16000, "algorithm": "TensorflowPredictEffnetDiscogs"},
        "schema": {"outputs": outputs},
    }
    (tmp_path / "effnet.json").write_text(json.dumps(about))
    assert features.parameters("k", {"kind": "encoder", "model": str(model)}, 22050)["output"] == "vector"


REFUSED = {
    "absent file": (("batch", PATCH, MELS), {"model": "nowhere.onnx"}, "nowhere.onnx: does not exist"),
    "another file": (("batch", PATCH, MELS), {"sha256": "0" * 64}, "is not the file of params.yaml"),
    "no hash": (("batch", PATCH, MELS), {"sha256": None}, "set sha256 too"),
    "no licence": (("batch", PATCH, MELS), {"license": None}, "its licence is unknown; set license"),
    "no such tensor": (
        ("batch", PATCH, MELS),
        {"output": "mean_16"},
        r"has no tensor 'mean_16'; .* hidden \(batch, 5\)",
    ),
    "no front end": (
        ("batch", 50, 64),
        {},
        r"has the axes \(batch, 50, 64\), which fit no front end.*n_mels, patch_length",
    ),
    "another length": (
        ("batch", 50, MELS),
        {"axes": ["batch", "time", "mel"]},
        "time is fixed at 50, patch_length is 20",
    ),
    "fixed batch": ((1, PATCH, MELS), {"batch": 16}, "batch is fixed at 1, batch is 16"),
    "unknown axis": (("batch", PATCH, MELS), {"axes": ["batch", "time", "bark"]}, "axes is .*bark.*from batch"),
    "no preset": (("batch", PATCH, MELS), {"preset": "musicn"}, "there is no preset 'musicn'"),
}


@pytest.mark.parametrize(("sizes", "more", "message"), REFUSED.values(), ids=REFUSED)
def test_what_fits_no_file_is_refused_before_a_track_is_read(tmp_path, sizes, more, message):
    said = describe_encoder(write_model(tmp_path / "toy.onnx", sizes)) | more
    with pytest.raises(ParamsError, match=message) as refusal:
        describe("toy", said, sample_rate=22050, shard_tracks=8)
    assert "features.kinds.toy" in str(refusal.value)


def test_several_outputs_are_listed(tmp_path):
    said = describe_encoder(write_model(tmp_path / "toy.onnx", ("batch", PATCH, MELS), n_outputs=2))
    with pytest.raises(ParamsError, match=r"2 outputs; set output.*vector \(batch, 5\), other_0"):
        describe("toy", said, sample_rate=22050, shard_tracks=8)


def test_what_is_no_onnx_is_refused(tmp_path):
    (tmp_path / "toy.onnx").write_bytes(b"not one")
    with pytest.raises(ParamsError, match=r"toy\.onnx: is not a .*ONNX file"):
        describe("toy", describe_encoder(tmp_path / "toy.onnx"), sample_rate=22050, shard_tracks=8)


def test_weights_in_another_file_are_refused(tmp_path):
    """As `torch.onnx.export` writes them by default; the hash would not be theirs."""
    model = onnx.load(write_model(tmp_path / "toy.onnx", ("batch", PATCH, MELS)))
    onnx.save(model, tmp_path / "toy.onnx", save_as_external_data=True, location="toy.onnx.data", size_threshold=0)
    with pytest.raises(ParamsError, match=r"toy\.onnx: its weights are in another file, toy\.onnx\.data.*save"):
        describe("toy", describe_encoder(tmp_path / "toy.onnx"), sample_rate=22050, shard_tracks=8)


def test_a_track_that_is_too_short_is_named_with_its_seconds(tmp_path, noise):
    said = describe_encoder(write_model(tmp_path / "toy.onnx", ("batch", PATCH, MELS)))
    with pytest.raises(DataError, match=r"needs 0\.3 s of audio, the track has 0\.1 s"):
        compute(noise[:1600], said)


def test_an_embedding_that_is_not_finite_is_refused(tmp_path, noise):
    said = describe_encoder(write_model(tmp_path / "toy.onnx", ("batch", PATCH, MELS), nan=True), output="hidden")
    with pytest.raises(DataError, match="hidden of patch 0 is NaN or infinite"):
        compute(noise, said)


def test_every_preset_has_a_source_and_known_parameters():
    presets = yaml.safe_load(encoder.PRESETS.read_text())
    field = {"musicnn", "vggish", "yamnet", "panns", "effnet-discogs", "maest", "mule", "openl3", "clap", "mert", "muq"}
    assert field <= set(presets)
    known = set(features.parameters("encoder", {}, 22050))
    for preset in presets.values():
        assert set(preset) == {"parameters", "source", "tested"}
        assert set(preset["parameters"]) <= known


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("pad", ["reflect", "constant"])
def test_frames_of_a_part_are_those_of_the_whole(noise, center, pad):
    bands = Bands(1024, 800, None, 200, "hann", center, pad, 16, 0.0, None, "slaney", "hertz", "area", 2.0)
    for y in (noise[:9001], noise[:300] if center else noise[:1100]):
        context = AudioContext(y, RATE)
        whole = compute_bands(context, bands=bands)
        padded = np.pad(y, 512, mode=pad) if center else y
        assert len(whole) == 1 + (len(padded) - 1024) // 200
        for part in (slice(0, 1), slice(0, 4), slice(2, 30), slice(-3, None), slice(5, 5)):
            np.testing.assert_allclose(
                compute_bands(context, bands=bands, frames=part), whole[part], rtol=1e-4, atol=1e-7
            )


def test_a_long_track_is_read_in_parts_and_gives_the_same_rows(tmp_path, noise, monkeypatch):
    from ostinato.inference import streaming

    monkeypatch.setattr(streaming, "LONG_SECONDS", 1.0)
    monkeypatch.setattr(encoder, "GROUP", 2)
    soundfile.write(tmp_path / "long.wav", noise, RATE)
    context, _ = streaming.decode_and_measure(tmp_path / "long.wav", {RATE})
    assert isinstance(context, streaming.LongContext)
    longest = []
    read = streaming.Spool.read
    monkeypatch.setattr(streaming.Spool, "read", lambda s, a, b: longest.append(b - a) or read(s, a, b))
    mel = describe_encoder(write_model(tmp_path / "mel.onnx", ("batch", PATCH, MELS)))
    samples = describe_encoder(
        write_model(tmp_path / "samples.onnx", ("batch", 4000)), patch_length=4000, patch_hop=1500
    )
    for said in (mel, mel | {"center": False, "patch_hop": 7}, samples):
        parameters = features.parameters("toy", said | {"output": "hidden"}, RATE)
        rows = encoder.compute(context, **parameters)
        monkeypatch.setattr(encoder, "GROUP", 10_000)
        expected = encoder.compute(
            AudioContext(soundfile.read(tmp_path / "long.wav", dtype="float32")[0], RATE), **parameters
        )
        monkeypatch.setattr(encoder, "GROUP", 2)
        np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-5)
    assert max(longest) < len(noise) / 2


def test_the_time_between_rows_is_the_files_where_nothing_else_says_it(tmp_path):
    said = describe_encoder(write_model(tmp_path / "toy.onnx", ("batch", PATCH, MELS)), patch_length=None)
    toy = features.parameters("toy", said, RATE)
    assert features.seconds_per_row("encoder", toy) == pytest.approx(PATCH * 256 / RATE)
    assert features.seconds_per_row("encoder", toy | {"patch_hop": 5}) == pytest.approx(5 * 256 / RATE)
