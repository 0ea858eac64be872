"""Measure whether networks in half precision or in eight-bit integers pay off on a CPU.

``python -m bench.variants FOLDER...`` takes the networks of ``models/onnx`` that read
audio, makes of each a variant in float16, one with int8 weights (dynamic) and one fully in
int8 (static, calibrated on a quarter of the clips), and prints for each

* processor time and bytes as shares of the original's, on one thread, a clip at a time,
* the largest difference of a score over the clips of the folders, and the number of
  clips whose label changes.

A variant pays off if it takes less time and changes no more labels than a release may lose.
"""

import argparse
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from bench.service import time_processor

from ostinato import audio
from ostinato.audio.context import AudioContext
from ostinato.core.scores import pool, scores
from ostinato.inference.model import ReleasedModel
from ostinato.io.files import read_json

Feeds = Mapping[str, np.ndarray]
MOST = 24


class _Calibration:
    """Calibration data, one batch at a time."""

    def __init__(self, batches: Sequence[Feeds]) -> None:
        self.left = iter(batches)

    def get_next(self) -> Feeds | None:
        return next(self.left, None)


def make_variants(source: Path, batches: Sequence[Feeds], folder: Path) -> Iterator[tuple[str, Path | Exception]]:
    """Make the variants of a network; yield the exception where one cannot be made."""
    from onnxruntime import quantization
    from onnxruntime.quantization import shape_inference
    from onnxruntime.transformers import float16

    def convert_float16(target: Path) -> None:
        onnx.save(float16.convert_float_to_float16(onnx.load(str(source)), keep_io_types=True), str(target))

    def quantize_dynamic(target: Path) -> None:
        quantization.quantize_dynamic(str(preprocess()), str(target))

    def quantize_static(target: Path) -> None:
        quantization.quantize_static(str(preprocess()), str(target), _Calibration(batches), per_channel=True)

    def preprocess() -> Path:
        target = folder / "prepared.onnx"
        shape_inference.quant_pre_process(str(source), str(target), skip_symbolic_shape=True)
        model = onnx.load(str(target))
        del model.graph.value_info[:]  # the exporter's shapes contradict those that the quantizer infers
        onnx.save(model, str(target))
        return target

    makers: dict[str, Callable[[Path], None]] = {
        "float16": convert_float16,
        "int8 dynamic": quantize_dynamic,
        "int8 static": quantize_static,
    }
    for name, make in makers.items():
        target = folder / f"{name}.onnx"
        try:
            make(target)
            open_session(target)
            yield name, target
        except Exception as error:
            yield name, error


def open_session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def score_clips(session: onnxruntime.InferenceSession, released: ReleasedModel, batches: Sequence[Feeds]) -> np.ndarray:
    """Score clips."""
    logits = [session.run(["logits"], dict(b))[0] for b in batches]
    clip_logits = [x[0] if released.level == "track" else pool(x, released.kind) for x in logits]
    return np.stack([scores(x / released.temperature, released.kind) for x in clip_logits])


def compare(folder: Path, contexts: list[AudioContext]) -> None:
    """Print a line for each variant of a network."""
    released = ReleasedModel(folder, threads=1)
    rows = [released.compute_inputs(c) for c in contexts]
    most = [max(i.count_chunks(r[n]) for n, i in released.inputs.items()) for r in rows]
    batches = [
        {n: i.batch(r[n], None if released.level == "track" else m) for n, i in released.inputs.items()}
        for r, m in zip(rows, most, strict=True)
    ]
    original = open_session(folder / "network.onnx")
    expected = score_clips(original, released, batches)
    original_seconds = time_processor(lambda: score_clips(original, released, batches))
    size = (folder / "network.onnx").stat().st_size
    with tempfile.TemporaryDirectory() as scratch:
        for name, variant in make_variants(folder / "network.onnx", batches[::4], Path(scratch)):
            if isinstance(variant, Exception):
                print(f"{folder.name:22} {name:12} cannot be made: {str(variant).splitlines()[0][:90]}", flush=True)
                continue
            session = open_session(variant)
            actual = score_clips(session, released, batches)
            time = time_processor(partial(score_clips, session, released, batches)) / original_seconds
            others = int((actual.argmax(axis=1) != expected.argmax(axis=1)).sum())
            print(
                f"{folder.name:22} {name:12} time {time:5.2f}  bytes {variant.stat().st_size / size:4.2f}  "
                f"scores differ by {np.abs(actual - expected).max():.1e}, {others} of {len(actual)} labels",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of music to run the networks on")
    parser.add_argument("--only", action="append", help="a network; repeatable; default: all")
    parser.add_argument("--models", type=Path, default=Path("models/onnx"))
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    paths = sorted(p for f in args.folders for p in f.rglob("*") if p.suffix in audio.SUFFIXES)
    contexts = [AudioContext(*audio.load(p)) for p in paths[:: max(len(paths) // MOST, 1)][:MOST]]
    for folder in sorted(p.parent for p in args.models.glob("*/network.onnx")):
        inputs = read_json(folder / "model.json")["inputs"].values()
        is_chosen = args.only is None or folder.name in args.only
        if is_chosen and all(i.get("source", "audio") == "audio" and not i.get("summary") for i in inputs):
            compare(folder, contexts)


if __name__ == "__main__":
    main()
