"""Published weights: either layout gives one network, and the published values."""

from contextlib import suppress
from pathlib import Path

import h5py
import librosa
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ostinato.architectures import choi
from ostinato.core.task import Task
from ostinato.errors import DataError
from ostinato.export import networks
from ostinato.training.data.sources import Features
from ostinato.training.import_keras import import_keras
from ostinato.training.predict import run_network

LAYOUTS = ("theano", "tensorflow")


@pytest.fixture(scope="module")
def published_weights(shared_data) -> Path:
    folder = shared_data / "weights" / "choi_compact_cnn"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: put weights_layer4_*.hdf5 of music-auto_tagging-keras into it")
    return folder


@pytest.fixture(scope="module")
def clip(published_weights) -> torch.Tensor:
    """Return the authors' clip as the network reads it, (1, 1, 96, 1360)."""
    power = librosa.feature.melspectrogram(
        y=np.load(published_weights / "1100103.clip.npy"),
        sr=12_000,
        n_fft=512,
        hop_length=256,
        n_mels=96,
        pad_mode="constant",
    )
    decibels = 10 * np.log10(np.maximum(power[:, :1360], 1e-10))
    return torch.from_numpy(np.maximum(decibels - decibels.max(), -80)).float()[None, None]


def import_weights(published_weights: Path, layout: str, folder: Path) -> Path:
    target = folder / f"{layout}.safetensors"
    import_keras(published_weights / f"weights_layer4_{layout}.hdf5", target)
    return target


def features(file: Path, x: torch.Tensor) -> np.ndarray:
    made = choi.Network({"mel96": (1, 96, 1360)}, 50, batch_norm="track")
    made.load_state_dict(load_file(file), strict=False)
    with torch.inference_mode():
        return made.eval().embed(x).numpy()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_authors_clip_has_the_published_features(published_weights, clip, layout, tmp_path):
    found = features(import_weights(published_weights, layout, tmp_path), clip)[0]
    np.testing.assert_allclose(found.reshape(5, 32).mean(1), [0.38293, 0.41824, 0.71362, 0.84549, 0.33782], atol=2e-5)
    np.testing.assert_allclose(found[[0, 1]], [0.3292, -0.6621], atol=1e-4)
    np.testing.assert_allclose(found[[128, 129]], [0.3277, -0.0752], atol=1e-4)


def test_a_clips_features_do_not_depend_on_the_batch(published_weights, clip, tmp_path):
    file = import_weights(published_weights, "theano", tmp_path)
    torch.manual_seed(0)
    others = torch.cat([clip, clip.flip(-1), -80 * torch.rand_like(clip)])
    np.testing.assert_allclose(features(file, others)[0], features(file, clip)[0], atol=1e-4)


def test_both_layouts_hold_the_same_network(published_weights, tmp_path):
    one, other = (load_file(import_weights(published_weights, layout, tmp_path)) for layout in LAYOUTS)
    assert set(one) - set(other) == {"head.weight", "head.bias"}
    assert all(torch.equal(other[name], one[name]) for name in other)
    assert one["head.weight"].shape == (50, 32)


def write(file: Path, end: str = "", **changes) -> None:
    """Write two blocks as Keras 1 does."""
    rng = np.random.default_rng(0)
    with h5py.File(file, "w") as opened:
        group = opened.create_group("ConvBNEluDr")
        for n, channels in ((1, 1), (2, 32)):
            arrays = {
                f"convolution2d_{n}_W": rng.normal(size=(32, channels, 3, 3)),
                f"convolution2d_{n}_b": rng.normal(size=32),
                f"batchnormalization_{n}_gamma": rng.normal(size=32),
                f"batchnormalization_{n}_beta": rng.normal(size=32),
                f"batchnormalization_{n}_running_mean": np.zeros(32),
                f"batchnormalization_{n}_running_std": np.ones(32),
            }
            for name, array in {**arrays, **{k: v for k, v in changes.items() if k in arrays}}.items():
                if array is not None:
                    group[name + end] = array.astype(np.float32)


def test_kernels_are_turned_where_theano_turned_them(tmp_path):
    for end in ("", ":0"):
        write(tmp_path / f"keras{end}.hdf5", end)
        import_keras(tmp_path / f"keras{end}.hdf5", tmp_path / f"out{end}.safetensors")
    theano, tensorflow = (load_file(tmp_path / f"out{end}.safetensors") for end in ("", ":0"))
    kernel = "layers.1.conv.weight"
    assert torch.equal(theano[kernel], tensorflow[kernel].flip(-1, -2))
    assert torch.equal(theano["layers.1.conv.bias"], tensorflow["layers.1.conv.bias"])
    network = choi.Network({"x": (1, 16, 16)}, 2, pools=((2, 2), (2, 2)))
    missing = network.load_state_dict(theano, strict=False).missing_keys
    assert [name for name in missing if not name.startswith("head.") and ".running_" not in name] == []


def test_statistics_that_were_used_are_kept(tmp_path):
    write(tmp_path / "keras.hdf5", batchnormalization_2_running_mean=np.full(32, 0.5))
    shapes = import_keras(tmp_path / "keras.hdf5", tmp_path / "out.safetensors")
    assert [name for name in shapes if "running" in name] == [
        "layers.1.norm.running_mean",
        "layers.1.norm.running_var",
    ]


