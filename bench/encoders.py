"""Measure published encoders on real music: neighbours, small classifiers, degraded sound and processor time.

``python -m bench.encoders FOLDER --artists TABLE.csv`` reads FOLDER/<genre>/* and embeds each clip with the networks of
musicnn and with MFCC statistics, clean and degraded (low-passed at 5 kHz, 8 dB softer, noise at -60 dB). It prints for
each: the precision at 5 of same-genre neighbours among other artists (centred, by cosine, like the catalog); the
accuracy of a logistic regression (balanced, C 0.1, standardised) in five folds by artist, five draws, on clean and on
degraded test clips; the same in folds by clip for all genres; the accuracy with 50 labelled clips; and the processor
seconds for 30 s of audio on one thread. TABLE.csv has `track_id` and `artist_group`; genres with one artist are left
out where artists count. Intervals: 95 %, bootstrap over artists. Then it runs `ostinato predict` with musicnn on twenty
clips and prints the share of its processor time that decoding and encoding alone take, and the speed of two workers.
"""

import argparse
import io
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, StratifiedShuffleSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ostinato import audio, features
from ostinato.audio import perturb
from ostinato.audio.context import AudioContext
from ostinato.core.summary import summary
from ostinato.features import encoder, mfcc
from ostinato.inference import predict
from ostinato.inference.formats import Json
from ostinato.inference.streaming import decode_and_measure
from ostinato.pretrained import folder, wheel

RATE, NEAREST, FOLDS, DRAWS, BOOTSTRAPS, LABELLED = 22_050, 5, 5, 5, 2000, 50
MFCC = "MFCC statistics"


def degrade(y: np.ndarray, seed: int) -> np.ndarray:
    """Low-pass a clip, make it softer and add noise."""
    softer = perturb.gain(perturb.low_pass(y, RATE, 5_000), -8.0)
    noise = np.random.default_rng(seed).standard_normal(len(y)) * 10 ** (-60 / 20)
    return (softer + noise).astype(np.float32)


def embed(files: list[Path]) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, float]]:
    """Embed every clip, clean and degraded; return vectors and processor seconds by space."""
    kinds = {name: features.parameters(name, folder.find_encoder(name), RATE) for name in wheel.NETWORKS}
    rows: dict[str, dict[str, list[np.ndarray]]] = {n: {"clean": [], "degraded": []} for n in (*kinds, MFCC)}
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    for number, path in enumerate(tqdm(files, disable=None)):
        clean = audio.load(path, RATE)[0]
        for version, y in (("clean", clean), ("degraded", degrade(clean, number))):
            for name in rows:
                start, context = time.process_time(), AudioContext(y, RATE)
                vector = (
                    summary(mfcc.compute(context))
                    if name == MFCC
                    else encoder.compute(context, **kinds[name]).mean(axis=0)
                )
                seconds[name].append((time.process_time() - start) * 30 * RATE / len(y))
                rows[name][version].append(vector)
    return (
        {name: {version: np.stack(v) for version, v in versions.items()} for name, versions in rows.items()},
        {name: float(np.median(values)) for name, values in seconds.items()},
    )


def time_predict(files: list[Path]) -> str:
    """Compare `ostinato predict` with decoding and encoding alone, and two workers with one."""
    releases, kind = folder.prepare("musicnn"), features.parameters("musicnn", folder.find_encoder("musicnn"), RATE)
    start = time.process_time()
    for path in files:
        encoder.compute(decode_and_measure(path, {16_000})[0], **kind)
    lower_bound, processor_seconds, wall_seconds = time.process_time() - start, [], []
    for workers in (1, 2):
        start, clock = time.process_time(), time.perf_counter()
        predict.run(files, releases, form=Json(), workers=workers, out=Path(os.devnull), err=io.StringIO())
        processor_seconds.append(time.process_time() - start)
        wall_seconds.append(time.perf_counter() - clock)
    share, faster = lower_bound / processor_seconds[0], wall_seconds[0] / wall_seconds[1]
    cost = f"{share:.2f} of its processor time is decoding and the encoder"
    return f"predict: {cost}; 2 workers are {faster:.2f} times as fast"


