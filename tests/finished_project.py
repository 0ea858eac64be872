"""A small project as the stages before judging leave it: tracks, splits, predictions, exported files."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

from ostinato.core.params.schema import Validate
from ostinato.core.paths import Paths
from ostinato.core.task import Task
from ostinato.io.files import write_json

GENRES, TAGS = ("blues", "jazz", "rock"), ("calm", "drums", "fast", "voice")
BOUND = {"min": None, "max": None}


def section(**keys):
    return SimpleNamespace(**keys)


class Project:
    """A project folder whose predictions and exports a test makes as good or bad as it likes."""

    def __init__(self, root: Path) -> None:
        self.paths = Paths(root)
        self.params = section(
            seed=3,
            dataset=section(name="folder", path=None),
            validate_=Validate(),
            evaluate=section(confidence=0.95, threshold=0.5),
            gate={
                "genre": {"f1_micro": section(**BOUND | {"min": 0.4})},
                "tags": {"map_macro": section(**BOUND | {"min": 0.3}), "hamming_loss": section(**BOUND | {"max": 0.3})},
            },
            report=section(clips=0),
            release=section(
                max_drop=0.05, keep=5, max_bytes=10_000, max_latency_ratio=None, parity=1e-4, use="research"
            ),
            candidates={
                "good": section(architecture="time", feature="mel", task="genre"),
                "poor": section(architecture="freq", feature="mel", task="genre"),
                "tagger": section(architecture="time", feature="mel", task="tags"),
            },
            estimators={"svm": section(estimator="mfcc_svm", feature="mfcc", task="genre")},
            stacked={"stack": section(architecture="timefreq", task="genre")},
            paper={},
            members={"stack.good": section(of="stack", member="good"), "stack.svm": section(of="stack", member="poor")},
        )
        self.tables()

    def tables(self, n: int = 120, seed: int = 0, folds: int = 0, not_evaluable: int = 0, genres=GENRES) -> None:
        """Write tracks, splits and classes: 5 tracks an artist, artists whole in a split."""
        rng = np.random.default_rng(seed)
        artist = np.arange(n) // 5
        genre = np.array(genres)[artist % len(genres)]
        ids = [f"{genre[i]}/track {i:03d}.wav" for i in range(n)]
        self.tracks = pd.DataFrame(
            {
                "track_id": ids,
                "path": ids,
                "genre": genre,
                "tags": [[t for t in TAGS if rng.random() < 0.4] for _ in range(n)],
                "artist": [f"artist {a}" for a in artist],
                "content_hash": [hashlib.sha256(f"{i} {seed}".encode()).hexdigest() for i in ids],
                "duration": 20 + 10 * rng.random(n),
            }
        )
        rows = []
        evaluable = artist >= not_evaluable
        for fold in range(max(folds, 1)):
            turn = (artist // len(genres)) % max(folds, 4)
            split = np.where(turn == fold, "test", np.where(turn == (fold + 1) % max(folds, 4), "validation", "train"))
            split = np.where(evaluable, split, "train")
            rows.append(
                pd.DataFrame(
                    {
                        "track_id": ids,
                        "fold": fold,
                        "split": split,
                        "group": self.tracks["artist"],
                        "evaluable": evaluable,
                    }
                )
            )
        self.splits = pd.concat(rows, ignore_index=True)
        sound = {"sample_rate": 22050, "bandwidth_share": 1.0, "duration": self.tracks["duration"]}
        files = pd.DataFrame({"track_id": ids, "rms_db": -30 + 20 * rng.random(n), **sound})
        for path, table in (
            (self.paths.tracks, self.tracks),
            (self.paths.splits, self.splits),
            (self.paths.files, files),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            table.to_parquet(path, index=False)
        self.classes = {
            "genre": list(genres),
            "tags": list(TAGS),
            "hash": f"h{seed}{folds}",
            "name": "holdout by artist",
        }
        write_json(self.paths.classes, self.classes)

    def predict(self, name: str, skill: float, task: str = "genre", seed: int = 0, architecture: str = "time") -> None:
        """Write predictions of a skill between 0 (chance) and 1 (always right), and the artefact."""
        labelling = Task(task, tuple(self.classes[task]))
        target = labelling.target(self.splits.merge(self.tracks, on="track_id", how="left"))
        rng = np.random.default_rng([seed, int(1000 * skill)])
        # common random numbers: a more skilled network is right wherever a less skilled one is
        lucky = np.random.default_rng(seed).random((len(target), 1 if task == "genre" else target.shape[1])) < skill
        noise = rng.normal(size=target.shape)
        sure = 8 * target - (4 if task == "tags" else 0)
        logits = np.where(lucky, sure, noise if task == "tags" else noise - 3 * target).astype(np.float32)
        table = self.splits[["track_id", "fold", "split"]].assign(
            logits=list(logits), embedding=list(noise[:, :2].astype(np.float32))
        )
        self.paths.predictions(name).mkdir(parents=True, exist_ok=True)
        (self.paths.predictions(name) / "skipped.json").unlink(missing_ok=True)
        table.to_parquet(self.paths.predictions(name) / "predictions.parquet", index=False)
        write_json(
            self.paths.checkpoints(name) / "artefact.json",
            {
                "name": name,
                "fitter": "lightning",
                "architecture": architecture,
                "task": task,
                "classes": self.classes[task],
                "inputs": {"mel": {"feature": "mel"}},
                "n_parameters": 1234,
            },
        )

    def skip(self, name: str, reason: str = "the dataset has no lyrics") -> None:
        write_json(self.paths.predictions(name) / "skipped.json", {"skipped": reason})

    def evaluate(self, name: str) -> dict:
        from ostinato.stages import evaluate

        evaluate.run(self.paths, section(seed=self.params.seed, evaluate=self.params.evaluate), name)
        return json.loads(self.paths.metrics(name).read_text())

    def gate(self) -> dict:
        from ostinato.stages import gate

        gate.run(self.paths, self.params)
        return json.loads(self.paths.gate.read_text())

    def export(self, name: str, task: str = "genre", weight: float = 1.0, dataset: str = "synthetic", **export) -> Path:
        """Write a tiny network: the logits are the mean over frames of the first bins, times a weight."""
        folder = self.paths.onnx(name)
        folder.mkdir(parents=True, exist_ok=True)
        write_network(folder, self.classes[task], weight)
        write_json(folder / "model.json", description(name, task, self.classes[task], dataset))
        write_json(folder / "export.json", {"accepted": True, "reasons": [], "parity": 1e-6} | export)
        return folder

    def watch(self, name: str, n_folds: int = 1, n_epochs: int = 12, seed: int = 0) -> None:
        """Write the curves that training a network leaves."""
        rng = np.random.default_rng(seed)
        epoch = np.tile(np.arange(n_epochs), n_folds)
        down = np.exp(-epoch / (3 + 3 * rng.random()))
        table = pd.DataFrame(
            {
                "fold": np.repeat(np.arange(n_folds), n_epochs),
                "epoch": epoch,
                "train_loss": 0.1 + 2 * down,
                "val_loss": 0.5 + 1.6 * down + 0.08 * rng.random(len(epoch)),
                "val_score": 0.8 - 0.6 * down + 0.05 * rng.random(len(epoch)),
            }
        )
        self.paths.checkpoints(name).mkdir(parents=True, exist_ok=True)
        table.to_csv(self.paths.checkpoints(name) / "curves.csv", index=False)

    def quarantine(self, **reasons: int) -> None:
        """Write how many tracks were left out, per reason."""
        rows = [(f"{r}{i}", f"{r}{i}.wav", r.replace("_", " "), "-") for r, n in reasons.items() for i in range(n)]
        table = pd.DataFrame(rows, columns=["track_id", "path", "reason", "evidence"], dtype=str)
        table.to_parquet(self.paths.quarantine, index=False)

    def report(self) -> str:
        from ostinato.stages import report

        report.run(self.paths, self.params)
        return (self.paths.report / "index.html").read_text()

    def make_candidates(self, **skills: float) -> None:
        """Predict, evaluate, gate and export candidates of params."""
        every = {**self.params.candidates, **self.params.estimators, **self.params.stacked}
        for name, entry in every.items():
            if name in skills:
                self.predict(name, skills[name], entry.task)
            else:
                self.skip(name)
            self.evaluate(name)
        self.gate()
        for name in skills:
            self.export(name, every[name].task, weight=skills[name])


def description(name: str, task: str, classes: list[str], dataset: str = "synthetic") -> dict:
    return {
        "name": name,
        "task": task,
        "kind": Task(task, tuple(classes)).kind,
        "classes": classes,
        "architecture": "time",
        "level": "chunk",
        "inputs": {
            "mel": {
                "feature": "mel",
                "parameters": {"sample_rate": 8000, "n_mels": 8},
                "normalise": "none",
                "chunk_frames": 16,
                "bins": 8,
                "channels": 1,
                "summary": False,
            }
        },
        "dataset": {"name": dataset, "embedded": dataset == "synthetic", "n_tracks": 120},
        "thresholds": {c: 0.5 for c in classes} if task == "tags" else None,
    }


def write_network(folder: Path, classes: list[str], weight: float) -> None:
    """Write network.onnx: (batch, 1, 8, frames) -> logits (batch, n_classes) and embedding."""
    matrix = (weight * np.eye(8, len(classes))).astype(np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["mel", "axes"], ["embedding"], keepdims=0),
        helper.make_node("MatMul", ["embedding", "matrix"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, ["batch", 1, 8, "frames"])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(classes)]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 8]),
        ],
        [numpy_helper.from_array(np.array([1, 3]), "axes"), numpy_helper.from_array(matrix, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, str(folder / "network.onnx"))
