"""A released network: its description, its inputs from audio, its scores."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ostinato.core.chunks import starts
from ostinato.core.scores import Kind, pool, scores
from ostinato.errors import OstinatoError
from ostinato.inference.inputs import FittedInput
from ostinato.io.files import read_json
from ostinato.io.versions import check_digests, compute_digests

BATCH = 8
"""Chunks run at once: more are no faster, and what they need is held until `ReleasedModel.shrink`."""
REFERENCE = "reference.json"
"""What the training tracks sounded like; see `ostinato.inference.reference`."""
UNSURE_BELOW = 0.5
"""Of releases that do not say."""
HASH_LENGTH = 16
"""Hexadecimal digits of a model's hash."""
NO_PROMISE = "how often its labels are right cannot be promised: its test tracks are too few or too poorly named"


@dataclass(frozen=True)
class Prediction:
    """What a released model makes of one track.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_classes,), dtype=float64]
    embedding : np.ndarray [shape=(width,), dtype=float32]
        The network's last hidden layer, its mean over chunks.
    chunk_scores : np.ndarray [shape=(n_chunks, n_classes), dtype=float64], optional
        Of each chunk of the track; None if the network reads the track as a whole.
    starts : np.ndarray [shape=(n_chunks,), dtype=float64], optional
        When each chunk begins, in seconds.
    chunk_seconds : float, optional
        How long a chunk is.
    """

    scores: np.ndarray
    embedding: np.ndarray
    chunk_scores: np.ndarray | None = None
    starts: np.ndarray | None = None
    chunk_seconds: float | None = None


def _threshold(unsure_below: float | None) -> float:
    """Read the score that labels are sure from; without one none is, however high its score."""
    return float("inf") if unsure_below is None else float(unsure_below)


def _hash_model(folder: Path) -> str:
    """Hash what a model's answers depend on."""
    digests = compute_digests(folder, ("model.json", "network.onnx", REFERENCE))
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:HASH_LENGTH]


