"""A released model: its metadata, inputs and scores."""

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
"""Chunks per run: more are no faster, and their memory is held until `ReleasedModel.shrink`."""
REFERENCE = "reference.json"
"""Sound of the training tracks; see `ostinato.inference.reference`."""
UNSURE_BELOW = 0.5
"""Default of releases without the key."""
HASH_LENGTH = 16
"""Hexadecimal digits of the hash of a model."""
NO_PROMISE = "how often its labels are right cannot be guaranteed: it has too few test tracks, or is wrong on too many"


@dataclass(frozen=True)
class Prediction:
    """Prediction of one track.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_classes,), dtype=float64]
    embedding : np.ndarray [shape=(width,), dtype=float32]
        Last hidden layer of the network, averaged over chunks.
    chunk_scores : np.ndarray [shape=(n_chunks, n_classes), dtype=float64], optional
        Scores of each chunk; None if the network reads the track as a whole.
    starts : np.ndarray [shape=(n_chunks,), dtype=float64], optional
        Start of each chunk, in seconds.
    chunk_seconds : float, optional
        Duration of a chunk.
    """

    scores: np.ndarray
    embedding: np.ndarray
    chunk_scores: np.ndarray | None = None
    starts: np.ndarray | None = None
    chunk_seconds: float | None = None


def _threshold(unsure_below: float | None) -> float:
    """Return the score from which on a label is sure; infinity if there is none."""
    return float("inf") if unsure_below is None else float(unsure_below)


def _hash_model(folder: Path, known: Mapping[str, str]) -> str:
    """Hash the files that the predictions of a model depend on; `known` has digests of some."""
    names = ("model.json", "network.onnx", REFERENCE)
    digests = {name: known[name] for name in names if name in known}
    digests |= compute_digests(folder, [name for name in names if name not in known])
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:HASH_LENGTH]


