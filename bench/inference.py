"""Measure what inference costs, as ratios within one run.

``python -m bench.inference`` exports a network of typical size and prints

* the speed of ONNX Runtime against eager torch, with one chunk and with 32,
* the speed of ``ostinato predict`` on a folder, against decoding alone, against decoding and
  features alone (at least 0.6), and against a loop over clips of librosa.load, librosa's
  mel spectrogram and eager torch (at least 2),
* how the time for a clip is spent,
* the cold start of ``ostinato predict`` for one clip, in seconds,
* ``tagger.onnx`` of each feature: its largest difference of a score on real clips of
  several lengths (``--clips FOLDER``; at most 1e-4), and how often the label differs.
"""

import argparse
import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from bench.features import RATE, render_music

from ostinato import audio, features
from ostinato.audio.context import AudioContext
from ostinato.core import registry
from ostinato.errors import OstinatoError
from ostinato.export import graphs, networks, tagger
from ostinato.inference import predict
from ostinato.inference.model import ReleasedModel
from ostinato.io.files import write_json

FRAMES, BINS, CLASSES = 129, 256, 10
KINDS = ("stft", "mel", "mfcc", "cqt", "chroma")
SECONDS = 30
SPREAD = 2.0
WORKERS = 2
ROUNDS = 3
LENGTHS = (3.0, 10.0, 1e9)


def release_network(kind: str, folder: Path) -> torch.nn.Module:
    """Release a network with random weights, scaled so that its scores spread."""
    torch.manual_seed(0)
    parameters = features.parameters(kind, {}, RATE)
    noise = AudioContext(np.random.default_rng(0).standard_normal(RATE).astype(np.float32), RATE)
    bins = registry.load("ostinato.features", kind).compute(noise, **parameters).shape[1]
    network = registry.load("ostinato.architectures", "freq").Network({kind: (1, bins, FRAMES)}, CLASSES).eval()
    with torch.inference_mode():
        network.head.weight /= network(torch.randn(64, 1, bins, FRAMES)).std() / SPREAD
    spec = {
        "feature": kind, "parameters": parameters, "bins": bins, "channels": 1,
        "chunk_frames": FRAMES, "normalise": "frame", "summary": False,
    }  # fmt: skip
    about = {
        "name": "bench", "task": "genre", "kind": "single", "level": "chunk", "inputs": {kind: spec},
        "classes": [f"genre {i}" for i in range(CLASSES)], "dataset": {"embedded": False},
    }  # fmt: skip
    model = networks.convert(network, {kind: (1, bins, FRAMES)}, opset=18)
    folder.mkdir(parents=True)
    write_json(folder / "model.json", about)
    (folder / "network.onnx").write_bytes(graphs.annotate(model, about))
    (folder / "tagger.onnx").write_bytes(graphs.annotate(tagger.convert(model, about), tagger.describe(about)))
    return network


def time_call(work: Callable[[], Any]) -> float:
    """Time the fastest of a few rounds."""
    seconds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def compare_runtimes(network: torch.nn.Module, released: ReleasedModel) -> None:
    for batch in (1, 32):
        x = np.random.default_rng(0).standard_normal((batch, 1, BINS, FRAMES), np.float32)
        with torch.inference_mode():
            eager = time_call(partial(network, torch.from_numpy(x)))
        ours = time_call(partial(released._run, {"mel": x}))
        print(f"batch {batch}: ONNX Runtime runs {eager / ours:.2f} times as fast as eager torch", flush=True)


def predict_with_librosa(paths: list[Path], network: torch.nn.Module) -> None:
    """Predict clips one by one with librosa and eager torch."""
    import librosa

    for path in paths:
        y, _ = librosa.load(path, sr=RATE)
        mel = librosa.power_to_db(
            librosa.feature.melspectrogram(y=y, sr=RATE, n_fft=4096, hop_length=1024, n_mels=BINS)
        )
        cut = torch.from_numpy(np.stack([mel[:, i : i + FRAMES] for i in range(0, mel.shape[1] - FRAMES, FRAMES)]))
        cut = (cut - cut.mean(-2, keepdim=True)) / cut.std(-2, keepdim=True)
        with torch.inference_mode():
            network(cut[:, None].float()).softmax(-1).mean(0)


