"""What stands near what in real music: the transfer ConvNet, our networks and MFCC statistics, each as a space.

``python -m bench.transfer FOLDER WEIGHTS.hdf5`` reads FOLDER/<genre>/*, embeds each
clip, and prints a line for each space: MAP of the neighbours of the same genre, and
their share of the first ten, with 95 % intervals. ``--artists TABLE.csv`` (`track_id`,
`artist_group`) draws artists instead of clips for the intervals, and adds the MAP with
clips by the seed's own artist left out. ``--network FOLDER`` (models/onnx/<candidate>)
adds a network of ours, ``--picture FILE.png`` t-SNE after 50 principal components.

Every space is standardised over all clips, which needs no label; nearest is by cosine.
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
from ostinato.evaluation.similarity.projection import neighbourhood
from ostinato.evaluation.similarity.ranking import difference, summarise
from ostinato.features import mel96, mfcc
from ostinato.inference.model import ReleasedModel
from ostinato.metrics.ranking import average_precision, precision
from ostinato.training.import_keras import import_keras

SEED, FRAMES, TOP = 7, 1_360, 10
CONFIDENCE = 0.95


def transfer(weights: Path) -> Network:
    """Make the published network, each clip normalised by its own statistics as with one clip at a time."""
    network = Network({"mel96": (1, 96, FRAMES)}, 50, batch_norm="track")
    with tempfile.TemporaryDirectory() as folder:
        import_keras(weights, Path(folder) / "choi.safetensors")
        given = load_file(Path(folder) / "choi.safetensors")
    wanted = {name for name in network.state_dict() if name.startswith("layers.")}
    if wanted - set(given):
        raise SystemExit(f"{weights}: lacks {sorted(wanted - set(given))[0]}")
    network.load_state_dict({name: given[name] for name in wanted}, strict=False)
    return network.eval()


def spaces(files: list[Path], weights: Path, folders: list[Path]) -> dict[str, np.ndarray]:
    """Embed every clip in every space."""
    network, ours = transfer(weights), {folder.name: ReleasedModel(folder, threads=1) for folder in folders}
    found: dict[str, list[np.ndarray]] = {}
    for path in files:
        context = AudioContext(*audio.load(path, 22_050))
        rows = np.ascontiguousarray(mel96.compute(context)[:FRAMES].T)[None, None]
        with torch.no_grad():
            found.setdefault("transfer, 5 layers", []).append(network.encode(torch.from_numpy(rows))[0].numpy())
        found.setdefault("MFCC statistics", []).append(summary(mfcc.compute(context)))
        for name, model in ours.items():
            found.setdefault(name, []).append(model.embedding(model.compute_inputs(context)))
    every = {name: np.stack(vectors) for name, vectors in found.items()}
    for n_layers in range(1, 5):  # experiment 7 of paper 003, section 4.10
        every[f"transfer, layers 1 to {n_layers}"] = every["transfer, 5 layers"][:, : 32 * n_layers]
    every["transfer, last layer"] = every["transfer, 5 layers"][:, -32:]
    return every | {"chance": np.random.default_rng(SEED).standard_normal((len(files), 32))}


def judged(x: np.ndarray, genre: np.ndarray, artist: np.ndarray | None) -> dict[str, np.ndarray]:
    """Rank all other clips of each clip, and those by other artists."""
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    similarity = x @ x.T
    ways = {"": np.eye(len(x), dtype=bool)}
    if artist is not None:
        ways["other artists: "] = artist[:, None] == artist
    found = {}
    for way, barred in ways.items():
        order = np.argsort(np.where(barred, -np.inf, similarity) * -1, axis=1, kind="stable")
        ranked = np.where(np.take_along_axis(barred, order, axis=1), -1, order)
        target = ((genre[:, None] == genre) & ~barred).astype(float)
        found[f"{way}MAP"] = average_precision(preds=ranked, target=target)
        found[f"{way}precision@{TOP}"] = precision(preds=ranked[:, :TOP], target=target)
    return found


def picture(every: dict[str, np.ndarray], genre: np.ndarray, out: Path) -> None:
    """Draw each space in a plane, coloured by genre."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(every), figsize=(4.2 * len(every), 4.4), layout="constrained")
    for (name, x), place in zip(every.items(), axes, strict=True):
        plane = neighbourhood((x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9), SEED)
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
        known = pd.read_csv(args.artists, dtype=str).set_index("track_id")["artist_group"].dropna()
        artist = np.array([known.get(path.stem, path.stem) for path in files], dtype=str)
    every = spaces(files, args.weights, args.network)
    groups = np.arange(len(files)) if artist is None else artist
    print(f"{len(files)} clips of {len(set(genre))} genres, {len(set(groups))} drawn for the intervals")
    values = {name: judged(x, genre, artist) for name, x in every.items()}
    for name, of_seed in values.items():
        lines = summarise(of_seed, groups, CONFIDENCE).items()
        told = ", ".join(f"{n} {v['value']:.3f} [{v['low']:.3f}, {v['high']:.3f}]" for n, v in lines)
        print(f"  {name:22} {told}")
        for metric in (m for m in of_seed if m.endswith("MAP") and name != "MFCC statistics"):
            gain = difference(of_seed[metric], values["MFCC statistics"][metric], groups, CONFIDENCE)
            print(f"    {metric} less that of MFCC: {gain['value']:.3f} [{gain['low']:.3f}, {gain['high']:.3f}]")
    if args.picture:
        picture(every, genre, args.picture)


if __name__ == "__main__":
    main()
