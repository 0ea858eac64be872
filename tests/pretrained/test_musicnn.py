"""The wheel of musicnn becomes ONNX files that score as the original graphs do, and nothing else is believed."""

import json
import shutil
import struct
import zipfile

import numpy as np
import onnx
import onnxruntime
import pytest
from typer.testing import CliRunner

from ostinato import features
from ostinato.audio.context import AudioContext
from ostinato.cli import app
from ostinato.errors import DataError, ParamsError
from ostinato.features import encoder
from ostinato.pretrained import checkpoint, wheel

NUMBERS = 6
"""Of each output, evenly spaced, two patches."""
REFERENCE = {
    "MSD_musicnn": {
        "tags": [
            [0.0580697, 0.0001503565, 0.00147566, 1.397436e-05, 0.003045876, 7.761171e-05],
            [0.07786366, 0.0001168895, 0.001534601, 1.631562e-05, 0.003140024, 7.991788e-05],
        ],
        "embedding": [
            [-0.03015003, 0.4929886, -0.2357575, -0.1192903, 2.257504, -0.2934251],
            [-0.1771756, 0.2635227, -0.2357575, -0.1192903, 2.567871, -0.2934251],
        ],
    },
    "MTT_musicnn": {
        "tags": [
            [0.0001860609, 1.972906e-05, 0.0003590122, 0.0002140152, 9.755007e-05, 0.0004030239],
            [0.0001684441, 2.088049e-05, 0.000501906, 0.0002419309, 0.0001238886, 0.0005078391],
        ],
        "embedding": [
            [0.2237238, -0.06712958, 0.7729155, 0.5973636, 1.209862, -0.1534048],
            [0.1930328, -0.06712958, 0.956278, 0.6992786, 1.313962, -0.1534048],
        ],
    },
    "MSD_vgg": {
        "tags": [
            [0.085972, 0.1220863, 0.01356521, 0.00397357, 0.003018782, 0.001549822],
            [0.09414001, 0.2187848, 0.01478037, 0.007834925, 0.002740891, 0.001871694],
        ],
        "embedding": [
            [-0.2168378, 0.8873522, -0.2997632, -0.08978587, -0.2269674, -0.6205257],
            [-0.2168378, 0.9839806, -0.2997632, -0.08978587, -0.2269674, -0.6205257],
        ],
    },
    "MTT_vgg": {
        "tags": [
            [0.1360453, 0.03721689, 0.03461118, 0.04211599, 0.03037278, 0.02086072],
            [0.0976941, 0.03248571, 0.03177159, 0.031806, 0.03015065, 0.02353309],
        ],
        "embedding": [
            [-0.7075094, -0.4522904, -0.1081119, -0.1235726, 0.5958799, 0.6453146],
            [-0.7075094, -0.4522904, -0.1081119, -0.1235726, 0.4172324, 0.5937836],
        ],
    },
}
"""What TensorFlow 2.21 gives of the graphs in .meta, their checkpoints restored, on `draw_patches`."""


def draw_patches() -> np.ndarray:
    return (np.random.default_rng(19).random((2, 187, 96)) * 3).astype(np.float32)


