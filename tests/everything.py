"""A folder with every case at once: ``python -m everything FOLDER`` in tests/ writes it.

Sound of four genres in every kind of file of the zoo, one file of every planted fault, links
of every kind, messy names, what is no audio, and a table with what tables get wrong.
"""

import os
import sys
from pathlib import Path

import numpy as np
import soxr

from audio.zoo import RATE, ZOO
from planting import KINDS
from planting import RATE as LOW_RATE

GENRES = {"blues": 0, "jazz": 1, "rock": 2, "Hip-Hop": 3}
FAULT_SECONDS = 14.0
TABLE = "labels.csv"
MESSY = (
    "Beyonc\u00e9 \u2013 1.FLAC",
    "Beyonce\u0301 \u2013 2.flac",
    "a & b's #1 (50%).flac",
    "\U0001f3b8 \u97f3\u697d.flac",
)


def make_clip(genre: int, seed: int, seconds: float = 6.0) -> np.ndarray:
    """Write notes in the register of a genre over a drum that decays."""
    rng, y = np.random.default_rng(seed), np.zeros(int((seconds + 1) * RATE))
    after = np.arange(RATE) / RATE
    for start in (np.arange(0, seconds, 0.3 + 0.05 * (seed % 4)) * RATE).astype(int):
        pitch = 90 * 2.0 ** (genre + rng.integers(0, 12) / 12)
        note = sum(np.sin(2 * np.pi * pitch * k * after) / k for k in (1, 2, 3, 5, 9, 20))
        drum = np.exp(-20 * after) * rng.standard_normal(RATE)
        y[start : start + RATE] += 0.12 * np.exp(-5 * after) * np.minimum(after * 200, 1) * note + 0.08 * drum
    return y[: int(seconds * RATE)].astype(np.float32)


def write_collection(root: Path) -> None:
    """Write the folder.

    Parameters
    ----------
    root : Path
        Beside it a folder ``elsewhere`` holds what links lead to.
    """
    rng, names = np.random.default_rng(0), list(GENRES)
    for name in names:
        (root / name).mkdir(parents=True)
    for i, (file, make) in enumerate(ZOO.items()):
        make(root / names[i % 4] / file, make_clip(i % 4, i))
    for i, name in enumerate(MESSY):
        ZOO["whole.flac"](root / names[i] / name, make_clip(i, 100 + i))
    for i, (_, kind) in enumerate(KINDS.items()):
        y = soxr.resample(make_clip(i % 4, 200 + i, FAULT_SECONDS), RATE, LOW_RATE)
        kind.plant(root / names[i % 4] / f"fault {i:02d}", y, (kind.low + kind.high) / 2, rng)
    narrow = soxr.resample(soxr.resample(make_clip(2, 299), RATE, 7_000), 7_000, RATE)
    ZOO["whole.flac"](root / "rock" / "telephone.flac", narrow)
    _write_links(root)
    for name in ("jazz/lyrics.txt", "rock/x.mid", "rock/y.mid", "cover.jpg", "jazz/._whole.wav", "blues/.hidden.mp3"):
        (root / name).write_bytes(b"no audio")
    os.mkfifo(root / "rock" / "pipe.wav")
    (root / "rock" / os.fsdecode(b"caf\xe9.wav")).write_bytes(b"")
    _write_table(root)


def _write_links(root: Path) -> None:
    elsewhere = root.parent / "elsewhere"
    for i in range(6):
        (elsewhere / "Reggae").mkdir(parents=True, exist_ok=True)
        ZOO["whole.flac"](elsewhere / "Reggae" / f"{i}.flac", make_clip(4, 300 + i))
    (root / "Reggae").symlink_to(elsewhere / "Reggae")
    (root / "jazz" / "back").symlink_to(root)
    (root / "jazz" / "again.wav").symlink_to("../blues/pcm_u8.wav")
    (root / "jazz" / "gone.wav").symlink_to("nowhere.wav")


def _write_table(root: Path) -> None:
    """Write artists in two spellings, tags in brackets, dates for years, and rows without a file."""
    rows = ["path;artist;album;tags;year"]
    files = sorted(
        p for p in root.rglob("*") if p.is_file() and p.name[0] != "." and p.suffix.lower() in (".wav", ".flac", ".mp3")
    )
    for i, path in enumerate(files[:-5]):
        name = path.relative_to(root).as_posix()
        if name.encode("utf-8", "ignore").decode() == name:
            artist = ("Sigur R\u00f3s", "Sigur Ro\u0301s ")[i % 2] if i % 9 == 0 else f"Artist {i // 2}"
            rows.append(f"{name};{artist};Album {i // 2};['slow', 'piano'];2008-11-26 00:00:00")
    rows += [f"jazz/absent {i}.flac;Nobody;;;" for i in range(3)]
    (root / TABLE).write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode())


if __name__ == "__main__":
    write_collection(Path(sys.argv[1]))