def compute_precision(x: np.ndarray, genres: np.ndarray, artists: np.ndarray) -> np.ndarray:
    """Compute for each clip the share of its genre among its nearest clips by other artists."""
    centred = StandardScaler(with_std=False).fit_transform(x)
    units = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    similarity = np.where(artists[:, None] == artists[None, :], -np.inf, units @ units.T)
    nearest = np.argsort(-similarity, axis=1)[:, :NEAREST]
    return (genres[nearest] == genres[:, None]).mean(axis=1)


def score_head(
    versions: dict[str, np.ndarray], genres: np.ndarray, artists: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Compute how often each clip was classified right over the draws, clean and degraded."""
    right = {version: np.zeros(len(genres)) for version in versions}
    for draw in range(DRAWS):
        options = {"n_splits": FOLDS, "shuffle": True, "random_state": draw}
        folds = (StratifiedKFold if artists is None else StratifiedGroupKFold)(**options)
        for train, test in folds.split(versions["clean"], genres, artists):
            head = make_head().fit(versions["clean"][train], genres[train])
            for version, x in versions.items():
                right[version][test] += (head.predict(x[test]) == genres[test]) / DRAWS
    return right


def score_few(x: np.ndarray, genres: np.ndarray) -> float:
    """Compute the accuracy after training on `LABELLED` clips."""
    splits = StratifiedShuffleSplit(4 * DRAWS, train_size=LABELLED, random_state=0)
    return float(np.mean([make_head().fit(x[a], genres[a]).score(x[b], genres[b]) for a, b in splits.split(x, genres)]))


def make_head() -> Pipeline:
    """Make the small classifier."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000))


def format_interval(values: np.ndarray, artists: np.ndarray) -> str:
    """Format a mean with its interval."""
    groups = [values[artists == artist] for artist in np.unique(artists)]
    rng = np.random.default_rng(0)
    means = [
        np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))]).mean() for _ in range(BOOTSTRAPS)
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{values.mean():.3f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--artists", type=Path, required=True)
    args = parser.parse_args()
    files = sorted(path for path in args.folder.glob("*/*") if path.suffix in {".flac", ".wav", ".au", ".mp3"})
    genres = np.array([path.parent.name for path in files])
    groups = pd.read_csv(args.artists).set_index("track_id")["artist_group"]
    artists = groups.reindex([path.stem for path in files]).to_numpy()
    several = [g for g in np.unique(genres) if len(np.unique(artists[(genres == g) & ~np.isnan(artists)])) > 1]
    is_usable = np.isin(genres, several) & ~np.isnan(artists)
    with threadpool_limits(1):
        spaces, seconds = embed(files)
        n_artists = len(np.unique(artists[is_usable]))
        print(f"{len(files)} clips; {is_usable.sum()} of {len(several)} genres with {n_artists} artists")
        base = score_head({k: v[is_usable] for k, v in spaces[MFCC].items()}, genres[is_usable], artists[is_usable])
        for name, versions in spaces.items():
            usable = {version: x[is_usable] for version, x in versions.items()}
            right = score_head(usable, genres[is_usable], artists[is_usable])
            precision = compute_precision(usable["clean"], genres[is_usable], artists[is_usable])
            print(
                f"{name:16} P@{NEAREST} {format_interval(precision, artists[is_usable])}"
                f"  by artist {format_interval(right['clean'], artists[is_usable])}"
                f"  gain on MFCC {format_interval(right['clean'] - base['clean'], artists[is_usable])}"
                f"  degraded {right['degraded'].mean():.3f}"
                f"  by clip {score_head(versions, genres, None)['clean'].mean():.3f}"
                f"  {LABELLED} labels {score_few(versions['clean'], genres):.3f}"
                f"  {seconds[name]:.3f} s",
                flush=True,
            )
        print(time_predict(files[:20]))


if __name__ == "__main__":
    main()