class ReleasedModel:
    """A model of models/released/, ready for prediction.

    Parameters
    ----------
    folder : Path
        Folder with model.json and network.onnx.
    threads : int
        Threads of ONNX Runtime; 0: one per core.

    Raises
    ------
    OstinatoError
        If the folder holds no model, a damaged one, or a file that differs from the one released.
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        import onnxruntime

        if not folder.is_dir():
            raise OstinatoError(f"{folder}: nothing is released for {folder.name}; run `ostinato release`")
        digests = check_digests(folder)
        metadata = read_json(folder / "model.json")
        self.hash = _hash_model(folder, digests)
        self.reference: dict[str, Any] = read_json(folder / REFERENCE) if (folder / REFERENCE).exists() else {}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.metadata: dict[str, Any] = metadata
        try:
            self.name, self.task, self.level = str(metadata["name"]), str(metadata["task"]), str(metadata["level"])
            self.kind: Kind = metadata["kind"]
            self.classes: tuple[str, ...] = tuple(metadata["classes"])
            self.embedded = bool(metadata["dataset"]["embedded"])
            self.inputs = {name: FittedInput.from_dict(entry, folder) for name, entry in metadata["inputs"].items()}
            self.thresholds = self._thresholds(metadata.get("thresholds"))
            self.temperature = float(metadata.get("temperature", 1.0))
            self.unsure_below = _threshold(metadata.get("unsure_below", UNSURE_BELOW))
            self.session = onnxruntime.InferenceSession(
                str(folder / "network.onnx"), options, providers=["CPUExecutionProvider"]
            )
        except (KeyError, TypeError) as error:
            raise OstinatoError(f"{folder / 'model.json'}: lacks {error}; run `ostinato release` again") from error
        except Exception as error:
            raise OstinatoError(
                f"{folder / 'network.onnx'}: is not a readable network ({error}); release it again"
            ) from error
        names = {i.name for i in self.session.get_inputs()}
        if names != set(self.inputs):
            raise OstinatoError(
                f"{folder}: the network takes {sorted(names)}, model.json describes {sorted(self.inputs)}"
            )

    def _thresholds(self, by_tag: Mapping[str, float] | None) -> np.ndarray:
        """Return the threshold of each tag, in the order of the classes."""
        return np.array([0.5 if by_tag is None else by_tag.get(c, 0.5) for c in self.classes])

    @property
    def rates(self) -> set[int | None]:
        """Sample rates in Hz of its features; None: that of the file."""
        return {i.parameters.get("sample_rate") for i in self.inputs.values() if i.source == "audio"}

    def compute_inputs(self, context: Any) -> dict[str, np.ndarray]:
        """Compute the feature of each input for a track.

        Parameters
        ----------
        context : AudioContext

        Returns
        -------
        dict of str to np.ndarray [shape=(n_frames, n_bins), dtype=float32]
        """
        return {name: i.compute(context) for name, i in self.inputs.items()}

    def embedding(self, rows: Mapping[str, np.ndarray]) -> np.ndarray:
        """Embed one track: the mean embedding of its chunks, or the output of a network trained to embed.

        Parameters
        ----------
        rows : mapping of str to np.ndarray [shape=(n_frames, n_bins), dtype=float32]
            From `compute_inputs`, or from the cache.

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
        """Whether it can score chunks: not if it reads statistics of the whole track, or features without time."""
        return not any(i.summary or i.frame_seconds is None for i in self.inputs.values())

    def predict(self, context: Any, *, over_time: bool = False) -> Prediction:
        """Score and embed one track.

        Parameters
        ----------
        context : AudioContext
            The decoded track; features that several inputs or models share are computed once.
        over_time : bool
            Score the chunks of a track, even at extra cost: a stack scores each chunk
            as if it were a track.

        Returns
        -------
        Prediction
        """
        return self.predict_features(self.compute_inputs(context), over_time=over_time)

    def predict_features(self, rows: Mapping[str, np.ndarray], *, over_time: bool = False) -> Prediction:
        """Score and embed one track by its features, from `compute_inputs`; see `predict`."""
        prediction = self._predict_features(rows)
        if over_time and prediction.chunk_scores is None and self.can_score_chunks:
            return replace(prediction, **self._score_chunks(rows))
        return prediction

    def label(self, track_scores: np.ndarray) -> str | list[str]:
        """Return the class, or the tags that reach their thresholds."""
        if self.kind == "single":
            return self.classes[int(track_scores.argmax())]
        return [c for c, s, t in zip(self.classes, track_scores, self.thresholds, strict=True) if s >= t]

    def is_unsure(self, track_scores: np.ndarray) -> bool:
        """Return whether a label is unreliable: its score is too low, or no tag reaches its threshold."""
        return bool(self.explain_doubt(track_scores))

    def explain_doubt(self, track_scores: np.ndarray) -> list[str]:
        """Return the reasons why scores make a label unsure; each begins with "score"."""
        if self.kind != "single":
            return [] if (track_scores >= self.thresholds).any() else ["scores of all tags are below their thresholds"]
        best = float(track_scores.max())
        if self.unsure_below == float("inf"):
            return [f"scores of {self.name}: {NO_PROMISE}"]
        return [f"score {best:.3f}, sure from {self.unsure_below:.3f} on"] if best < self.unsure_below else []

    def predict_row(self, row: Mapping[str, float]) -> Prediction:
        """Score and embed a row of a table.

        Parameters
        ----------
        row : mapping of str to float

        Returns
        -------
        Prediction
        """
        return self._predict_features({name: i.compute_row(row) for name, i in self.inputs.items()})

    def _predict_features(self, rows: Mapping[str, np.ndarray]) -> Prediction:
        """Run the network on the chunks of a track in batches, or on the whole track."""
        if self.level == "track":
            logits, embedding = self._run({n: i.batch(rows[n]) for n, i in self.inputs.items()})
            return Prediction(scores(logits[0] / self.temperature, self.kind), embedding[0])
        counts = {n: i.count_chunks(rows[n]) for n, i in self.inputs.items()}
        n_chunks = max(counts.values())
        prepared = {n: i.prepare(rows[n]) for n, i in self.inputs.items()}
        parts = [
            self._run({n: i.cut(prepared[n], n_chunks, slice(k, k + BATCH)) for n, i in self.inputs.items()})
            for k in range(0, n_chunks, BATCH)
        ]
        logits, embedding = (np.concatenate(part) for part in zip(*parts, strict=True))
        name, first = next(iter(self.inputs.items()))
        length = first.chunk_frames or len(rows[name])
        frame = first.frame_seconds if counts[name] == n_chunks else None
        return Prediction(
            scores=scores(pool(logits, self.kind) / self.temperature, self.kind),
            embedding=embedding.mean(axis=0),
            chunk_scores=scores(logits / self.temperature, self.kind),
            starts=None if frame is None else starts(len(rows[name]), length) * frame,
            chunk_seconds=None if frame is None else length * frame,
        )

    def _score_chunks(self, rows: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Score one chunk of each input at a time by a network of whole tracks."""
        n_chunks = max(i.count_chunks(rows[n]) for n, i in self.inputs.items())
        feeds = {n: i.batch(rows[n], n_chunks) for n, i in self.inputs.items()}
        logits = np.concatenate([self._run({n: f[[k]] for n, f in feeds.items()})[0] for k in range(n_chunks)])
        name, first = next(iter(self.inputs.items()))
        length, frame = first.chunk_frames or len(rows[name]), first.frame_seconds or 0.0
        return {
            "chunk_scores": scores(logits / self.temperature, self.kind),
            "starts": starts(len(rows[name]), length, n_chunks) * frame,
            "chunk_seconds": length * frame,
        }

    def _run(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return logits and embeddings of chunks."""
        return [np.asarray(y) for y in self.session.run(["logits", "embedding"], dict(feeds))]

    def shrink(self) -> None:
        """Let ONNX Runtime free memory beyond the needs of one chunk."""
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self.session.run(["logits", "embedding"], self.example(), options)

    def example(self) -> dict[str, np.ndarray]:
        """Return one chunk of noise for each input."""
        rng = np.random.default_rng(0)
        shapes = {i.name: i.shape for i in self.session.get_inputs()}

        def draw(name: str, model_input: FittedInput) -> np.ndarray:
            if model_input.source == "lyrics":
                return rng.integers(0, model_input.bins, (1, model_input.chunk_frames or 1))
            chunk = (1, model_input.channels, model_input.bins, model_input.chunk_frames or 128)
            return rng.standard_normal((1, shapes[name][1]) if model_input.summary else chunk, np.float32)

        return {name: draw(name, model_input) for name, model_input in self.inputs.items()}
