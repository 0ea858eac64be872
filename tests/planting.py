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


def write_sound(path: Path, y: Sound, rate: int = RATE, suffix: str = ".flac", subtype: str | None = None) -> Path:
    """Write a sound."""
    target = path.with_name(path.name + suffix)
    soundfile.write(target, y, rate, subtype=subtype)
    return target


def write_mp3(path: Path, y: Sound) -> Path:
    """Write an MP3 of 64 kbit/s."""
    target = path.with_name(path.name + ".mp3")
    soundfile.write(target, y, RATE, format="MP3", compression_level=0.61, bitrate_mode="CONSTANT")
    return target


def edit_bytes(target: Path, edit: Callable[[bytearray], bytearray]) -> Path:
    """Edit the bytes of a file."""
    target.write_bytes(edit(bytearray(target.read_bytes())))
    return target


def plant_empty(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return edit_bytes(write_sound(path, y), lambda content: content[:0])


def plant_text(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return edit_bytes(write_sound(path, y), lambda content: bytearray(b"no music here\n" * int(severity)))


def plant_header(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return edit_bytes(
        write_sound(path, y), lambda content: bytearray(rng.bytes(int(severity))) + content[int(severity) :]
    )


def plant_cut_flac(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return edit_bytes(write_sound(path, y), lambda content: content[: int(len(content) * (1 - severity))])


def plant_cut_wav(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return edit_bytes(
        write_sound(path, y, suffix=".wav"), lambda content: content[: int(len(content) * (1 - severity))]
    )


def plant_cut_mp3(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return edit_bytes(write_mp3(path, y), lambda content: content[: int(len(content) * (1 - severity))])


def plant_body(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    def scramble(content: bytearray) -> bytearray:
        for place in rng.integers(len(content) // 10, len(content) * 9 // 10, int(severity)):
            content[place] ^= int(rng.integers(1, 256))
        return content

    return edit_bytes(write_sound(path, y), scramble)


def _wav_size(severity: float) -> Callable[[bytearray], bytearray]:
    def edit(content: bytearray) -> bytearray:
        at = content.index(b"data") + 4
        size = int(int.from_bytes(content[at : at + 4], "little") * severity) // 2 * 2
        content[at : at + 4] = size.to_bytes(4, "little")
        return content

    return edit


def plant_long_header(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return edit_bytes(write_sound(path, y, suffix=".wav"), _wav_size(severity))


def plant_short_header(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return edit_bytes(write_sound(path, y, suffix=".wav"), _wav_size(1 - severity / (len(y) / RATE)))


def plant_nan(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    y = y.copy()
    y[rng.integers(0, len(y), int(severity))] = rng.choice([np.nan, np.inf, -np.inf])
    return write_sound(path, y, suffix=".wav", subtype="FLOAT")


def plant_overload(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return write_sound(path, y / np.abs(y).max() * severity, suffix=".wav", subtype="FLOAT")


def plant_silence(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return write_sound(path, rng.normal(0, 10 ** (-severity / 20), len(y)))


def plant_partial_silence(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    y, n = y.copy(), int(len(y) * severity)
    at = int(rng.integers(0, len(y) - n))
    y[at : at + n] = 0
    return write_sound(path, y)


def plant_gap(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    y, n = y.copy(), int(severity * RATE)
    at = int(rng.integers(RATE, len(y) - n - RATE))
    y[at : at + n] = 0
    return write_sound(path, y)


def draw_noise(n: int, slope: float, rng: np.random.Generator) -> Sound:
    """Return noise whose power falls by `slope` powers of the frequency."""
    spectrum = np.fft.rfft(rng.normal(size=n)) / np.maximum(np.arange(n // 2 + 1), n / RATE * 40) ** (slope / 2)
    y = np.fft.irfft(spectrum, n)
    return y / np.abs(y).max()


def plant_noise(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return write_sound(path, draw_noise(len(y), severity, rng) * rng.uniform(0.05, 0.9))


def plant_buried(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    loud = draw_noise(len(y), 0, rng)
    mixed = loud / loud.std() + y / y.std() * 10 ** (-severity / 20)
    return write_sound(path, mixed / np.abs(mixed).max() * 0.9)


def plant_clipping(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    ceiling = np.quantile(np.abs(y), 1 - severity)
    return write_sound(path, np.clip(y, -ceiling, ceiling) / ceiling * rng.uniform(0.4, 0.99))


def plant_offset(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return write_sound(path, y / np.abs(y).max() * (0.98 - severity) + severity * rng.choice([-1, 1]))


def plant_upsampling(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    low = int(severity)
    return write_sound(path, np.clip(soxr.resample(soxr.resample(y, RATE, low), low, RATE), -1, 1))


def plant_mp3_upsampling(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    """Encode at 64 kbit/s, decode, and write as if it had the band of twice the sample rate or more."""
    coded = write_mp3(path, y)
    decoded, _ = soundfile.read(coded)
    coded.unlink()
    high = int(severity) // 50 * 50  # FLAC takes no odd rates above 65 kHz
    return write_sound(path, np.clip(soxr.resample(decoded, RATE, high), -1, 1), high)


def plant_short(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return write_sound(path, y[: int(severity * RATE)])


def plant_low_rate(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return write_sound(path, np.clip(soxr.resample(y, RATE, int(severity)), -1, 1), int(severity))


def plant_dead_channel(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    both = np.stack([y, y * 10 ** (-severity / 20)], axis=1)
    return write_sound(path, both[:, rng.permutation(2)])


def plant_opposite_phase(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return write_sound(path, np.clip(np.stack([y, -severity * y], axis=1), -1, 1))


def plant_copy(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return write_sound(path, y)


def plant_other_format(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return write_sound(path, y, suffix=str(rng.choice([".wav", ".aiff", ".au"])), subtype="PCM_16")


def plant_gain(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return write_sound(path, np.clip(y * 10 ** (severity / 20), -1, 1))


def plant_mp3(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return write_mp3(path, y)


def plant_resampling(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return write_sound(path, np.clip(soxr.resample(y, RATE, int(severity)), -1, 1), int(severity))


def plant_delay(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return write_sound(path, y[int(severity * RATE) :])


def plant_delayed_mp3(path: Path, y: Sound, severity: float, rng: np.random.Generator) -> Path:
    return write_mp3(path, y[int(severity * RATE) :] * rng.uniform(0.1, 0.8))


UNREADABLE = ("unreadable",)
BAND = ("less bandwidth than its sample rate promises", "far less bandwidth than its sample rate promises")
SILENT = ("silent", "a gap of silence")
NOISE = ("steady noise or hum",)
COPY = ()
KINDS: dict[str, Kind] = {
    "empty file": Kind(UNREADABLE, 0, 0, "", plant_empty),
    "text as audio": Kind(UNREADABLE, 1, 20_000, "lines", plant_text),
    "corrupt header": Kind(UNREADABLE, 4, 64, "bytes", plant_header),
    "cut FLAC": Kind(UNREADABLE, 0.05, 0.95, "share lost", plant_cut_flac),
    "cut WAV": Kind(UNREADABLE, 0.05, 0.95, "share lost", plant_cut_wav),
    "cut MP3": Kind(UNREADABLE, 0.05, 0.95, "share lost", plant_cut_mp3),
    "damaged body": Kind(UNREADABLE, 1, 64, "bytes", plant_body),
    "header promises more": Kind(UNREADABLE, 1.05, 3, "times the length", plant_long_header),
    "header hides the rest": Kind(("continues beyond the end in its header",), 6, 11, "s", plant_short_header),
    "not a number": Kind(("NaN or infinite samples",), 1, 1_000, "samples", plant_nan),
    "beyond full scale": Kind(("far beyond full scale",), 5, 32_768, "times", plant_overload),
    "silence": Kind(SILENT, 70, 120, "dB below full scale", plant_silence),
    "partly silent": Kind(SILENT, 0.55, 0.95, "share", plant_partial_silence),
    "gap": Kind(SILENT, 2.2, 6, "s", plant_gap),
    "noise": Kind(NOISE, 0, 1, "slope", plant_noise),
    "buried in noise": Kind(NOISE, 10, 40, "dB", plant_buried),
    "clipping": Kind(("clipped",), 0.01, 0.3, "share of samples", plant_clipping),
    "off centre": Kind(("not centred on zero",), 0.05, 0.4, "of full scale", plant_offset),
    "upsampled": Kind(BAND, 4_000, 11_025, "Hz before", plant_upsampling),
    "upsampled MP3 64k": Kind(BAND, 44_100, 96_000, "Hz after", plant_mp3_upsampling),
    "too short": Kind(("too short",), 0.05, 2.9, "s", plant_short),
    "low sample rate": Kind(("sample rate too low",), 2_000, 7_900, "Hz", plant_low_rate),
    "dead channel": Kind(("a dead channel",), 35, 90, "dB", plant_dead_channel),
    "opposite phase": Kind(("channels in opposite phase",), 0.6, 1.4, "gain", plant_opposite_phase),
    "exact copy": Kind(COPY, 0, 0, "", plant_copy),
    "copy in another format": Kind(COPY, 0, 0, "", plant_other_format),
    "copy with gain": Kind(COPY, -30, -1, "dB", plant_gain),
    "copy as MP3 64k": Kind(COPY, 0, 0, "", plant_mp3),
    "resampled copy": Kind(COPY, 8_000, 40_000, "Hz", plant_resampling),
    "copy that starts later": Kind(COPY, 0.5, 5, "s", plant_delay),
    "copy: later, gain, MP3": Kind(COPY, 0.5, 5, "s", plant_delayed_mp3),
}


def draw_severities(kind: Kind, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw severities that cover the range: one from each of `n` equal parts of it."""
    return kind.low + (kind.high - kind.low) * (np.arange(n) + rng.uniform(size=n)) / n


def plant_faults(root: Path, clips: list[Path], n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Spoil copies of clips; say of each file what was done to it."""
    rows = []
    for name, kind in KINDS.items():
        folder = root / "planted" / name.translate(str.maketrans(" :,.", "____"))
        folder.mkdir(parents=True)
        for i, severity in enumerate(draw_severities(kind, n, rng)):
            source = clips[int(rng.integers(len(clips)))]
            y, _ = soundfile.read(source)
            path = kind.plant(folder / f"{i:02d}", y, float(severity), rng)
            original = "" if kind.reasons else source.relative_to(root).as_posix()
            rows.append((path.relative_to(root).as_posix(), name, float(severity), i * 3 // n, original))
    return pd.DataFrame(rows, columns=["path", "kind", "severity", "third", "original"])


def validate_folder(root: Path, workers: int | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
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


def match_faults(plan: pd.DataFrame, quarantine: pd.DataFrame, repeated: pd.DataFrame) -> pd.Series:
    """Say of each planted file whether it was found for its reason."""
    reasons = quarantine.groupby("path")["reason"].agg(set)
    copy_of = repeated.set_index("track_id")["copy_of"]
    family = {path: original for path, original in zip(plan["path"], plan["original"], strict=True) if original}

    def one(row: pd.Series) -> bool:
        if row["original"]:
            return family.get(copy_of.get(row["path"]), copy_of.get(row["path"])) == row["original"]
        return bool(reasons.get(row["path"], set()) & set(KINDS[row["kind"]].reasons))

    return plan.apply(one, axis=1)
