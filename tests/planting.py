"""Broken files and copies, planted with a severity drawn from a range; nothing here is shared with what finds them."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import soundfile
import soxr

from ostinato.core.params.schema import Compute, Dataset, Ingest, Params, Validate
from ostinato.core.paths import Paths
from ostinato.errors import DataError
from ostinato.io import tables
from ostinato.stages import ingest, validate

Sound = np.ndarray
RATE = 22_050


@dataclass(frozen=True)
class Kind:
    """A way to spoil a clip.

    Parameters
    ----------
    reasons : tuple of str
        Any of these in quarantine counts as found; empty: it is a copy.
    low, high : float
        Range of the severity, drawn evenly.
    unit : str
        What the severity says.
    plant : callable
        (path without suffix, sound, severity, generator) to the file written.
    """

    reasons: tuple[str, ...]
    low: float
    high: float
    unit: str
    plant: Callable[[Path, Sound, float, np.random.Generator], Path]


def written(path: Path, y: Sound, rate: int = RATE, suffix: str = ".flac", subtype: str | None = None) -> Path:
    """Write a sound."""
    target = path.with_name(path.name + suffix)
    soundfile.write(target, y, rate, subtype=subtype)
    return target


def mp3(path: Path, y: Sound) -> Path:
    """Write an MP3 of 64 kbit/s."""
    target = path.with_name(path.name + ".mp3")
    soundfile.write(target, y, RATE, format="MP3", compression_level=0.61, bitrate_mode="CONSTANT")
    return target


def changed(target: Path, edit: Callable[[bytearray], bytearray]) -> Path:
    """Edit the bytes of a file."""
    target.write_bytes(edit(bytearray(target.read_bytes())))
    return target


def empty(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return changed(written(path, y), lambda content: content[:0])


def text(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return changed(written(path, y), lambda content: bytearray(b"no music here\n" * int(severity)))


def corrupt_header(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return changed(written(path, y), lambda content: bytearray(rng.bytes(int(severity))) + content[int(severity) :])


def cut_flac(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return changed(written(path, y), lambda content: content[: int(len(content) * (1 - severity))])


def cut_wav(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return changed(written(path, y, suffix=".wav"), lambda content: content[: int(len(content) * (1 - severity))])


def cut_mp3(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return changed(mp3(path, y), lambda content: content[: int(len(content) * (1 - severity))])


def damaged_body(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    def scramble(content: bytearray) -> bytearray:
        for place in rng.integers(len(content) // 10, len(content) * 9 // 10, int(severity)):
            content[place] ^= int(rng.integers(1, 256))
        return content

    return changed(written(path, y), scramble)


def _wav_size(severity: float) -> Callable[[bytearray], bytearray]:
    def edit(content: bytearray) -> bytearray:
        at = content.index(b"data") + 4
        size = int(int.from_bytes(content[at : at + 4], "little") * severity) // 2 * 2
        content[at : at + 4] = size.to_bytes(4, "little")
        return content

    return edit


def header_promises_more(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return changed(written(path, y, suffix=".wav"), _wav_size(severity))


def header_hides(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return changed(written(path, y, suffix=".wav"), _wav_size(1 - severity / (len(y) / RATE)))


def not_a_number(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    y = y.copy()
    y[rng.integers(0, len(y), int(severity))] = rng.choice([np.nan, np.inf, -np.inf])
    return written(path, y, suffix=".wav", subtype="FLOAT")


def beyond_full_scale(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return written(path, y / np.abs(y).max() * severity, suffix=".wav", subtype="FLOAT")


def silence(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return written(path, rng.normal(0, 10 ** (-severity / 20), len(y)))


def partly_silent(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    y, n = y.copy(), int(len(y) * severity)
    at = int(rng.integers(0, len(y) - n))
    y[at : at + n] = 0
    return written(path, y)


def gap(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    y, n = y.copy(), int(severity * RATE)
    at = int(rng.integers(RATE, len(y) - n - RATE))
    y[at : at + n] = 0
    return written(path, y)


def coloured(n: int, slope: float, rng: np.random.Generator) -> Sound:
    """Return noise whose power falls by `slope` powers of the frequency."""
    spectrum = np.fft.rfft(rng.normal(size=n)) / np.maximum(np.arange(n // 2 + 1), n / RATE * 40) ** (slope / 2)
    y = np.fft.irfft(spectrum, n)
    return y / np.abs(y).max()


def noise(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return written(path, coloured(len(y), severity, rng) * rng.uniform(0.05, 0.9))


def buried(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    loud = coloured(len(y), 0, rng)
    mixed = loud / loud.std() + y / y.std() * 10 ** (-severity / 20)
    return written(path, mixed / np.abs(mixed).max() * 0.9)


def clipped(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    ceiling = np.quantile(np.abs(y), 1 - severity)
    return written(path, np.clip(y, -ceiling, ceiling) / ceiling * rng.uniform(0.4, 0.99))


def off_centre(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return written(path, y / np.abs(y).max() * (0.98 - severity) + severity * rng.choice([-1, 1]))


def upsampled(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    low = int(severity)
    return written(path, np.clip(soxr.resample(soxr.resample(y, RATE, low), low, RATE), -1, 1))


def mp3_upsampled(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    """Encode at 64 kbit/s, decode, and write as if it had the band of twice the sample rate or more."""
    coded = mp3(path, y)
    decoded, _ = soundfile.read(coded)
    coded.unlink()
    high = int(severity) // 50 * 50  # FLAC takes no odd rates above 65 kHz
    return written(path, np.clip(soxr.resample(decoded, RATE, high), -1, 1), high)


def too_short(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return written(path, y[: int(severity * RATE)])


def slow(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return written(path, np.clip(soxr.resample(y, RATE, int(severity)), -1, 1), int(severity))


def dead_channel(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    both = np.stack([y, y * 10 ** (-severity / 20)], axis=1)
    return written(path, both[:, rng.permutation(2)])


def opposite_phase(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return written(path, np.clip(np.stack([y, -severity * y], axis=1), -1, 1))


def copied(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return written(path, y)


def reformatted(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return written(path, y, suffix=str(rng.choice([".wav", ".aiff", ".au"])), subtype="PCM_16")


def gained(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return written(path, np.clip(y * 10 ** (severity / 20), -1, 1))


def coded(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return mp3(path, y)


def resampled(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return written(path, np.clip(soxr.resample(y, RATE, int(severity)), -1, 1), int(severity))


def offset(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return written(path, y[int(severity * RATE) :])


def everything(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return mp3(path, y[int(severity * RATE) :] * rng.uniform(0.1, 0.8))


UNREADABLE = ("unreadable",)
BAND = ("less bandwidth than its sample rate promises", "far less bandwidth than its sample rate promises")
SILENT = ("silent", "a gap of silence")
NOISE = ("steady noise or hum",)
COPY = ()
KINDS: dict[str, Kind] = {
    "empty file": Kind(UNREADABLE, 0, 0, "", empty),
    "text as audio": Kind(UNREADABLE, 1, 20_000, "lines", text),
    "corrupt header": Kind(UNREADABLE, 4, 64, "bytes", corrupt_header),
    "cut FLAC": Kind(UNREADABLE, 0.05, 0.95, "share lost", cut_flac),
    "cut WAV": Kind(UNREADABLE, 0.05, 0.95, "share lost", cut_wav),
    "cut MP3": Kind(UNREADABLE, 0.05, 0.95, "share lost", cut_mp3),
    "damaged body": Kind(UNREADABLE, 1, 64, "bytes", damaged_body),
    "header promises more": Kind(UNREADABLE, 1.05, 3, "times the length", header_promises_more),
    "header hides the rest": Kind(("continues beyond the end in its header",), 6, 11, "s", header_hides),
    "not a number": Kind(("NaN or infinite samples",), 1, 1_000, "samples", not_a_number),
    "beyond full scale": Kind(("far beyond full scale",), 5, 32_768, "times", beyond_full_scale),
    "silence": Kind(SILENT, 70, 120, "dB below full scale", silence),
    "partly silent": Kind(SILENT, 0.55, 0.95, "share", partly_silent),
    "gap": Kind(SILENT, 2.2, 6, "s", gap),
    "noise": Kind(NOISE, 0, 1, "slope", noise),
    "buried in noise": Kind(NOISE, 10, 40, "dB", buried),
    "clipping": Kind(("clipped",), 0.01, 0.3, "share of samples", clipped),
    "off centre": Kind(("not centred on zero",), 0.05, 0.4, "of full scale", off_centre),
    "upsampled": Kind(BAND, 4_000, 11_025, "Hz before", upsampled),
    "upsampled MP3 64k": Kind(BAND, 44_100, 96_000, "Hz after", mp3_upsampled),
    "too short": Kind(("too short",), 0.05, 2.9, "s", too_short),
    "low sample rate": Kind(("sample rate too low",), 2_000, 7_900, "Hz", slow),
    "dead channel": Kind(("a dead channel",), 35, 90, "dB", dead_channel),
    "opposite phase": Kind(("channels in opposite phase",), 0.6, 1.4, "gain", opposite_phase),
    "exact copy": Kind(COPY, 0, 0, "", copied),
    "copy in another format": Kind(COPY, 0, 0, "", reformatted),
    "copy with gain": Kind(COPY, -30, -1, "dB", gained),
    "copy as MP3 64k": Kind(COPY, 0, 0, "", coded),
    "resampled copy": Kind(COPY, 8_000, 40_000, "Hz", resampled),
    "copy that starts later": Kind(COPY, 0.5, 5, "s", offset),
    "copy: later, gain, MP3": Kind(COPY, 0.5, 5, "s", everything),
}


def severities(kind: Kind, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw severities that cover the range: one from each of `n` equal parts of it."""
    return kind.low + (kind.high - kind.low) * (np.arange(n) + rng.uniform(size=n)) / n


