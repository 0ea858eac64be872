"""What asking a network costs, as ratios within one run.

``python -m bench.inference`` makes a network of the usual size and prints

* ONNX Runtime against eager torch, one chunk and 32 at a time,
* ``ostinato predict`` of a folder against decoding alone, against decoding and
  features alone (at least 0.6), and against the usual way: librosa.load,
  librosa's mel spectrogram and eager torch, a clip at a time (at least 2),
* where the time of a clip goes,
* the cold start of ``ostinato predict`` for one clip, in seconds,
* ``tagger.onnx`` of each kind of feature: its largest difference of a score over
  real clips of several lengths (``--clips FOLDER``; at most 1e-4), and how often the
  label is another.
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
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from bench.features import RATE, rendered

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


def network(kind: str, folder: Path) -> torch.nn.Module:
    """Release a network with random weights that spread its scores."""
    torch.manual_seed(0)
    parameters = features.parameters(kind, {}, RATE)
    noise = AudioContext(np.random.default_rng(0).standard_normal(RATE).astype(np.float32), RATE)
    bins = registry.load("ostinato.features", kind).compute(noise, **parameters).shape[1]
    made = registry.load("ostinato.architectures", "freq").Network({kind: (1, bins, FRAMES)}, CLASSES).eval()
    with torch.inference_mode():
        made.head.weight /= made(torch.randn(64, 1, bins, FRAMES)).std() / SPREAD
    given = {
        "feature": kind, "parameters": parameters, "bins": bins, "channels": 1,
        "chunk_frames": FRAMES, "normalise": "frame", "summary": False,
    }  # fmt: skip
    about = {
        "name": "bench", "task": "genre", "kind": "single", "level": "chunk", "inputs": {kind: given},
        "classes": [f"genre {i}" for i in range(CLASSES)], "dataset": {"embedded": False},
    }  # fmt: skip
    model = networks.convert(made, {kind: (1, bins, FRAMES)}, opset=18)
    folder.mkdir(parents=True)
    write_json(folder / "model.json", about)
    (folder / "network.onnx").write_bytes(graphs.annotate(model, about))
    (folder / "tagger.onnx").write_bytes(graphs.annotate(tagger.convert(model, about), tagger.describe(about)))
    return made


def seconds(work: Callable[[], Any]) -> float:
    """Take the best of a few rounds."""
    taken = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def runtimes(made: torch.nn.Module, released: ReleasedModel) -> None:
    for batch in (1, 32):
        x = np.random.default_rng(0).standard_normal((batch, 1, BINS, FRAMES), np.float32)
        with torch.inference_mode():
            eager = seconds(lambda x=x: made(torch.from_numpy(x)))
        ours = seconds(lambda x=x: released._run({"mel": x}))
        print(f"batch {batch}: ONNX Runtime runs {eager / ours:.2f} times as fast as eager torch", flush=True)


def usual(paths: list[Path], made: torch.nn.Module) -> None:
    """Go the usual way."""
    import librosa

    for path in paths:
        y, _ = librosa.load(path, sr=RATE)
        mel = librosa.power_to_db(
            librosa.feature.melspectrogram(y=y, sr=RATE, n_fft=4096, hop_length=1024, n_mels=BINS)
        )
        cut = torch.from_numpy(np.stack([mel[:, i : i + FRAMES] for i in range(0, mel.shape[1] - FRAMES, FRAMES)]))
        cut = (cut - cut.mean(-2, keepdim=True)) / cut.std(-2, keepdim=True)
        with torch.inference_mode():
            made(cut[:, None].float()).softmax(-1).mean(0)


def folders(paths: list[Path], made: torch.nn.Module, releases: Path) -> None:
    """Compare a folder's prediction with its parts and with the usual way."""
    (given,) = ReleasedModel(releases / "genre").inputs.values()

    def ask(workers: int) -> None:
        predict.run([paths[0].parent], releases, workers=workers, out=io.StringIO(), err=io.StringIO())

    decoding = seconds(lambda: [audio.load(p) for p in paths])
    both = seconds(lambda: [given.compute(AudioContext(*audio.load(p))) for p in paths])
    alone, several = seconds(lambda: ask(1)), seconds(lambda: ask(WORKERS))
    theirs = seconds(lambda: usual(paths, made))
    print(f"a clip: {1000 * decoding / len(paths):.0f} ms to decode, {1000 * (both - decoding) / len(paths):.0f} ms of")
    print(f"features, {1000 * (alone - both) / len(paths):.0f} ms of network and the rest")
    print(f"predict reaches {decoding / alone:.2f} of decoding alone, {both / alone:.2f} of decoding and features")
    print(
        f"predict is {theirs / alone:.2f} times as fast as the usual way, {theirs / several:.2f} with {WORKERS} workers"
    )


def cold(path: Path, releases: Path) -> None:
    command = [sys.executable, "-m", "ostinato", "predict", str(path), "--models", str(releases)]
    taken = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - begin)
    print(f"cold start: {min(taken):.2f} s (median {statistics.median(taken):.2f} s)", flush=True)


def agreement(kind: str, clips: list[Path], released: ReleasedModel, content: bytes) -> None:
    """Compare tagger.onnx with `ostinato predict` on clips."""
    opened, differences, others, spread = graphs.session(content), [], 0, set()
    for number, path in enumerate(clips):
        with suppress(OstinatoError):
            y, _ = audio.load(path, RATE)
            y = y[: int(min(LENGTHS[number % len(LENGTHS)] * RATE, len(y)))]
            mine, theirs = opened.run(["scores"], {"waveform": y})[0], released.scores(AudioContext(y, RATE))
            differences.append(np.abs(mine - theirs).max())
            others += int(mine.argmax() != theirs.argmax())
            spread.add(round(float(theirs.max()), 2))
    print(f"{kind}: tagger.onnx differs by {max(differences):.1e} at most over {len(differences)} clips; ", end="")
    print(f"{others} other labels; highest scores lie from {min(spread)} to {max(spread)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=8, help="rendered clips of thirty seconds")
    parser.add_argument("--clips", type=Path, help="a folder of real music for tagger.onnx")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        releases, music = Path(folder) / "released", Path(folder) / "music"
        music.mkdir()
        made = network("mel", releases / "genre")
        paths = [music / f"{i}.mp3" for i in range(given.n)]
        for i, path in enumerate(paths):
            soundfile.write(path, rendered(i, SECONDS), RATE)
        released = ReleasedModel(releases / "genre", threads=1)
        runtimes(made, released)
        folders(paths, made, releases)
        cold(paths[0], releases)
        real = sorted(p for p in given.clips.rglob("*") if p.suffix in audio.SUFFIXES) if given.clips else []
        chosen = real[:: max(len(real) // 50, 1)][:50] or paths
        for kind in KINDS:
            one = Path(folder) / kind
            network(kind, one)
            agreement(kind, chosen, ReleasedModel(one, threads=1), (one / "tagger.onnx").read_bytes())


if __name__ == "__main__":
    main()
