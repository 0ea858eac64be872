"""Measure how often `ostinato compare` flags a harmless change, and how often it detects a planted drop.

``python -m bench.compare retrain OUT --project DIR --only NAME... --variants N`` trains
candidates of a project again with other seeds and writes the scores of their test tracks to
``OUT/<variant>/<name>.csv``. To train with the same seed on another kind of processor, set
``ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OMP_NUM_THREADS=2`` or the like and pass
``--label`` and ``--variants 0``.

``python -m bench.compare table OUT`` simulates changes of a project of 31 candidates from
those trainings and prints how many of them are red.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ostinato.core.scores import Kind, labels
from ostinato.core.task import COLUMNS, Task
from ostinato.evaluation.classification import get_metrics
from ostinato.evaluation.compare import Settings, compare
from ostinato.evaluation.evidence import Evidence, Pair, compare_pair, draw_swaps, pair_tables, share_alpha
from ostinato.evaluation.revision import Revision
from ostinato.evaluation.score_table import ScoreTable, format_scores, parse_scores, write_scores
from ostinato.io.files import read_json

GATE = {
    "genre": {"f1_micro": {"min": 0.4}},
    "tags": {"map_macro": {"min": 0.3}, "hamming_loss": {"max": 0.3}},
}
SETTINGS = Settings(0.02, 0.05, GATE, 0.5, 0.95, 0)
METRIC, DROP = "f1_micro", 0.15
Tables = Mapping[str, ScoreTable]


def retrain(project: Path, out: Path, names: list[str], variants: int, label: str) -> None:
    """Train candidates again and write the scores of their test tracks."""
    import pandas as pd

    from ostinato.core import params
    from ostinato.core.paths import Paths
    from ostinato.evaluation.predictions import KEYS, join_labels
    from ostinato.stages import infer, train

    paths = Paths(project)
    every = params.load(paths.params)
    tracks, splits = pd.read_parquet(paths.tracks), pd.read_parquet(paths.splits)
    seed = every.seed
    for variant in range(variants) if variants else [label]:
        for name in names:
            settings: Any = params.only(every, train.SECTIONS)
            settings.seed = seed + 1 + variant if isinstance(variant, int) else seed
            train.run(paths, settings, name)
            infer.run(paths, params.only(every, infer.SECTIONS), name)
            artefact = read_json(paths.checkpoints(name) / "artefact.json")
            task = Task(artefact["task"], tuple(artefact["classes"]))
            predictions = pd.read_parquet(paths.predictions(name) / "predictions.parquet", columns=[*KEYS, "logits"])
            rows = join_labels(predictions, splits, tracks, task, "test")
            write_scores(out / f"{label}{variant if isinstance(variant, int) else ''}" / f"{name}.csv",
                         rows, task.classes, task.kind, 0.5)  # fmt: skip
            print(variant, name, flush=True)


def read_trainings(folder: Path) -> dict[str, list[ScoreTable]]:
    """Read the scores of every training, by candidate; candidates trained only once are left out."""
    trainings: dict[str, list[ScoreTable]] = {}
    for path in sorted(folder.glob("*/*.csv")):
        kind: Kind = "multi" if "tags" in path.stem else "single"
        trainings.setdefault(path.stem, []).append(parse_scores(path.read_text(), kind, str(path)))
    return {name: tables for name, tables in trainings.items() if len(tables) > 1}


def to_revision(label: str, tables: Tables) -> Revision:
    """Return the revision that holds these scores."""
    metrics, scores = {}, {}
    for name, table in tables.items():
        kind = find_kind(table)
        task = next(t for t, k in COLUMNS.items() if k == kind)
        test = {m: {"value": compute_metric(table, kind, m)} for m in GATE[task]}
        split = {"hash": "same", "n_test": len(table.rows)}
        metrics[name] = {"task": task, "architecture": "any", "split": split, "test": test}
        scores[name] = format_scores(table.rows, table.classes, kind, 0.5)
    return Revision(label, metrics, scores, {}, {"candidates": {key: {} for key in tables}})


def find_kind(table: ScoreTable) -> Kind:
    """Return "multi" if any track has not exactly one label."""
    return "single" if (table.rows.target.sum(axis=1) == 1).all() else "multi"


def compute_metric(table: ScoreTable, kind: Kind, metric: str) -> float:
    measure = get_metrics(kind)[metric]
    return measure.function(preds=measure.prepare(table.rows.scores, kind, 0.5), target=table.rows.target)


class Comparison:
    """Compares as `ostinato compare` does, and caches the result of each pair of trainings, since draws repeat them."""

    def __init__(self) -> None:
        self.pairs: dict[tuple[int, int], tuple[Pair, Evidence]] = {}
        self.gains: dict[tuple[int, int, int], np.ndarray] = {}
        self.n_checks = 1

    def is_red(self, there: Tables, here: Tables) -> bool:
        """Return whether any candidate is worse."""
        keys = [(id(there[n]), id(here[n])) for n in there if there[n] is not here[n]]
        for (old, new), n in zip(keys, (n for n in there if there[n] is not here[n]), strict=True):
            if (old, new) not in self.pairs:
                pair = pair_tables(here[n], there[n], find_kind(here[n]), 0.5)
                assert pair is not None
                self.pairs[old, new] = (
                    pair,
                    compare_pair(pair, METRIC, confidence=SETTINGS.confidence, seed=SETTINGS.seed),
                )
        evidence = [self.pairs[key][1] for key in keys]
        floors = [max(SETTINGS.tolerance, 2 / len(self.pairs[key][0].new)) for key in keys]
        if len([e for e in evidence if e.p_least < 0.5]) > 1:
            together = self._test_together(keys)
            evidence, floors = [*evidence, together], [*floors, SETTINGS.tolerance]
        level = share_alpha([e.p_least for e in evidence], SETTINGS.alpha)
        red = any(e.p <= level and e.gain < -f - 1e-9 for e, f in zip(evidence, floors, strict=True))
        if self.n_checks:
            self.n_checks -= 1
            full = compare(to_revision("here", here), to_revision("there", there), SETTINGS)
            assert bool(full.exit_code) == red, full.markdown
        return red

    def _test_together(self, keys: list[tuple[int, int]]) -> Evidence:
        """Test all candidates at once; draws in which as many artists differ share their swaps."""
        pairs = [self.pairs[key][0] for key in keys]
        groups = np.unique(np.concatenate([pair.find_differing_groups(METRIC) for pair in pairs]))
        swaps = draw_swaps(len(groups), SETTINGS.seed)
        for key, pair in zip(keys, pairs, strict=True):
            if (*key, len(groups)) not in self.gains:
                self.gains[*key, len(groups)] = pair.compute_gains(METRIC, groups, swaps)
        gains = np.round(np.stack([self.gains[*key, len(groups)] for key in keys]).mean(axis=0), 9)
        p = float((gains < gains[0]).mean() + (gains == gains[0]).mean() / 2)
        return Evidence(float(gains[0]), np.nan, np.nan, p, 0.5 / len(swaps), "all together")


def plant(table: ScoreTable, rng: np.random.Generator) -> ScoreTable:
    """Make right tracks wrong, as many as make `DROP`, by swapping the score of the right class with another."""
    scores, target = table.rows.scores.copy(), table.rows.target
    right = np.flatnonzero(target[np.arange(len(target)), scores.argmax(axis=1)] > 0)
    n = int(np.ceil(DROP * len(scores)))
    for i in rng.choice(right, min(n, len(right)), replace=False):
        true = scores[i].argmax()
        other = rng.choice([j for j in range(scores.shape[1]) if j != true])
        scores[i, [true, other]] = scores[i, [other, true]]
    return replace(table, rows=replace(table.rows, scores=scores))


def describe_noise(trainings: Mapping[str, list[ScoreTable]]) -> list[str]:
    """Describe how the trainings of a candidate differ: the range of the first metric and how many labels change."""
    lines = [
        "| candidate | trainings | metric | minimum, median, maximum | tracks whose labels differ between two |",
        "|---|---:|---|---|---:|",
    ]
    for name, tables in trainings.items():
        kind = find_kind(tables[0])
        metric = next(iter(GATE["genre" if kind == "single" else "tags"]))
        values = [compute_metric(t, kind, metric) for t in tables]
        preds = [labels(t.rows.scores, kind, 0.5) for t in tables]
        pairs = [(a != b).any(axis=1).sum() for i, a in enumerate(preds) for b in preds[:i]]
        low, middle, high = np.quantile(values, [0, 0.5, 1])
        lines.append(
            f"| {name} | {len(tables)} | {metric} | {low:.3f}, {middle:.3f}, {high:.3f} | {np.mean(pairs):.1f} |"
        )
    return lines


Change = Callable[[np.random.Generator], tuple[Tables, Tables]]


def list_changes(trainings: Mapping[str, list[ScoreTable]], n_candidates: int) -> dict[str, tuple[Change, int]]:
    """Return the kinds of changes, with a function that draws one and the number to draw.

    Each simulated candidate is one of the trained ones, by one training before the change and another after it.
    """
    pool = list(trainings.values())

    def retrain_all(rng: np.random.Generator) -> tuple[Tables, Tables]:
        there, here = {}, {}
        for i in range(n_candidates):
            tables = pool[rng.integers(len(pool))]
            old, new = rng.choice(len(tables), 2, replace=False)
            there[f"c{i}"], here[f"c{i}"] = tables[old], tables[new]
        return there, here

    def retrain_one(rng: np.random.Generator) -> tuple[Tables, Tables]:
        there, here = retrain_all(rng)
        return there, {**there, "c0": here["c0"]}

    def plant_in_one(rng: np.random.Generator) -> tuple[Tables, Tables]:
        there, _ = retrain_all(rng)
        return there, {**there, "c0": plant(there["c0"], rng)}

    def plant_in_one_retrain_others(rng: np.random.Generator) -> tuple[Tables, Tables]:
        there, here = retrain_all(rng)
        return there, {**here, "c0": plant(there["c0"], rng)}

    def plant_in_all(rng: np.random.Generator) -> tuple[Tables, Tables]:
        there, here = retrain_all(rng)
        return there, {n: plant(t, rng) for n, t in here.items()}

    return {
        "every candidate trained again": (retrain_all, 100),
        "one candidate trained again, the others unchanged": (retrain_one, 100),
        "a drop of 0.15 in one, the others unchanged": (plant_in_one, 100),
        "a drop of 0.15 in one, the others trained again": (plant_in_one_retrain_others, 100),
        "a drop of 0.15 in every one, and all trained again": (plant_in_all, 20),
    }


def exceeds_tolerance(there: Tables, here: Tables, tolerance: float = 0.02) -> bool:
    """Return whether F1 alone, which is the share of right tracks, drops beyond a fixed tolerance."""
    values = [[_share_right(side[n]) for side in (there, here)] for n in there if there[n] is not here[n]]
    return any(new < old - tolerance - 1e-9 for old, new in values)


def _share_right(table: ScoreTable) -> float:
    return float((table.rows.scores.argmax(axis=1) == table.rows.target.argmax(axis=1)).mean())


def print_table(folder: Path, n_candidates: int) -> None:
    """Print how many changes are red."""
    trainings = read_trainings(folder)
    print("\n".join(describe_noise(trainings)), "\n")
    print("| kind of change | changes | red | red by F1 and a tolerance of 0.02 alone |\n|---|---:|---:|---:|")
    for kind, (draw, n) in list_changes(trainings, n_candidates).items():
        changes, comparison = [draw(np.random.default_rng(seed)) for seed in range(n)], Comparison()
        n_red = sum(comparison.is_red(there, here) for there, here in changes)
        print(f"| {kind} | {n} | {n_red} | {sum(exceeds_tolerance(*pair) for pair in changes)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["retrain", "table"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--project", type=Path, default=Path.cwd())
    parser.add_argument("--only", nargs="+", default=["mlp_mfcc13"])
    parser.add_argument("--variants", type=int, default=8)
    parser.add_argument("--label", default="seed")
    parser.add_argument("--candidates", type=int, default=31)
    args = parser.parse_args()
    if args.what == "retrain":
        retrain(args.project, args.out, args.only, args.variants, args.label)
    else:
        print_table(args.out, args.candidates)


if __name__ == "__main__":
    main()