def planted(root: Path, clips: list[Path], n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Spoil copies of clips; say of each file what was done to it."""
    rows = []
    for name, kind in KINDS.items():
        folder = root / "planted" / name.translate(str.maketrans(" :,.", "____"))
        folder.mkdir(parents=True)
        for i, severity in enumerate(severities(kind, n, rng)):
            source = clips[int(rng.integers(len(clips)))]
            y, _ = soundfile.read(source)
            path = kind.plant(folder / f"{i:02d}", y, float(severity), rng)
            original = "" if kind.reasons else source.relative_to(root).as_posix()
            rows.append((path.relative_to(root).as_posix(), name, float(severity), i * 3 // n, original))
    return pd.DataFrame(rows, columns=["path", "kind", "severity", "third", "original"])


def judged(root: Path, workers: int | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run ingest and validate; give what is quarantined or warned of, and copies, by path."""
    with tempfile.TemporaryDirectory() as project:
        paths = Paths(Path(project))
        dataset = Dataset(name="folder", path=str(root))
        sections = {"compute": Compute(workers=workers), "ingest": Ingest(), "dataset": dataset}
        ingest.run(paths, cast(Params, SimpleNamespace(seed=0, **sections)))
        bounds = Validate(min_seconds=3, max_broken_share=1, min_tracks_per_class=1)
        with suppress(DataError):  # what was found is written all the same
            validate.run(paths, cast(Params, SimpleNamespace(dataset=dataset, validate_=bounds)))
        alarms = pd.concat([tables.read(paths.quarantine), tables.read(paths.warnings)], ignore_index=True)
        return alarms, tables.read(paths.copies)


def found(plan: pd.DataFrame, quarantine: pd.DataFrame, repeated: pd.DataFrame) -> pd.Series:
    """Say of each planted file whether it was found for its reason."""
    reasons = quarantine.groupby("path")["reason"].agg(set)
    copy_of = repeated.set_index("track_id")["copy_of"]
    family = {path: original for path, original in zip(plan["path"], plan["original"], strict=True) if original}

    def one(row: pd.Series) -> bool:
        if row["original"]:
            return family.get(copy_of.get(row["path"]), copy_of.get(row["path"])) == row["original"]
        return bool(reasons.get(row["path"], set()) & set(KINDS[row["kind"]].reasons))

    return plan.apply(one, axis=1)
