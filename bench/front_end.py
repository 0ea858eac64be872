"""Measure the waveform front end of training against the cached feature and against decoding in the loader.

``python -m bench.front_end`` measures how many clips a second are ready for the network, in chunks as
training takes them (129 frames, 6 s) and in batches of 16:

* from the cached feature; and from the cached waveform, in two parts: what the processor does (*loader*)
  and what the device then computes (*front end*),
* from files decoded in the loader, which must be read to the end,
* with each augmentation.

Ratios are to a training step of ``time`` on the same device: anything below 1 would make training wait.
On a CPU one thread is timed by its processor time, on a GPU (``--device cuda``) by the clock. The input
is noise, unless a folder is given.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from bench.training import Case, measure_speeds, time_call

from ostinato import audio, features
from ostinato.audio.context import AudioContext
from ostinato.core import registry
from ostinato.training.augment import AUGMENTATIONS, augment
from ostinato.training.data.sources import Features
from ostinato.training.data.waveforms import Waveforms
from ostinato.training.front_end import RECIPES

RATE, CHUNK, BATCH, N_CLASSES = 22050, 129, 16, 10
SECONDS, N_CLIPS = 30, 16


def make_clips(folder: Path) -> list[Path]:
    """Write clips of noise with an envelope as FLAC, half a minute each."""
    rng = np.random.default_rng(0)
    files = [folder / f"{i}.flac" for i in range(N_CLIPS)]
    for file in files:
        y = 0.1 * rng.standard_normal(SECONDS * RATE) * np.abs(np.sin(np.arange(SECONDS * RATE) / 9000))
        soundfile.write(file, np.clip(y, -1, 1), RATE, subtype="PCM_16")
    return files


def open_source(kind: str, files: list[Path]) -> Waveforms:
    """Compute a feature and the waveform of some files."""
    parameters = features.parameters(kind, {}, RATE) | {"sample_rate": RATE}
    contexts = [AudioContext(*audio.load(file, RATE)) for file in files]
    kinds = ((kind, parameters), ("waveform", {"sample_rate": RATE}))
    rows, samples = ([registry.load("ostinato.features", k).compute(c, **p) for c in contexts] for k, p in kinds)
    cached = Features(kind, [row.astype(np.float16) for row in rows], CHUNK, "frame")
    return Waveforms(cached, samples, kind, parameters)


def measure_speed(work: Any, device: str, least: float) -> float:
    """Measure the clips a second of a piece of work on a batch."""
    return BATCH / time_call(work, device, least)


def measure_kind(
    source: Waveforms, tracks: np.ndarray, where: np.ndarray, device: str, least: float
) -> list[tuple[str, float]]:
    """Measure the clips a second out of both caches and through the front end."""
    batch = [torch.from_numpy(x).to(device) for x in source.crops(tracks, where)]
    front_end = source.make_front_end().to(device)
    with torch.inference_mode():
        return [
            (
                f"{source.feature}: loader, feature",
                measure_speed(lambda: source.features.crops(tracks, where), "cpu", least),
            ),
            (f"{source.feature}: loader, waveform", measure_speed(lambda: source.crops(tracks, where), "cpu", least)),
            (f"{source.feature}: front end", measure_speed(lambda: front_end(*batch), device, least)),
        ]


def measure_augmentation(name: str, device: str, least: float) -> float:
    """Measure the clips a second through one augmentation."""
    x, generator = torch.randn(BATCH, RATE * 6, device=device), torch.Generator().manual_seed(0)
    return measure_speed(lambda: augment(x, [name], RATE, generator), device, least)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="folder of audio; default: noise")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    device, least = args.device, 0.0 if args.quick else 1.0
    with tempfile.TemporaryDirectory() as folder:
        files = sorted(f for f in args.folder.rglob("*") if f.suffix in audio.SUFFIXES) if args.folder else []
        files = files[:N_CLIPS] or make_clips(Path(folder))
        print_report(files, device, least)


def print_report(files: list[Path], device: str, least: float) -> None:
    """Print the table."""
    tracks, where = np.arange(BATCH) % len(files), np.linspace(0, 0.99, BATCH)
    step = measure_speeds("time", Case(("mel",), BATCH, CHUNK, N_CLASSES), device, least, False)["step"]
    rows = [("a training step of time on mel", step)]
    rows.append(
        ("decoding in the loader", measure_speed(lambda: [audio.load(files[i], RATE) for i in tracks], "cpu", least))
    )
    for kind in RECIPES:
        rows += measure_kind(open_source(kind, files), tracks, where, device, least)
    rows += [(f"augment: {name}", measure_augmentation(name, device, least)) for name in AUGMENTATIONS]
    print("| | clips a second | of a training step |\n|---|--:|--:|")
    for name, speed in rows:
        print(f"| {name} | {speed:,.0f} | {speed / step:.1f} |")


if __name__ == "__main__":
    main()
