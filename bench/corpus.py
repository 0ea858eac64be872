"""Measure the embedded corpus: which features tell its genres apart, and which do not.

``python -m bench.corpus`` renders the corpus with two seeds and prints one table, with
all folds grouped by artist: SVMs on tempo, on the mean mel spectrum and on MFCC
statistics; networks on mel chunks of 129 frames, with the test clips as they are and with
their beats shuffled; and the rank correlation of distances in style and in sound.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import soundfile
import torch
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch.nn import functional
from torch.optim.swa_utils import update_bn
from tqdm import tqdm

from ostinato.core.chunks import normalise, starts, take
from ostinato.core.registry import load
from ostinato.datasets import synthetic
from ostinato.datasets._synthesis.piece import Piece, compose
from ostinato.datasets._synthesis.voices import SAMPLE_RATE
from ostinato.datasets._synthesis.world import artist

FRAMES, BINS, BATCH = 129, 256, 8
SETTINGS: dict[str, dict] = {"simple": {"padding": "same"}}  # its published padding needs 133 frames


def measure_rendering(options: synthetic.Options, seed: int, n: int = 20) -> float:
    """Measure how many seconds of music this core renders in a second."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        for place in range(n):
            synthetic.render(Path(folder), options, seed, (place, 0))
        return n * options.seconds / (time.process_time() - start)


def shuffle_beats(y: np.ndarray, piece: Piece, rng: np.random.Generator) -> np.ndarray:
    """Shuffle the complete beats of a clip."""
    beat = 60 / piece.tempo
    first = (np.ceil(piece.skipped) - piece.skipped) * beat
    cuts = (np.arange(first, len(y) / SAMPLE_RATE, beat) * SAMPLE_RATE).astype(int)
    beats = np.split(y, cuts)
    inner = [beats[1 + i] for i in rng.permutation(len(beats) - 2)]
    return np.concatenate([beats[0], *inner, beats[-1]])


def compute_mel(y: np.ndarray) -> np.ndarray:
    """Compute the mel feature in decibels, (n_frames, n_bins)."""
    power = librosa.feature.melspectrogram(y=y, sr=SAMPLE_RATE, n_fft=4096, hop_length=1024, n_mels=BINS)
    return librosa.power_to_db(power).T


def measure_clip(root: Path, options: synthetic.Options, seed: int, place: tuple[int, int], path: str) -> dict:
    """Compute every feature of one clip."""
    y, _ = soundfile.read(root / path, dtype="float32")
    who = artist(seed, place[0], options.n_genres)
    piece = compose(seed, who, place[1], seconds=0, n_genres=options.n_genres, difficulty=options.difficulty)
    mel = compute_mel(y)
    mfcc = librosa.feature.mfcc(S=mel.T, n_mfcc=13)[1:]
    return {
        "mel": mel,
        "shuffled": compute_mel(shuffle_beats(y, piece, np.random.default_rng(place))),
        "tempo": np.array([piece.tempo]),
        "mean mel": mel.mean(axis=0),
        "MFCC statistics": np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1)]),
    }


def measure_corpus(
    root: Path, options: synthetic.Options, seed: int, workers: int
) -> tuple[list[dict], np.ndarray, np.ndarray]:
    """Render and measure a corpus; return features by clip, genre numbers and artist numbers."""
    table = synthetic.tracks(root, options, seed=seed, workers=workers)
    places = [(a, t) for a in range(options.n_artists) for t in range(options.tracks_per_artist)]
    with ProcessPoolExecutor(workers) as pool:
        clips = list(pool.map(partial(measure_clip, root, options, seed), places, table.path, chunksize=8))
    return clips, table.genre.astype("category").cat.codes.to_numpy(), np.array([a for a, _ in places])


def cut_chunk(rows: np.ndarray, start: int) -> np.ndarray:
    """Cut and standardise one chunk."""
    return normalise(take(rows, start, FRAMES), "frame")