class ReleasedModel:
    """A folder of models/released/, ready to be asked.

    Parameters
    ----------
    folder : Path
        With model.json and network.onnx.
    threads : int
        Of ONNX Runtime; 0: as many as there are cores.

    Raises
    ------
    OstinatoError
        If the folder holds no model, one of another shape, or a file that is not the one that was released.
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        import onnxruntime

        if not folder.is_dir():
            raise OstinatoError(f"{folder}: nothing is released for {folder.name}; run `ostinato release`")
        check_digests(folder)
        about = read_json(folder / "model.json")
        self.hash = _hash_model(folder)
        self.reference: dict[str, Any] = read_json(folder / REFERENCE) if (folder / REFERENCE).exists() else {}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.about: dict[str, Any] = about
        try:
            self.name, self.task, self.level = str(about["name"]), str(about["task"]), str(about["level"])
            self.kind: Kind = about["kind"]
            self.classes: tuple[str, ...] = tuple(about["classes"])
            self.embedded = bool(about["dataset"]["embedded"])
            self.inputs = {name: FittedInput.from_dict(given, folder) for name, given in about["inputs"].items()}
            self.thresholds = self._thresholds(about.get("thresholds"))
            self.temperature = float(about.get("temperature", 1.0))
            self.unsure_below = _threshold(about.get("unsure_below", UNSURE_BELOW))
            self.session = onnxruntime.InferenceSession(
                str(folder / "network.onnx"), options, providers=["CPUExecutionProvider"]
            )
        except (KeyError, TypeError) as error:
            raise OstinatoError(f"{folder / 'model.json'}: lacks {error}; run `ostinato release` again") from error
        except Exception as error:
            raise OstinatoError(
                f"{folder / 'network.onnx'}: is no readable network ({error}); release again"
            ) from error
        given = {i.name for i in self.session.get_inputs()}
        if given != set(self.inputs):
            raise OstinatoError(
                f"{folder}: the network takes {sorted(given)}, model.json describes {sorted(self.inputs)}"
            )

    def _thresholds(self, given: Mapping[str, float] | None) -> np.ndarray:
        """Put the score from which on each tag is given in the order of the classes."""
        return np.array([0.5 if given is None else given.get(c, 0.5) for c in self.classes])

    @property
    def rates(self) -> set[int | None]:
        """The sample rates in Hz at which its features are computed; None: that of the file."""
        return {i.parameters.get("sample_rate") for i in self.inputs.values() if i.source == "audio"}

    def compute_inputs(self, context: Any) -> dict[str, np.ndarray]:
        """Compute every input's feature of a track.

        Parameters
        ----------
        context : AudioContext

        Returns
        -------
        dict of str to np.ndarray [shape=(n_frames, n_bins), dtype=float32]
        """
        return {name: i.compute(context) for name, i in self.inputs.items()}

    def embedding(self, rows: Mapping[str, np.ndarray]) -> np.ndarray:
        """Place one track: the mean of its chunks' embeddings, or the direction that the network was trained to give.

        Parameters
        ----------
        rows : mapping of str to np.ndarray [shape=(n_frames, n_bins), dtype=float32]
            As `compute_inputs` gives, or read from the cache.

        Returns
        -------
        np.ndarray [shape=(d,), dtype=float64]
        """
        prediction = self._predict_features(rows)
        return prediction.scores if self.kind == "embedding" else prediction.embedding

    def scores(self, context: Any) -> np.ndarray:
        """Score one track; see `predict`."""
        return self.predict(context).scores

    @property
    def can_score_chunks(self) -> bool:
        """Whether it can score chunks of a track: not if it reads statistics of the whole, or no time."""
        return not any(i.summary or i.frame_seconds is None for i in self.inputs.values())

    def predict(self, context: Any, *, over_time: bool = False) -> Prediction:
        """Score one track and say where it lies among others.

        Parameters
        ----------
        context : AudioContext
            The decoded track; what several inputs or models share is computed once.
        over_time : bool
            Score the chunks of a track too where that costs extra: a stack is
            asked about each as if it were a track.

        Returns
        -------
        Prediction
        """
        return self.predict_features(self.compute_inputs(context), over_time=over_time)

    def predict_features(self, rows: Mapping[str, np.ndarray], *, over_time: bool = False) -> Prediction:
        """Score one track by its features, which `compute_inputs` gives; see `predict`."""
        prediction = self._predict_features(rows)
        if over_time and prediction.chunk_scores is None and self.can_score_chunks:
            return replace(prediction, **self._score_chunks(rows))
        return prediction

    def label(self, track_scores: np.ndarray) -> str | list[str]:
        """Name the class, or the tags from their thresholds on."""
        if self.kind == "single":
            return self.classes[int(track_scores.argmax())]
        return [c for c, s, t in zip(self.classes, track_scores, self.thresholds, strict=True) if s >= t]

    def is_unsure(self, track_scores: np.ndarray) -> bool:
        """Return whether the label is not to be relied on: its score is too low, or no tag reached its threshold."""
        return bool(self.explain_doubt(track_scores))

    def explain_doubt(self, track_scores: np.ndarray) -> list[str]:
        """Return why the scores of a track make its label unsure; each reason begins with "score"."""
        if self.kind != "single":
            return [] if (track_scores >= self.thresholds).any() else ["scores of all tags are below their thresholds"]
        best = float(track_scores.max())
        if self.unsure_below == float("inf"):
            return [f"scores of {self.name}: {NO_PROMISE}"]
        return [f"score {best:.3f}, sure from {self.unsure_below:.3f} on"] if best < self.unsure_below else []

    def predict_row(self, row: Mapping[str, float]) -> Prediction:
        """Score a row of a table and say where it lies among others.

        Parameters
        ----------
        row : mapping of str to float

        Returns
        -------
        Prediction
        """
        return self._predict_features({name: i.compute_row(row) for name, i in self.inputs.items()})

    def _predict_features(self, rows: Mapping[str, np.ndarray]) -> Prediction:
        """Run all chunks of a track, so many at once; a network of tracks takes them whole."""
        if self.level == "track":
            logits, embedding = self._run({n: i.batch(rows[n]) for n, i in self.inputs.items()})
            return Prediction(scores(logits[0] / self.temperature, self.kind), embedding[0])
        counts = {n: i.count_chunks(rows[n]) for n, i in self.inputs.items()}
        most = max(counts.values())
        prepared = {n: i.prepare(rows[n]) for n, i in self.inputs.items()}
        parts = [
            self._run({n: i.cut(prepared[n], most, slice(at, at + BATCH)) for n, i in self.inputs.items()})
            for at in range(0, most, BATCH)
        ]
        logits, embedding = (np.concatenate(part) for part in zip(*parts, strict=True))
        name, first = next(iter(self.inputs.items()))
        length = first.chunk_frames or len(rows[name])
        frame = first.frame_seconds if counts[name] == most else None
        return Prediction(
            scores=scores(pool(logits, self.kind) / self.temperature, self.kind),
            embedding=embedding.mean(axis=0),
            chunk_scores=scores(logits / self.temperature, self.kind),
            starts=None if frame is None else starts(len(rows[name]), length) * frame,
            chunk_seconds=None if frame is None else length * frame,
        )

    def _score_chunks(self, rows: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Ask a network of tracks about one chunk of each input at a time."""
        most = max(i.count_chunks(rows[n]) for n, i in self.inputs.items())
        feeds = {n: i.batch(rows[n], most) for n, i in self.inputs.items()}
        logits = np.concatenate([self._run({n: f[[k]] for n, f in feeds.items()})[0] for k in range(most)])
        name, first = next(iter(self.inputs.items()))
        length, frame = first.chunk_frames or len(rows[name]), first.frame_seconds or 0.0
        return {
            "chunk_scores": scores(logits / self.temperature, self.kind),
            "starts": starts(len(rows[name]), length, most) * frame,
            "chunk_seconds": length * frame,
        }

    def _run(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return logits and embedding of each chunk."""
        return [np.asarray(y) for y in self.session.run(["logits", "embedding"], dict(feeds))]

    def shrink(self) -> None:
        """Let ONNX Runtime give back what it holds beyond one chunk's needs."""
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self.session.run(["logits", "embedding"], self.example(), options)

    def example(self) -> dict[str, np.ndarray]:
        """Return one chunk of noise for each input."""
        rng = np.random.default_rng(0)
        shapes = {i.name: i.shape for i in self.session.get_inputs()}

        def draw(name: str, given: FittedInput) -> np.ndarray:
            if given.source == "lyrics":
                return rng.integers(0, given.bins, (1, given.chunk_frames or 1))
            chunk = (1, given.channels, given.bins, given.chunk_frames or 128)
            return rng.standard_normal((1, shapes[name][1]) if given.summary else chunk, np.float32)

        return {name: draw(name, given) for name, given in self.inputs.items()}
