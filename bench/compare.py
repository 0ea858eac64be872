"""How often `ostinato compare` calls a change worse that harms nothing, and how often it sees a planted fall.

``python -m bench.compare retrain OUT --project DIR --only NAME... --variants N`` trains
candidates of a project again with other seeds and writes the scores of their test tracks to
``OUT/<variant>/<name>.csv``; start it under other variables of the processor
(``ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OMP_NUM_THREADS=2``) with ``--label`` and
``--variants 0`` to train with the same seed under these alone.

``python -m bench.compare table OUT`` draws changes from those trainings and prints how many are red.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ostinato.contract.scores import Kind, labels
from ostinato.contract.task import COLUMNS, Task
from ostinato.evaluation.candidate.figures import family
from ostinato.evaluation.candidate.score_table import ScoreTable, format_scores, parse_scores, write_scores
from ostinato.evaluation.compare import Comparison, Settings, compare
from ostinato.evaluation.revision import Revision
from ostinato.files import read_json

GATE = {
    "genre": {"f1_micro": {"min": 0.4}},
    "tags": {"map_macro": {"min": 0.3}, "hamming_loss": {"max": 0.3}},
}
SETTINGS = Settings(0.02, 0.05, GATE, 0.5, 0, 0.95, 0)
FALL = 0.15
Tables = Mapping[str, ScoreTable]


def retrain(project: Path, out: Path, names: list[str], variants: int, label: str) -> None:
    """Train candidates again and write the scores of their test tracks."""
    import pandas as pd

    from ostinato import params
    from ostinato.evaluation.candidate.judged import KEYS, judged
    from ostinato.paths import Paths
    from ostinato.stages import infer, train

    paths = Paths(project)
    whole = params.load(paths.params)
    tracks, splits = pd.read_parquet(paths.tracks), pd.read_parquet(paths.splits)
    seed = whole.seed
    for variant in range(variants) if variants else [label]:
        for name in names:
            given: Any = params.only(whole, train.SECTIONS)
            given.seed = seed + 1 + variant if isinstance(variant, int) else seed
            train.run(paths, given, name)
            infer.run(paths, params.only(whole, infer.SECTIONS), name)
            artefact = read_json(paths.checkpoints(name) / "artefact.json")
            task = Task(artefact["task"], tuple(artefact["classes"]))
            predictions = pd.read_parquet(paths.predictions(name) / "predictions.parquet", columns=[*KEYS, "logits"])
            rows = judged(predictions, splits, tracks, task, "test")
            write_scores(out / f"{label}{variant if isinstance(variant, int) else ''}" / f"{name}.csv",
                         rows, task.classes, task.kind, 0.5)  # fmt: skip
            print(variant, name, flush=True)


def read_trainings(folder: Path) -> dict[str, list[ScoreTable]]:
    """Read the scores of every training, by candidate; those trained once are left out."""
    trainings: dict[str, list[ScoreTable]] = {}
    for path in sorted(folder.glob("*/*.csv")):
        kind: Kind = "multi" if "tags" in path.stem else "single"
        trainings.setdefault(path.stem, []).append(parse_scores(path.read_text(), kind, str(path)))
    return {name: tables for name, tables in trainings.items() if len(tables) > 1}


def to_revision(label: str, tables: Tables) -> Revision:
    """Give the revision that holds these scores."""
    metrics, scores = {}, {}
    for name, table in tables.items():
        kind = find_kind(table)
        task = next(t for t, k in COLUMNS.items() if k == kind)
        test = {m: {"value": compute(table, kind, m)} for m in GATE[task]}
        split = {"hash": "same", "n_test": len(table.rows)}
        metrics[name] = {"task": task, "architecture": "any", "split": split, "test": test}
        scores[name] = format_scores(table.rows, table.classes, kind, 0.5)
    return Revision(label, metrics, scores, {}, {"candidates": {key: {} for key in tables}})


def find_kind(table: ScoreTable) -> Kind:
    """Take a table for one of tags if any track has not exactly one label."""
    return "single" if (table.rows.target.sum(axis=1) == 1).all() else "multi"


def compute(table: ScoreTable, kind: Kind, metric: str) -> float:
    measure = family(kind)[metric]
    return measure.function(preds=measure.prepare(table.rows.scores, kind, 0.5), target=table.rows.target)


def judge(there: Tables, here: Tables) -> Comparison:
    return compare(to_revision("here", here), to_revision("there", there), SETTINGS)


def plant(table: ScoreTable, rng: np.random.Generator) -> ScoreTable:
    """Make right tracks wrong, as many as make `FALL`: another class takes the place of the right one."""
    scores, target = table.rows.scores.copy(), table.rows.target
    right = np.flatnonzero(target[np.arange(len(target)), scores.argmax(axis=1)] > 0)
    n = int(np.ceil(FALL * len(scores)))
    for i in rng.choice(right, min(n, len(right)), replace=False):
        true = scores[i].argmax()
        other = rng.choice([j for j in range(scores.shape[1]) if j != true])
        scores[i, [true, other]] = scores[i, [other, true]]
    return replace(table, rows=replace(table.rows, scores=scores))


def fall_of_noise(trainings: Mapping[str, list[ScoreTable]]) -> list[str]:
    """Describe how trainings of each candidate differ: range of the first metric, and tracks whose labels change."""
    lines = [
        "| candidate | trainings | metric | least, median, greatest | labels that differ between two |",
        "|---|---:|---|---|---:|",
    ]
    for name, tables in trainings.items():
        kind = find_kind(tables[0])
        metric = next(iter(GATE["genre" if kind == "single" else "tags"]))
        values = [compute(t, kind, metric) for t in tables]
        named = [labels(t.rows.scores, kind, 0.5) for t in tables]
        pairs = [(a != b).any(axis=1).sum() for i, a in enumerate(named) for b in named[:i]]
        low, middle, high = np.quantile(values, [0, 0.5, 1])
        lines.append(
            f"| {name} | {len(tables)} | {metric} | {low:.3f}, {middle:.3f}, {high:.3f} | {np.mean(pairs):.1f} |"
        )
    return lines


Change = Callable[[np.random.Generator], tuple[Tables, Tables]]


def list_changes(trainings: Mapping[str, list[ScoreTable]], name: str) -> dict[str, tuple[Change, int]]:
    """Return the kinds of changes, how to draw one, and how many to draw."""
    first = {n: tables[0] for n, tables in trainings.items()}

    def again(rng: np.random.Generator) -> tuple[Tables, Tables]:
        drawn = {n: rng.choice(len(tables), 2, replace=False) for n, tables in trainings.items()}
        there, here = ({n: trainings[n][pair[side]] for n, pair in drawn.items()} for side in (0, 1))
        return there, here

    def one_again(rng: np.random.Generator) -> tuple[Tables, Tables]:
        there, here = again(rng)
        return first | {name: there[name]}, first | {name: here[name]}

    def fallen(rng: np.random.Generator) -> tuple[Tables, Tables]:
        table = trainings[name][rng.integers(len(trainings[name]))]
        return first | {name: table}, first | {name: plant(table, rng)}

    def fallen_among_trained(rng: np.random.Generator) -> tuple[Tables, Tables]:
        there, here = again(rng)
        return there, {**here, name: plant(here[name], rng)}

    def all_fallen(rng: np.random.Generator) -> tuple[Tables, Tables]:
        there, here = again(rng)
        return there, {n: plant(t, rng) if find_kind(t) == "single" else t for n, t in here.items()}

    return {
        "all trained again": (again, 100),
        "one trained again": (one_again, 100),
        "fall of 0.15 in one": (fallen, 20),
        "fall of 0.15 in one, all trained again": (fallen_among_trained, 20),
        "fall of 0.15 in all, all trained again": (all_fallen, 20),
    }


def falls_beyond(there: Tables, here: Tables, tolerance: float = 0.02) -> bool:
    """Answer as a tolerance alone would, of the first metric."""
    values = [[compute(side[n], find_kind(side[n]), "f1_micro") for side in (there, here)] for n in there]
    return any(new < old - tolerance - 1e-9 for old, new in values)


def print_table(folder: Path) -> None:
    """Print how many changes are red."""
    trainings = read_trainings(folder)
    print("\n".join(fall_of_noise(trainings)), "\n")
    print("| change | changes | red | red by f1_micro and a tolerance of 0.02 alone |\n|---|---:|---:|---:|")
    single = [n for n, tables in trainings.items() if find_kind(tables[0]) == "single"]
    strong = [n for n in single if compute(trainings[n][0], "single", "f1_micro") >= 2 * FALL]
    for kind in list_changes(trainings, strong[0]):
        n_red, n_loose, n_drawn = 0, 0, 0
        for i, name in enumerate(strong if "one" in kind else strong[:1]):
            draw, n = list_changes(trainings, name)[kind]
            for seed in range(n):
                there, here = draw(np.random.default_rng([i, seed]))
                n_red += judge(there, here).exit_code
                n_loose += falls_beyond(there, here)
                n_drawn += 1
        print(f"| {kind} | {n_drawn} | {n_red} | {n_loose} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["retrain", "table"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--project", type=Path, default=Path.cwd())
    parser.add_argument("--only", nargs="+", default=["mlp_mfcc13"])
    parser.add_argument("--variants", type=int, default=8)
    parser.add_argument("--label", default="seed")
    given = parser.parse_args()
    if given.what == "retrain":
        retrain(given.project, given.out, given.only, given.variants, given.label)
    else:
        print_table(given.out)


if __name__ == "__main__":
    main()