def draw_batches(mels: list[np.ndarray], rng: np.random.Generator) -> Iterator[tuple[torch.Tensor, np.ndarray]]:
    """Draw two random chunks of each clip, in batches, with their clips' numbers."""
    order = np.concatenate([rng.permutation(len(mels)) for _ in range(2)])
    for batch in np.array_split(order, len(order) // BATCH):
        chunks = [cut_chunk(mels[i], int(rng.integers(0, len(mels[i]) - FRAMES + 1))) for i in batch]
        yield torch.from_numpy(np.stack(chunks)), batch


def train_network(name: str, mels: list[np.ndarray], genre: np.ndarray, epochs: int, seed: int) -> torch.nn.Module:
    """Train a network with Adam and a one-cycle schedule.

    The published batch normalisation averages over so many steps that a short
    training ends before its running variances have left 1, so they are computed again at the end.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    shape, settings = {"mel": (1, BINS, FRAMES)}, SETTINGS.get(name, {})
    network = load("ostinato.architectures", name).Network(shape, int(genre.max()) + 1, **settings)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    steps = epochs * (2 * len(mels) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps + 1)
    for _ in tqdm(range(epochs), desc=name):
        for x, batch in draw_batches(mels, rng):
            loss = functional.cross_entropy(network(x), torch.from_numpy(genre[batch]).long())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    update_bn((x for x, _ in draw_batches(mels, rng)), network)
    return network.eval()


def predict_genres(network: torch.nn.Module, mels: list[np.ndarray]) -> np.ndarray:
    """Predict the genre of clips by the mean of their chunks' scores."""
    preds = []
    with torch.no_grad():
        for mel in mels:
            x = np.stack([cut_chunk(mel, int(s)) for s in starts(len(mel), FRAMES)])
            preds.append(int(network(torch.from_numpy(x)).softmax(1).mean(0).argmax()))
    return np.array(preds)


def split_folds(genre: np.ndarray, who: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split in three, grouped by artist."""
    return list(StratifiedGroupKFold(3, shuffle=True, random_state=0).split(genre, genre, who))


def measure_network(name: str, clips: list[dict], genre: np.ndarray, who: np.ndarray, args: argparse.Namespace) -> dict:
    """Measure the accuracy of one network on the clips as they are and with shuffled beats."""
    right: dict[str, list[np.ndarray]] = {"mel": [], "shuffled": []}
    for train, test in split_folds(genre, who)[: args.folds]:
        network = train_network(name, [clips[i]["mel"] for i in train], genre[train], args.epochs, 0)
        for kind, hits in right.items():
            hits.append(predict_genres(network, [clips[i][kind] for i in test]) == genre[test])
            tqdm.write(f"{name} on {kind}: {hits[-1].mean():.3f} of {len(test)} clips", file=sys.stderr)
    accuracy = {kind: float(np.concatenate(hits).mean()) for kind, hits in right.items()}
    return {name: accuracy["mel"], f"{name}, beats shuffled": accuracy["shuffled"]}


def measure_baselines(
    clips: list[dict], genre: np.ndarray, who: np.ndarray, seed: int, args: argparse.Namespace
) -> dict:
    """Measure SVMs on weak features, and the correlation of style and sound, on the networks' folds."""
    figures = {}
    for kind in ("tempo", "mean mel", "MFCC statistics"):
        x = np.stack([c[kind] for c in clips])
        hits = []
        for train, test in split_folds(genre, who)[: args.folds]:
            svm = make_pipeline(StandardScaler(), SVC(C=3)).fit(x[train], genre[train])
            hits.append(svm.predict(x[test]) == genre[test])
        figures[f"SVM on {kind}"] = float(np.concatenate(hits).mean())
    z = StandardScaler().fit_transform(np.stack([c["MFCC statistics"] for c in clips]))
    artists = np.unique(who)
    sound = np.stack([z[who == i].mean(axis=0) for i in artists])
    style = np.stack([artist(seed, int(i), genre.max() + 1).style for i in artists])
    figures["rank correlation of style and MFCC distance"] = float(spearmanr(pdist(style), pdist(sound)).statistic)
    return figures


def main() -> None:
    """Measure every seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("data/raw/synthetic"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--networks", nargs="*", default=["time", "simple", "freq"])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument(
        "--folds", type=int, default=3, choices=(1, 2, 3), help="how many of the three folds to measure"
    )
    parser.add_argument("--difficulty", type=float, default=synthetic.Options().difficulty)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    options = synthetic.Options(difficulty=args.difficulty)
    speed = measure_rendering(options, args.seeds[0])
    columns: list[dict[str, float]] = []
    for seed in args.seeds:
        clips, genre, who = measure_corpus(args.root, options, seed, args.workers)
        columns.append(measure_baselines(clips, genre, who, seed, args))
        for name in args.networks:
            columns[-1] |= measure_network(name, clips, genre, who, args)
    print(f"| difficulty {args.difficulty} | " + " | ".join(f"seed {s}" for s in args.seeds) + " |")
    print("|---|" + "--:|" * len(args.seeds))
    for key in columns[0]:
        print(f"| {key} | " + " | ".join(f"{c[key]:.3f}" for c in columns) + " |")
    print(f"\nRendering: {speed:.0f} seconds of music a second and core.")


if __name__ == "__main__":
    main()
