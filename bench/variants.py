"""Whether networks in half precision or in eight-bit integers pay on a processor.

``python -m bench.variants FOLDER...`` takes the networks of ``models/onnx`` that hear
audio, makes of each a variant in float16, one with weights in int8 (dynamic) and one
calibrated wholly in int8 (static, on a quarter of the clips), and prints for each

* processor time and bytes as shares of the original's, one thread, a clip at a time,
* the largest difference of a score over the clips of the folders, and how many
  clips get another label.

A variant pays if it takes less time and changes no more labels than a release may lose.
"""

import argparse
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from bench.service import spent

from ostinato import audio
from ostinato.audio.context import AudioContext
from ostinato.core.scores import pool, scores
from ostinato.inference.model import ReleasedModel
from ostinato.io.files import read_json

Feeds = Mapping[str, np.ndarray]
MOST = 24


class _Calibration:
    """Chunks for a calibration, one batch at a time."""

    def __init__(self, batches: list[Feeds]) -> None:
        self.left = iter(batches)

    def get_next(self) -> Feeds | None:
        return next(self.left, None)


def variants(source: Path, batches: list[Feeds], folder: Path) -> Iterator[tuple[str, Path | Exception]]:
    """Make the variants of a network; what cannot be made is said."""
    from onnxruntime import quantization
    from onnxruntime.quantization import shape_inference
    from onnxruntime.transformers import float16

    def half(target: Path) -> None:
        onnx.save(float16.convert_float_to_float16(onnx.load(str(source)), keep_io_types=True), str(target))

    def dynamic(target: Path) -> None:
        quantization.quantize_dynamic(str(prepared()), str(target))

    def static(target: Path) -> None:
        quantization.quantize_static(str(prepared()), str(target), _Calibration(batches), per_channel=True)

    def prepared() -> Path:
        target = folder / "prepared.onnx"
        shape_inference.quant_pre_process(str(source), str(target), skip_symbolic_shape=True)
        model = onnx.load(str(target))
        del model.graph.value_info[:]  # the exporter's shapes contradict those that the quantizer infers
        onnx.save(model, str(target))
        return target

    makers: dict[str, Callable[[Path], None]] = {"float16": half, "int8 dynamic": dynamic, "int8 static": static}
    for name, make in makers.items():
        target = folder / f"{name}.onnx"
        try:
            make(target)
            opened(target)
            yield name, target
        except Exception as error:
            yield name, error


def opened(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def heard(session: onnxruntime.InferenceSession, released: ReleasedModel, batches: list[Feeds]) -> np.ndarray:
    """Score clips."""
    logits = [session.run(["logits"], dict(b))[0] for b in batches]
    whole = [x[0] if released.level == "track" else pool(x, released.kind) for x in logits]
    return np.stack([scores(x / released.temperature, released.kind) for x in whole])


def compare(folder: Path, contexts: list[AudioContext]) -> None:
    """Print a line per variant of a network."""
    released = ReleasedModel(folder, threads=1)
    rows = [released.compute_inputs(c) for c in contexts]
    most = [max(i.count_chunks(r[n]) for n, i in released.inputs.items()) for r in rows]
    batches = [
        {n: i.batch(r[n], None if released.level == "track" else m) for n, i in released.inputs.items()}
        for r, m in zip(rows, most, strict=True)
    ]
    original = opened(folder / "network.onnx")
    expected = heard(original, released, batches)
    usual = spent(lambda: heard(original, released, batches))
    size = (folder / "network.onnx").stat().st_size
    with tempfile.TemporaryDirectory() as scratch:
        for name, made in variants(folder / "network.onnx", batches[::4], Path(scratch)):
            if isinstance(made, Exception):
                print(f"{folder.name:22} {name:12} cannot be made: {str(made).splitlines()[0][:90]}", flush=True)
                continue
            session = opened(made)
            found = heard(session, released, batches)
            time = spent(lambda session=session: heard(session, released, batches)) / usual
            others = int((found.argmax(axis=1) != expected.argmax(axis=1)).sum())
            print(
                f"{folder.name:22} {name:12} time {time:5.2f}  bytes {made.stat().st_size / size:4.2f}  "
                f"scores differ by {np.abs(found - expected).max():.1e}, {others} of {len(found)} labels",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="music that the networks hear")
    parser.add_argument("--only", action="append", help="a network; repeatable; default: all")
    parser.add_argument("--models", type=Path, default=Path("models/onnx"))
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    paths = sorted(p for f in given.folders for p in f.rglob("*") if p.suffix in audio.SUFFIXES)
    contexts = [AudioContext(*audio.load(p)) for p in paths[:: max(len(paths) // MOST, 1)][:MOST]]
    for folder in sorted(p.parent for p in given.models.glob("*/network.onnx")):
        inputs = read_json(folder / "model.json")["inputs"].values()
        wanted = given.only is None or folder.name in given.only
        if wanted and all(i.get("source", "audio") == "audio" and not i.get("summary") for i in inputs):
            compare(folder, contexts)


if __name__ == "__main__":
    main()