def test_what_is_no_such_file_is_refused(tmp_path):
    (tmp_path / "text.hdf5").write_text("text")
    with pytest.raises(DataError, match=r"text\.hdf5: is not a readable HDF5 file"):
        import_keras(tmp_path / "text.hdf5", tmp_path / "out")
    write(tmp_path / "half.hdf5", batchnormalization_2_beta=None)
    with pytest.raises(DataError, match="lacks ConvBNEluDr/batchnormalization_2_beta"):
        import_keras(tmp_path / "half.hdf5", tmp_path / "out")
    with h5py.File(tmp_path / "other.hdf5", "w") as other:
        other["dense_1/dense_1_W"] = np.zeros(3)
    with pytest.raises(DataError, match="has no group ConvBNEluDr"):
        import_keras(tmp_path / "other.hdf5", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("n_blocks", [1, 2, 3])
def test_a_space_of_some_blocks_counts_from_the_first_and_changes_no_answer(n_blocks):
    """Experiment 7 of paper 003 asks layer 1, then layers 1 and 2, and so on (section 4.10)."""
    pools = ((2, 2), (2, 2), (2, 2))
    whole, some = (choi.Network({"x": (1, 16, 16)}, 2, pools=pools, features=n) for n in (None, n_blocks))
    some.load_state_dict(whole.state_dict())
    x = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    first, maps = [], x
    for layer in whole.eval().layers[:n_blocks]:
        maps = layer(maps)
        first.append(maps.mean((-2, -1)))
    task = Task("genre", ("a", "b"))
    rows = [track[0].T.numpy() for track in x]
    source = Features("x", rows, 16, "none")
    logits, embedding = run_network(some, source, np.arange(4), task)
    np.testing.assert_allclose(embedding, torch.cat(first, 1).detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(logits, run_network(whole, source, np.arange(4), task)[0], atol=1e-6)
    with torch.inference_mode():
        exported = networks._Both(some.eval())(x)
        assert torch.equal(exported[0], whole(x))
    np.testing.assert_allclose(exported[1].numpy(), embedding, atol=1e-5)


def test_arrays_that_lie_in_other_files_are_not_read(tmp_path):
    """Else a file from elsewhere could carry off what its reader may read."""
    (tmp_path / "secret").write_bytes(np.arange(32, dtype=np.float32).tobytes())
    name = "ConvBNEluDr/convolution2d_1_b"
    for kind in ("external", "virtual", "link"):
        file = tmp_path / f"{kind}.hdf5"
        write(file, convolution2d_1_b=None)
        with h5py.File(tmp_path / "other.hdf5", "w") as other:
            other["x"] = np.ones(32, np.float32)
        with h5py.File(file, "a") as opened:
            if kind == "external":
                opened.create_dataset(name, (32,), np.float32, external=[(str(tmp_path / "secret"), 0, 128)])
            elif kind == "virtual":
                layout = h5py.VirtualLayout((32,), np.float32)
                layout[:] = h5py.VirtualSource(str(tmp_path / "other.hdf5"), "x", shape=(32,))
                opened.create_virtual_dataset(name, layout)
            else:
                opened[name] = h5py.ExternalLink(str(tmp_path / "other.hdf5"), "x")
        problem = f"lacks {name}" if kind == "link" else f"{name} is in another file, which is not supported"
        with pytest.raises(DataError, match=f"{kind}.hdf5: {problem}"):
            import_keras(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.full(32, np.nan, np.float32), "has values that are not finite"),
        (np.zeros((2, 2), np.float32), "is not an array of numbers with 1 axes"),
        (np.array([b"text"] * 32), "is not an array of numbers with 1 axes"),
        (np.zeros(32, np.complex64), "is not an array of numbers with 1 axes"),
        (np.float32(1), "is not an array of numbers with 1 axes"),
    ],
)
@pytest.mark.parametrize("name", ["convolution2d_1_b", "batchnormalization_1_running_std"])
def test_an_array_that_cannot_be_weights_is_named(tmp_path, array, problem, name):
    write(tmp_path / "keras.hdf5", **{name: None})
    with h5py.File(tmp_path / "keras.hdf5", "a") as opened:
        opened[f"ConvBNEluDr/{name}"] = array
    with pytest.raises(DataError, match=rf"keras\.hdf5: ConvBNEluDr/{name} {problem}"):
        import_keras(tmp_path / "keras.hdf5", tmp_path / "out")


def test_a_file_that_announces_more_than_there_is_room_for_is_refused(tmp_path):
    write(tmp_path / "keras.hdf5")
    with h5py.File(tmp_path / "keras.hdf5", "a") as opened:
        opened.create_dataset("ConvBNEluDr/large", (2**40,), np.float32, chunks=(2**16,), compression="gzip")
    with pytest.raises(DataError, match="declares more than 268,435,456 bytes"):
        import_keras(tmp_path / "keras.hdf5", tmp_path / "out")


def test_no_damage_ends_in_a_traceback(tmp_path):
    """Bytes flipped and files cut anywhere are imported or refused, by name."""
    write(tmp_path / "keras.hdf5")
    whole, rng = (tmp_path / "keras.hdf5").read_bytes(), np.random.default_rng(0)
    n_imported = 0
    for turn in range(300):
        content = bytearray(whole)
        if turn % 3 == 0:
            del content[int(rng.integers(len(whole))) :]
        for at in rng.integers(8_000, size=int(rng.integers(1, 9))):
            if at < len(content):
                content[at] ^= 1 << int(rng.integers(8))
        (tmp_path / "damaged.hdf5").write_bytes(content)
        with suppress(DataError):
            import_keras(tmp_path / "damaged.hdf5", tmp_path / "out")
            n_imported += 1
    assert 0 < n_imported < 200
