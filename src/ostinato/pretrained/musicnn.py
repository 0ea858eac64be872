"""The four taggers of the package `musicnn` as ONNX: from a log-mel patch to fifty tags and an embedding.

The layers are those of the trained graph (``.meta``), including its pools: the package's own code builds other pools
for MSD_vgg, with which the same weights load. Batch normalisation is folded into scales and offsets, and max pooling
is done before them: for a negative scale the sign of the convolution is flipped, so that the maximum is unchanged.

References
----------
J. Pons, X. Serra, "musicnn: Pre-trained convolutional neural networks for music audio tagging", 2019,
arXiv:1909.06654; the package `musicnn` 0.1.0 on PyPI, under the ISC licence.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import onnx
from onnx import helper

from ostinato.errors import DataError
from ostinato.export._build import FLOAT, Builder
from ostinato.export.graphs import set_versions
from ostinato.pretrained.checkpoint import Node

OPSET = 18
FRAMES, MELS = 187, 96
INPUT, EMBEDDING, TAGS = "mel", "embedding", "tags"
EPSILON = 0.0010000000474974513
"""Of batch normalisation in the graphs."""
TIMBRAL, TEMPORAL, MIDEND = (0, 1), (2, 3, 4), (5, 6, 7)
"""Numbers of the convolutions."""
BLOCKS = 5
"""Number of blocks of a VGG."""
BLOCK = 8
"""ONNX Runtime computes this many channels at once; pooling is fast only for multiples."""


class Affine(NamedTuple):
    """Scale and offset per channel: batch normalisation at inference."""

    scale: np.ndarray
    offset: np.ndarray


def convert(model: str, arrays: Mapping[str, np.ndarray], nodes: Sequence[Node]) -> onnx.ModelProto:
    """Build a network from its checkpoint.

    Parameters
    ----------
    model : str
        For example ``"MSD_musicnn"`` or ``"MTT_vgg"``.
    arrays : mapping of str to np.ndarray
        From `ostinato.pretrained.checkpoint.read_arrays`.
    nodes : sequence of Node
        From `ostinato.pretrained.checkpoint.read_nodes`.

    Returns
    -------
    onnx.ModelProto
        ``mel``, (batch, 187, 96), to ``embedding``, (batch, 200) or (batch, 256), and ``tags``, (batch, 50), from 0
        to 1.

    Raises
    ------
    DataError
        If the checkpoint lacks an array or a pool.
    """
    op = Builder()
    try:
        embed = _embed_vgg if model.endswith("vgg") else _embed_musicnn
        embedding, dense = embed(op, arrays, nodes)
        op.nodes.append(helper.make_node("Identity", [embedding], [EMBEDDING]))
        logits = op.Gemm(EMBEDDING, arrays[f"{dense}/kernel"], arrays[f"{dense}/bias"])
        n_tags = len(arrays[f"{dense}/bias"])
    except (KeyError, ValueError) as error:
        raise DataError(f"{model}: its checkpoint lacks {error}; use musicnn 0.1.0 from PyPI") from error
    op.nodes.append(helper.make_node("Sigmoid", [logits], [TAGS]))
    widths = {EMBEDDING: arrays[f"{dense}/kernel"].shape[0], TAGS: n_tags}
    values = [helper.make_tensor_value_info(name, FLOAT, ["batch", width]) for name, width in widths.items()]
    mel = helper.make_tensor_value_info(INPUT, FLOAT, ["batch", FRAMES, MELS])
    graph = helper.make_graph(op.nodes, model, [mel], values, [*op.constants.values()])
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="ostinato")
    set_versions(network, OPSET)
    onnx.checker.check_model(network, full_check=True)
    return network


def _embed_musicnn(op: Builder, arrays: Mapping[str, np.ndarray], nodes: Sequence[Node]) -> tuple[str, str]:
    """Add all but the last layer of a MusiCNN; return the embedding and the name of the last layer."""
    mel = _normalise_input(op, arrays)
    parts = [_pool_frequencies(op, mel, arrays, number, (3, 3)) for number in TIMBRAL]
    for number in TEMPORAL:  # TensorFlow's "same" padding: for an even kernel, more at the end
        length = arrays[_name("conv2d", number) + "/kernel"].shape[0]
        parts.append(_pool_frequencies(op, mel, arrays, number, ((length - 1) // 2, length // 2)))
    layers = [op.Concat(*parts, axis=1)]
    for number in MIDEND:
        name = _name("conv2d", number)
        kernel = arrays[f"{name}/kernel"][:, :, 0].transpose(2, 1, 0)  # (out, in, time)
        convolution = op.Relu(op.Conv(layers[-1], np.ascontiguousarray(kernel), arrays[f"{name}/bias"], pads=[3, 3]))
        affine = _affine(arrays, number + 1)
        normalised = op.Add(op.Mul(convolution, affine.scale[:, None]), affine.offset[:, None])
        layers.append(op.Add(normalised, layers[-1]) if number != MIDEND[0] else normalised)
    maps = op.Concat(*layers, axis=1)
    pools = op.ReduceMax(maps, np.array([2]), keepdims=0), op.ReduceMean(maps, np.array([2]), keepdims=0)
    affine, kernel = _affine(arrays, 9), arrays["dense/kernel"].astype(np.float64)
    bias = (arrays["dense/bias"] + affine.offset.astype(np.float64) @ kernel).astype(np.float32)
    kernel = (kernel * affine.scale.astype(np.float64)[:, None]).astype(np.float32)
    kernel = np.concatenate([kernel[0::2], kernel[1::2]])  # originally, maximum and mean of a channel alternate
    dense, affine = op.Relu(op.Gemm(op.Concat(*pools, axis=1), kernel, bias)), _affine(arrays, 10)
    return op.Add(op.Mul(dense, affine.scale), affine.offset), "dense_1"


def _embed_vgg(op: Builder, arrays: Mapping[str, np.ndarray], nodes: Sequence[Node]) -> tuple[str, str]:
    """Add all but the last layer of a VGG; return the embedding and the name of the last layer."""
    pools = {node.name: node for node in nodes if node.type == "MaxPool"}
    maps = _normalise_input(op, arrays)
    for number in range(BLOCKS):
        pool = pools[_name("model/max_pooling2d", number) + "/MaxPool"]
        kernel, bias = arrays[f"{number + 1}CNN/kernel"], arrays[f"{number + 1}CNN/bias"]
        affine = _affine(arrays, number + 1)
        sides = {"kernel_shape": pool.integers("ksize")[1:3], "strides": pool.integers("strides")[1:3]}
        maps = _pool(op, maps, kernel, bias, affine, pads=[1, 1, 1, 1], **sides)
    return op.Flatten(op.Transpose(maps, perm=[0, 2, 3, 1])), "dense"


def _normalise_input(op: Builder, arrays: Mapping[str, np.ndarray]) -> str:
    """Normalise a patch and add a channel axis: (batch, 1, time, mel)."""
    affine = _affine(arrays, 0)
    return str(op.Unsqueeze(op.Add(op.Mul(INPUT, affine.scale), affine.offset), np.array([1])))


def _pool_frequencies(
    op: Builder, mel: str, arrays: Mapping[str, np.ndarray], number: int, pads: tuple[int, int]
) -> str:
    """Convolve a patch and max-pool over its frequencies: (batch, channels, time)."""
    name = _name("conv2d", number)
    kernel = arrays[f"{name}/kernel"]
    sides = [1, MELS - kernel.shape[1] + 1]
    padding = [pads[0], 0, pads[1], 0]
    affine = _affine(arrays, number + 1)
    pooled = _pool(op, mel, kernel, arrays[f"{name}/bias"], affine, pads=padding, kernel_shape=sides, strides=sides)
    return str(op.Squeeze(pooled, np.array([3])))


def _pool(
    op: Builder,
    x: str,
    kernel: np.ndarray,
    bias: np.ndarray,
    affine: Affine,
    *,
    pads: Sequence[int],
    kernel_shape: Sequence[int],
    strides: Sequence[int],
) -> str:
    """Convolve, max-pool, rectify and scale."""
    sign, n_channels = np.where(affine.scale < 0, np.float32(-1), np.float32(1)), len(bias)
    n_padding = -n_channels % BLOCK
    weights = np.pad(kernel.transpose(3, 2, 0, 1) * sign[:, None, None, None], [(0, n_padding), (0, 0), (0, 0), (0, 0)])
    convolution = op.Conv(x, np.ascontiguousarray(weights), np.pad(bias * sign, (0, n_padding)), pads=pads)
    highest = op.MaxPool(convolution, kernel_shape=kernel_shape, strides=strides)
    if n_padding:
        highest = op.Slice(highest, np.array([0]), np.array([n_channels]), np.array([1]))
    positive = op.Relu(op.Mul(highest, sign[:, None, None]) if (sign < 0).any() else highest)
    return str(op.Add(op.Mul(positive, affine.scale[:, None, None]), affine.offset[:, None, None]))


def _affine(arrays: Mapping[str, np.ndarray], number: int) -> Affine:
    """Return a batch normalisation as a scale and an offset."""
    name = _name("batch_normalization", number)
    gamma, beta, mean, variance = (
        arrays[f"{name}/{part}"].astype(np.float64) for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + EPSILON)
    return Affine(scale.astype(np.float32), (beta - mean * scale).astype(np.float32))


def _name(layer: str, number: int) -> str:
    """Return TensorFlow's name of a layer: the first has no number."""
    return f"{layer}_{number}" if number else layer
