"""Measure neighbours in real music in three kinds of space: the transfer ConvNet, our networks and MFCC statistics.

``python -m bench.transfer FOLDER WEIGHTS.hdf5`` reads FOLDER/<genre>/*, embeds each
clip, and prints for each space the MAP of same-genre neighbours and their share of the
first ten, with 95 % intervals. ``--artists TABLE.csv`` (`track_id`, `artist_group`)
resamples artists instead of clips for the intervals, and adds the MAP among clips by
other artists. ``--network FOLDER`` (models/onnx/<candidate>) adds one of our networks;
``--picture FILE.png`` draws t-SNE after 50 principal components.

Every space is standardised over all clips, which needs no label; neighbours are by cosine.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file

from ostinato import audio
from ostinato.architectures.choi import Network
from ostinato.audio.context import AudioContext
from ostinato.core.summary import summary
from ostinato.evaluation.similarity.projection import project_tsne
from ostinato.evaluation.similarity.ranking import difference, summarise
from ostinato.features import mel96, mfcc
from ostinato.inference.model import ReleasedModel
from ostinato.metrics.ranking import average_precision, precision
from ostinato.training.import_keras import import_keras

SEED, FRAMES, TOP = 7, 1_360, 10
CONFIDENCE = 0.95


def load_transfer_network(weights: Path) -> Network:
    """Load the published network; each clip is normalised by its own statistics, as in batches of one."""
    network = Network({"mel96": (1, 96, FRAMES)}, 50, batch_norm="track")
    with tempfile.TemporaryDirectory() as folder:
        import_keras(weights, Path(folder) / "choi.safetensors")
        weights_by_name = load_file(Path(folder) / "choi.safetensors")
    names = {name for name in network.state_dict() if name.startswith("layers.")}
    if names - set(weights_by_name):
        raise SystemExit(f"{weights}: lacks {sorted(names - set(weights_by_name))[0]}")
    network.load_state_dict({name: weights_by_name[name] for name in names}, strict=False)
    return network.eval()


def embed_clips(files: list[Path], weights: Path, folders: list[Path]) -> dict[str, np.ndarray]:
    """Embed every clip in every space."""
    network, ours = (
        load_transfer_network(weights),
        {folder.name: ReleasedModel(folder, threads=1) for folder in folders},
    )
    vectors_by_space: dict[str, list[np.ndarray]] = {}
    for path in files:
        context = AudioContext(*audio.load(path, 22_050))
        rows = np.ascontiguousarray(mel96.compute(context)[:FRAMES].T)[None, None]
        with torch.no_grad():
            vectors_by_space.setdefault("transfer, 5 layers", []).append(
                network.encode(torch.from_numpy(rows))[0].numpy()
            )
        vectors_by_space.setdefault("MFCC statistics", []).append(summary(mfcc.compute(context)))
        for name, model in ours.items():
            vectors_by_space.setdefault(name, []).append(model.embedding(model.compute_inputs(context)))
    every = {name: np.stack(vectors) for name, vectors in vectors_by_space.items()}
    for n_layers in range(1, 5):  # experiment 7 of paper 003, section 4.10
        every[f"transfer, layers 1 to {n_layers}"] = every["transfer, 5 layers"][:, : 32 * n_layers]
    every["transfer, last layer"] = every["transfer, 5 layers"][:, -32:]
    return every | {"chance": np.random.default_rng(SEED).standard_normal((len(files), 32))}


def score_neighbours(x: np.ndarray, genre: np.ndarray, artist: np.ndarray | None) -> dict[str, np.ndarray]:
    """Rank all other clips for each clip, and those by other artists, and score the rankings."""
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    similarity = x @ x.T
    ways = {"": np.eye(len(x), dtype=bool)}
    if artist is not None:
        ways["other artists: "] = artist[:, None] == artist
    metrics = {}
    for way, excluded in ways.items():
        order = np.argsort(np.where(excluded, -np.inf, similarity) * -1, axis=1, kind="stable")
        ranked = np.where(np.take_along_axis(excluded, order, axis=1), -1, order)
        target = ((genre[:, None] == genre) & ~excluded).astype(float)
        metrics[f"{way}MAP"] = average_precision(preds=ranked, target=target)
        metrics[f"{way}precision@{TOP}"] = precision(preds=ranked[:, :TOP], target=target)
    return metrics


def draw_spaces(every: dict[str, np.ndarray], genre: np.ndarray, out: Path) -> None:
    """Plot each space in two dimensions, coloured by genre."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(every), figsize=(4.2 * len(every), 4.4), layout="constrained")
    for (name, x), place in zip(every.items(), axes, strict=True):
        plane = project_tsne((x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9), SEED)
        for i, one in enumerate(sorted(set(genre))):
            place.scatter(*plane[genre == one].T, s=18, color=matplotlib.colormaps["tab10"](i % 10), label=one)
        place.set_title(name, loc="left", fontsize=10)
        place.set_xticks([])
        place.set_yticks([])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=10, frameon=False)
    figure.savefig(out, dpi=110)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--artists", type=Path)
    parser.add_argument("--network", type=Path, nargs="*", default=[])
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    files = sorted(path for path in args.folder.rglob("*") if path.suffix.lower() in audio.SUFFIXES)
    genre, artist = np.array([path.parent.name for path in files]), None
    if args.artists:
        artist_of = pd.read_csv(args.artists, dtype=str).set_index("track_id")["artist_group"].dropna()
        artist = np.array([artist_of.get(path.stem, path.stem) for path in files], dtype=str)
    every = embed_clips(files, args.weights, args.network)
    groups = np.arange(len(files)) if artist is None else artist
    print(f"{len(files)} clips of {len(set(genre))} genres, {len(set(groups))} resampled for the intervals")
    values = {name: score_neighbours(x, genre, artist) for name, x in every.items()}
    for name, metrics in values.items():
        lines = summarise(metrics, groups, CONFIDENCE).items()
        text = ", ".join(f"{n} {v['value']:.3f} [{v['low']:.3f}, {v['high']:.3f}]" for n, v in lines)
        print(f"  {name:22} {text}")
        for metric in (m for m in metrics if m.endswith("MAP") and name != "MFCC statistics"):
            gain = difference(metrics[metric], values["MFCC statistics"][metric], groups, CONFIDENCE)
            print(f"    {metric} minus that of MFCC: {gain['value']:.3f} [{gain['low']:.3f}, {gain['high']:.3f}]")
    if args.picture:
        draw_spaces(every, genre, args.picture)


if __name__ == "__main__":
    main()
