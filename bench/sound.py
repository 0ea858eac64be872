"""Measure how often a file is flagged as unlike the training data, for clean and for altered clips.

``python -m bench.sound FOLDER`` measures each clip as it is, at 16 kHz, at 16 kHz and back at its own
rate, 12 and 24 dB softer, and with its channels in opposite phase. Then it draws a training part of
60 % of the clips ``--draws`` times, describes its sound as `ostinato release` does for a network
that reads mel, and prints for each variant the share of the other clips that are flagged, and why.
No network is run: whether a file is flagged does not depend on its scores.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import soxr

from ostinato import features
from ostinato.audio import SUFFIXES, limits
from ostinato.audio import measurement as measuring
from ostinato.audio.context import AudioContext
from ostinato.core import registry
from ostinato.core.params.schema import Validate
from ostinato.inference import reference
from ostinato.inference.inputs import FittedInput

TRAINING_SHARE = 0.6
RATE = 22_050
Variant = Callable[[np.ndarray, int], tuple[np.ndarray, int]]
AS_IT_IS = "as it is"
VARIANTS: dict[str, Variant] = {
    AS_IT_IS: lambda y, rate: (y, rate),
    "at 16 kHz": lambda y, rate: (soxr.resample(y, rate, 16_000), 16_000),
    "at 16 kHz and back": lambda y, rate: (soxr.resample(soxr.resample(y, rate, 16_000), 16_000, rate), rate),
    "12 dB softer": lambda y, rate: (y * 10 ** (-12 / 20), rate),
    "24 dB softer": lambda y, rate: (y * 10 ** (-24 / 20), rate),
    "in opposite phase": lambda y, rate: (np.stack([y, -y], axis=1), rate),
}


class Clip(NamedTuple):
    """The measurements of one variant of a clip."""

    measurement: measuring.Measurement
    profile: np.ndarray


def measure(path: Path, mel: FittedInput) -> Clip:
    """Measure a file and compute the mean of its mel spectrogram over time."""
    y, measurement = measuring.load(path)
    return Clip(measurement, mel.compute(AudioContext(y, measurement.sample_rate)).mean(axis=0))


def measure_variants(path: Path, mel: FittedInput, folder: Path) -> dict[str, Clip]:
    """Measure a file and each of its variants, which are written into a folder."""
    y, measurement = measuring.load(path)
    clips = {AS_IT_IS: measure(path, mel)}
    for name in (name for name in VARIANTS if name != AS_IT_IS):
        varied, rate = VARIANTS[name](y, measurement.sample_rate)
        soundfile.write(folder / "clip.wav", varied, rate, subtype="FLOAT")
        clips[name] = measure(folder / "clip.wav", mel)
    return clips


def describe(clips: list[Clip], mel: FittedInput) -> dict[str, Any]:
    """Describe training clips as a release does."""
    figures = {n: np.array([getattr(c.measurement, n) for c in clips], float) for n in reference.FIGURES}
    return {
        "bounds": limits.read_bounds(Validate()),
        "sound": reference.describe_sound(figures, [mel]),
        "profiles": {"mel": reference.describe_profiles(np.stack([c.profile for c in clips]), mel.normalise)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=20, help="number of training parts")
    parser.add_argument("--normalise", default="frame", help="how the network standardises mel")
    args = parser.parse_args()
    parameters = features.parameters("mel", {}, RATE)
    noise = AudioContext(np.ones(RATE, np.float32), RATE)
    bins = registry.load("ostinato.features", "mel").compute(noise, **parameters).shape[1]
    mel = FittedInput(feature="mel", parameters=parameters, bins=bins, normalise=args.normalise)
    paths = sorted(p for p in args.folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    with tempfile.TemporaryDirectory() as folder:
        clips = [measure_variants(path, mel, Path(folder)) for path in paths]
    n_clips, n_flagged = 0, Counter[str]()
    reasons = {name: Counter[str]() for name in VARIANTS}
    for seed in range(args.draws):
        order = np.random.default_rng(seed).permutation(len(clips))
        training, others = np.split(order, [int(TRAINING_SHARE * len(order))])
        model = describe([clips[i][AS_IT_IS] for i in training], mel)
        n_clips += len(others)
        for name in VARIANTS:
            for clip in (clips[i][name] for i in others):
                causes = reference.find_reasons(model, clip.measurement, {"mel": mel}, {"mel": clip.profile})
                n_flagged[name] += bool(causes)
                reasons[name].update({reason.split(" ")[0].rstrip(":") for reason in causes})
    print(f"{len(paths)} clips, {args.draws} training parts of {len(training)}, {n_clips} clips checked per variant")
    for name in VARIANTS:
        why = ", ".join(f"{word} {n / n_clips:.1%}" for word, n in reasons[name].most_common())
        print(f"{name}: flagged {n_flagged[name] / n_clips:.1%} ({why})", flush=True)


if __name__ == "__main__":
    main()
