"""An encoder with its front end as nodes: one vector per patch of a track."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx

from ostinato.errors import OstinatoError
from ostinato.export._build import Builder
from ostinato.export.graphs import set_versions
from ostinato.export.twins._spectrum import reflect
from ostinato.features import _front_end as front_end
from ostinato.features._onnx import Shape, expose, find_shape, load

OPSET = 18


def graph(op: Builder, y: str, **parameters: Any) -> str:
    """Add `ostinato.features.encoder.compute`; a waveform shorter than a patch fails at run time.

    Raises
    ------
    OstinatoError
        If the file has a fixed batch size, does not return one vector per patch, or cannot be converted to the
        graph's opset.
    """
    model, output = parameters["model"], parameters["output"]
    encoder = load(model, parameters["sha256"], output)
    shape = find_shape(encoder, *(parameters[k] for k in ("axes", "n_mels", "patch_length", "batch")))
    if shape.size("batch") is not None or "batch" not in shape.axes:
        raise OstinatoError(f"{model}: takes a fixed number of patches; the tagger needs a free batch size")
    y = _scale_waveform(op, y, parameters["waveform_norm"])
    is_waveform = "samples" in shape.axes
    rows = y if is_waveform else _compress(op, _add_bands(op, y, parameters), parameters)
    length = shape.size("samples" if is_waveform else "time") or parameters["patch_length"]
    patches = _cut(op, rows, length, parameters["patch_hop"] or length)
    file = set_versions(onnx.load_from_string(expose(model, parameters["sha256"], encoder.output)), OPSET)
    prefix = f"{parameters['sha256'][:12]}/"
    vectors = op.include(file, {shape.name: _arrange(op, patches, shape)}, prefix)[encoder.output]
    return _pool(op, vectors, file, encoder.output, parameters["pooling"])


def _scale_waveform(op: Builder, y: str, norm: str) -> str:
    if norm == "standard":
        residual = op.Sub(y, op.ReduceMean(y, keepdims=1))
        variance = op.ReduceMean(op.Mul(residual, residual), keepdims=1)
        return str(op.Div(residual, op.Sqrt(op.Add(variance, np.float32(1e-7)))))
    if norm == "peak":
        peak = op.ReduceMax(op.Abs(y), keepdims=1)
        return str(op.Div(y, op.Where(op.Greater(peak, np.float32(0)), peak, np.float32(1))))
    return y


def _add_bands(op: Builder, y: str, parameters: Mapping[str, Any]) -> str:
    """Add the mel spectrogram, (n_frames, n_mels)."""
    bands = front_end.Bands(*(parameters[name] for name in front_end.Bands._fields))
    length = bands.frame_length or bands.n_fft
    if bands.center and bands.pad == "reflect":
        y = reflect(op, y, length // 2)
    elif bands.center:
        silence = np.zeros(length // 2, np.float32)
        y = str(op.Concat(silence, y, silence, axis=0))
    window = front_end.build_window(bands.window, length, bands.win_length or length)
    if n_padding := bands.n_fft - length:  # pad frames shorter than the transform with zeros
        y, window = str(op.Concat(y, np.zeros(n_padding, np.float32), axis=0)), np.pad(window, (0, n_padding))
    spectrum = op.STFT(
        op.Unsqueeze(y, np.array([0, 2])), np.int64(bands.hop_length), window, np.int64(bands.n_fft), onesided=1
    )
    energy = op.ReduceSum(op.Mul(spectrum, spectrum), np.array([0, 3]), keepdims=0)
    if bands.power != 2:
        energy = op.Pow(energy, np.float32(bands.power / 2))
    return str(op.MatMul(energy, front_end.build_bank(parameters["sample_rate"], bands).T.copy()))


def _compress(op: Builder, mel: str, parameters: Mapping[str, Any]) -> str:
    """Compress bands and scale them."""
    compression, ln10 = parameters["compression"], np.float32(np.log(10))
    if compression == "log10":
        mel = op.Div(op.Log(op.Add(op.Mul(mel, np.float32(parameters["gain"])), np.float32(1))), ln10)
    elif compression == "ln":
        mel = op.Log(op.Add(op.Mul(mel, np.float32(parameters["gain"])), np.float32(parameters["floor"])))
    elif compression == "decibels":
        factor = np.float32(20 / parameters["power"] / np.log(10))
        mel = op.Mul(op.Log(op.Max(mel, np.float32(parameters["floor"]))), factor)
        if parameters["top_db"] is not None:
            mel = op.Max(mel, op.Sub(op.ReduceMax(mel, keepdims=0), np.float32(parameters["top_db"])))
    return str(op.Add(op.Mul(mel, np.float32(parameters["scale"])), np.float32(parameters["offset"])))


def _cut(op: Builder, rows: str, length: int, hop: int) -> str:
    """Split a track into full patches, (n_patches, length, ...)."""
    n_patches = op.Add(op.Div(op.Sub(op.length(rows), np.int64(length)), np.int64(hop)), np.int64(1))
    starts = op.Unsqueeze(op.Mul(op.count(n_patches), np.int64(hop)), np.array([1]))
    return str(op.Gather(rows, op.Add(starts, np.arange(length)[np.newaxis])))


def _arrange(op: Builder, patches: str, shape: Shape) -> str:
    """Transpose the axes of patches to the order of the file's input."""
    present = ["batch", "time", "mel"] if "mel" in shape.axes else ["batch", "samples"]
    patches = op.Transpose(patches, perm=[present.index(axis) for axis in shape.axes if axis != "channel"])
    if "channel" not in shape.axes:
        return str(patches)
    position = shape.axes.index("channel")
    return str(op.Concat(*[op.Unsqueeze(patches, np.array([position]))] * (shape.size("channel") or 1), axis=position))


def _pool(op: Builder, vectors: str, file: onnx.ModelProto, output: str, pooling: str) -> str:
    """Pool to one vector per patch."""
    complete = onnx.shape_inference.infer_shapes(file)
    values = {value.name: value for value in [*complete.graph.value_info, *complete.graph.output]}
    sizes = [d.dim_value for d in values[output].type.tensor_type.shape.dim] if output in values else []
    if pooling == "flatten":
        return str(op.Flatten(vectors))
    if len(sizes) < 2 or 0 in sizes[-1:] or (len(sizes) > 2 and sizes[-1] == 1):
        raise OstinatoError(f"{output} of the encoder has the axes {sizes}; the tagger needs vectors along the last")
    inner = np.arange(1, len(sizes) - 1)
    return (
        str((op.ReduceMax if pooling == "max" else op.ReduceMean)(vectors, inner, keepdims=0))
        if len(inner)
        else vectors
    )