def run(content: bytes, outputs: list[str], mel: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(outputs, {"mel": mel})


@pytest.mark.parametrize("name", wheel.NETWORKS)
def test_scores_and_embeddings_are_those_of_the_original_graph(musicnn_wheel, name):
    network = wheel.NETWORKS[name]
    content = wheel.convert(musicnn_wheel, network)
    outputs = ["tags", "embedding"]
    for output, numbers in zip(outputs, run(content, outputs, draw_patches()), strict=True):
        places = np.linspace(0, numbers.shape[1] - 1, NUMBERS).astype(int)
        np.testing.assert_allclose(numbers[:, places], REFERENCE[network.model][output], atol=1e-5)
    assert len(content) < 3.3e6
    assert wheel.convert(musicnn_wheel, network) == content


def test_pools_are_those_of_the_graph_and_not_of_the_packages_code(musicnn_wheel):
    pools = {}
    for name in ("vgg", "vgg-mtt"):
        graph = onnx.load_from_string(wheel.convert(musicnn_wheel, wheel.NETWORKS[name])).graph
        pools[name] = [list(n.attribute[0].ints) for n in graph.node if n.op_type == "MaxPool"]
    assert pools["vgg"] == [[4, 1], [1, 4], [2, 2], [2, 2], [4, 4]]
    assert pools["vgg-mtt"] == [[4, 1], [2, 2], [2, 2], [2, 2], [4, 4]]


def test_the_command_writes_an_encoder_that_says_what_it_is(musicnn_wheel, tmp_path):
    target = tmp_path / "musicnn.onnx"
    result = CliRunner().invoke(app, ["import-weights", str(musicnn_wheel), str(target), "--model", "MTT_musicnn"])
    assert result.exit_code == 0, result.output
    assert "licence ISC" in result.output
    sha256 = result.output.partition("sha256: ")[2].strip("}\n ")
    kind = {"kind": "encoder", "model": str(target), "sha256": sha256}
    given = features.parameters("musicnn", kind, 22050)
    features.check("musicnn", "encoder", given)
    assert (given["license"], given["trained_on"], given["output"]) == ("ISC", "MagnaTagATune", "embedding")
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000 * 7).astype(np.float32)
    rows = encoder.compute(AudioContext(noise, 16000), **given)
    assert rows.shape == (2, 200)
    tags = json.loads({p.key: p.value for p in onnx.load(target).metadata_props}["tags"])
    assert len(tags) == len(set(tags)) == 50


def test_another_wheel_is_refused(musicnn_wheel, tmp_path):
    other = tmp_path / wheel.FILE
    shutil.copyfile(musicnn_wheel, other)
    with open(other, "ab") as file:
        file.write(b"\0")
    with pytest.raises(DataError, match=r"is not musicnn-0\.1\.0-py3-none-any\.whl as published"):
        wheel.import_network(other, wheel.NETWORKS["musicnn"], tmp_path / "musicnn.onnx")
    assert not (tmp_path / "musicnn.onnx").exists()


def test_an_unknown_network_is_named_with_those_there_are():
    with pytest.raises(
        ParamsError, match=r"no published encoder 'musicn'; there are musicnn, musicnn-mtt, vgg, vgg-mtt"
    ):
        wheel.find_network("musicn")


def test_damaged_checkpoints_are_refused_by_name(musicnn_wheel):
    """Bytes cut off or changed anywhere give an error, or arrays, but no other failure."""
    with zipfile.ZipFile(musicnn_wheel) as archive:
        index, meta = (archive.read(f"musicnn/MSD_vgg/{end}") for end in (".index", ".meta"))
        data = archive.read("musicnn/MSD_vgg/.data-00000-of-00001")
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(index)
        damaged[rng.integers(len(index))] ^= int(rng.integers(1, 256))
        try:
            checkpoint.read_arrays(bytes(damaged), data, "here")
        except DataError as error:
            refused += str(error).startswith("here: is not a readable checkpoint")
    assert refused > 50
    for cut in (0, 7, len(index) // 2):
        with pytest.raises(DataError, match="here: is not a readable checkpoint"):
            checkpoint.read_arrays(index[:cut], data, "here")
    with pytest.raises(DataError, match="here: is not a readable graph"):
        checkpoint.read_nodes(meta[: len(meta) // 2], "here")
    with pytest.raises(DataError, match="is beyond the end"):
        checkpoint.read_arrays(index, data[:1000], "here")


def test_numbers_of_a_protocol_buffer():
    node = checkpoint.Node("pool", "MaxPool", (), {"ksize": b"\x0a\x05\x1a\x03\x01\x04\x01"})
    assert node.integers("ksize") == (1, 4, 1)
    assert struct.unpack("<Q", b"\x57\xfb\x80\x8b\x24\x75\x47\xdb")[0] == checkpoint.MAGIC
