"""Write a page to listen to the embedded corpus: ten clips with player, mel spectrogram, cover and lyrics.

``python -m bench.listen OUT.html`` needs no server; the page contains everything.
"""

import argparse
import base64
import html
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import soundfile

from ostinato.datasets import synthetic
from ostinato.datasets._synthesis.covers import png

STOPS = np.array([[6, 4, 30], [80, 18, 110], [190, 55, 85], [250, 150, 40], [252, 250, 190]], float)


def draw_spectrogram(path: Path, height: int = 160) -> np.ndarray:
    """Draw a mel spectrogram, low bands at the bottom."""
    y, rate = soundfile.read(path, dtype="float32")
    power = librosa.feature.melspectrogram(y=y, sr=rate, n_fft=2048, hop_length=512, n_mels=height)
    level = 1 + librosa.power_to_db(power, ref=np.max, top_db=70)[::-1] / 70
    grid = np.linspace(0, 1, len(STOPS))
    return np.stack([np.interp(level, grid, STOPS[:, c]) for c in range(3)], axis=-1).astype(np.uint8)


def format_data_uri(kind: str, content: bytes) -> str:
    """Format the bytes of a file as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def format_section(root: Path, row: pd.Series) -> str:
    """Format one track as HTML."""
    words = (root / row.lyrics).read_text() if isinstance(row.lyrics, str) else "(no words)"
    return f"""<section><h2>{html.escape(row.genre)}: {html.escape(row.title)}</h2>
<p><img class="cover" src="{format_data_uri("image/png", (root / row.cover).read_bytes())}" alt="cover">
{html.escape(row.artist)}, {html.escape(row.album)} ({row.year:.0f}), at {row.latitude:.1f}, {row.longitude:.1f}<br>
{html.escape(", ".join(row.tags))}</p>
<audio controls src="{format_data_uri("audio/flac", (root / row.path).read_bytes())}"></audio>
<img class="mel" src="{format_data_uri("image/png", png(draw_spectrogram(root / row.path)))}" alt="mel spectrogram">
<details><summary>Words</summary><pre>{html.escape(words)}</pre></details></section>"""


def format_page(root: Path, table: pd.DataFrame) -> str:
    """Format the page."""
    style = (
        "body{font:16px sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        ".mel{width:100%;height:10rem;display:block;image-rendering:pixelated}.cover{float:left;margin-right:1rem}"
        "section{clear:both;margin-bottom:2.5rem}audio{width:100%}"
    )
    body = "\n".join(format_section(root, row) for _, row in table.iterrows())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>The embedded corpus</title>'
        f"<style>{style}</style><h1>The embedded corpus</h1>\n{body}</html>\n"
    )


def main() -> None:
    """Render one track of each genre and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--root", type=Path, default=Path("data/raw/synthetic"))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    options = synthetic.Options(n_artists=10, tracks_per_artist=1)
    table = synthetic.tracks(args.root, options, seed=args.seed, workers=1)
    args.out.write_text(format_page(args.root, table))
    print(f"{args.out}: {len(table)} clips")


if __name__ == "__main__":
    main()