def compare_folder(paths: list[Path], network: torch.nn.Module, releases: Path) -> None:
    """Compare the prediction of a folder with its parts and with librosa and eager torch."""
    (spec,) = ReleasedModel(releases / "genre").inputs.values()

    def run_predict(workers: int) -> None:
        predict.run([paths[0].parent], releases, workers=workers, out=io.StringIO(), err=io.StringIO())

    decoding = time_call(lambda: [audio.load(p) for p in paths])
    both = time_call(lambda: [spec.compute(AudioContext(*audio.load(p))) for p in paths])
    one, several = time_call(lambda: run_predict(1)), time_call(lambda: run_predict(WORKERS))
    librosa_seconds = time_call(lambda: predict_with_librosa(paths, network))
    parts = {"decoding": decoding, "features": both - decoding, "the network and the rest": one - both}
    print("a clip: " + ", ".join(f"{1000 * t / len(paths):.0f} ms for {part}" for part, t in parts.items()))
    print(f"predict reaches {decoding / one:.2f} of decoding alone, {both / one:.2f} of decoding and features")
    print(
        f"predict is {librosa_seconds / one:.2f} times as fast as librosa and eager torch, "
        f"{librosa_seconds / several:.2f} with {WORKERS} workers"
    )


def time_cold_start(path: Path, releases: Path) -> None:
    command = [sys.executable, "-m", "ostinato", "predict", str(path), "--models", str(releases)]
    seconds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - begin)
    print(f"cold start: {min(seconds):.2f} s (median {statistics.median(seconds):.2f} s)", flush=True)


def compare_tagger(kind: str, clips: list[Path], released: ReleasedModel, content: bytes) -> None:
    """Compare tagger.onnx with `ostinato predict` on clips."""
    session, differences, others, spread = graphs.session(content), [], 0, set()
    for number, path in enumerate(clips):
        with suppress(OstinatoError):
            y, _ = audio.load(path, RATE)
            y = y[: int(min(LENGTHS[number % len(LENGTHS)] * RATE, len(y)))]
            mine, theirs = session.run(["scores"], {"waveform": y})[0], released.scores(AudioContext(y, RATE))
            differences.append(np.abs(mine - theirs).max())
            others += int(mine.argmax() != theirs.argmax())
            spread.add(round(float(theirs.max()), 2))
    print(f"{kind}: tagger.onnx differs by {max(differences):.1e} at most over {len(differences)} clips; ", end="")
    print(f"{others} labels differ; highest scores lie from {min(spread)} to {max(spread)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=8, help="number of rendered clips of thirty seconds")
    parser.add_argument("--clips", type=Path, help="a folder of real music for tagger.onnx")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        releases, music = Path(folder) / "released", Path(folder) / "music"
        music.mkdir()
        network = release_network("mel", releases / "genre")
        paths = [music / f"{i}.mp3" for i in range(args.n)]
        for i, path in enumerate(paths):
            soundfile.write(path, render_music(i, SECONDS), RATE)
        released = ReleasedModel(releases / "genre", threads=1)
        compare_runtimes(network, released)
        compare_folder(paths, network, releases)
        time_cold_start(paths[0], releases)
        real = sorted(p for p in args.clips.rglob("*") if p.suffix in audio.SUFFIXES) if args.clips else []
        chosen = real[:: max(len(real) // 50, 1)][:50] or paths
        for kind in KINDS:
            release = Path(folder) / kind
            release_network(kind, release)
            compare_tagger(kind, chosen, ReleasedModel(release, threads=1), (release / "tagger.onnx").read_bytes())


if __name__ == "__main__":
    main()
