"""A released network: its description, its inputs from audio, its scores."""

import hashlib
import json
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ostinato import features
from ostinato.core import registry
from ostinato.core.chunks import normalise, starts, take
from ostinato.core.inputs import Input
from ostinato.core.scores import Kind, pool, scores
from ostinato.errors import OstinatoError
from ostinato.io.files import read_json
from ostinato.io.versions import check_digests, compute_digests

BATCH = 8
"""Chunks run at once: more are no faster, and what they need is held until `Released.shrink`."""
RUNS = 30
REFERENCE = "reference.json"
"""What the training tracks sounded like; see `ostinato.inference.reference`."""
UNSURE_BELOW = 0.5
"""Of releases that do not say."""
HASH_LENGTH = 16
"""Hexadecimal digits of a model's hash."""
NO_PROMISE = "how often its labels are right cannot be promised: its test tracks are too few or too poorly named"


@dataclass(frozen=True, kw_only=True)
class FittedInput(Input):
    """An input that can be computed: with what was fitted on the training tracks.

    Parameters
    ----------
    mean, std : np.ndarray [shape=(n_bins,)], optional
        Of the training tracks.
    """

    mean: np.ndarray | None = None
    std: np.ndarray | None = None

    @classmethod
    def from_dict(cls, description: Mapping[str, Any], folder: Path | None = None) -> "FittedInput":
        """Read an entry of model.json; files that its feature reads stand beside that, in `folder`."""
        named: dict[str, Any] = {
            f.name: description[f.name] for f in fields(cls) if description.get(f.name) is not None
        }
        for name in {"mean", "std"} & named.keys():
            named[name] = np.asarray(named[name], np.float32)
        if folder is not None:
            named["parameters"] = features.locate(named["parameters"], folder)
        return cls(**named)

    @property
    def frame_seconds(self) -> float | None:
        """Time from one frame to the next; None if the feature has no frames in time."""
        return features.seconds_per_row(self.feature, self.parameters)

    @property
    def min_seconds(self) -> float:
        """The shortest track that it can be computed of; 0: of any."""
        return features.min_seconds(self.feature, self.parameters)

    def rows(self, context: Any) -> np.ndarray:
        """Compute the feature of a track at the precision of the cache that the network was trained on.

        Parameters
        ----------
        context : AudioContext

        Returns
        -------
        np.ndarray [shape=(n_frames, n_bins), dtype=float32]

        Raises
        ------
        OstinatoError
            If it is computed from something else than audio.
        """
        if self.source != "audio":
            raise OstinatoError(f"the released model reads {self.feature}, which a file of audio does not hold")
        rows = registry.load("ostinato.features", self.feature).compute(context, **self.parameters)
        return np.asarray(rows, np.float16).astype(np.float32)

    def compute_row(self, row: Mapping[str, float]) -> np.ndarray:
        """Compute the feature of a row of a table.

        Raises
        ------
        OstinatoError
            If the row lacks something, or the feature is of something else.
        """
        self.check(row)
        rows: np.ndarray = registry.load("ostinato.features", self.feature).compute(row, **self.parameters)
        return rows.astype(np.float32)

    def check(self, columns: Collection[str]) -> None:
        """Refuse a table that lacks a column which the feature is made of.

        Raises
        ------
        OstinatoError
            If it does; the message names all that are lacking.
        """
        needed = getattr(registry.load("ostinato.features", self.feature), "COLUMNS", ())
        absent = [name for name in needed if name not in columns]
        if len(absent) == len(needed):
            raise OstinatoError(f"the released model reads {self.feature}, which the table does not hold")
        if absent:
            raise OstinatoError(
                f"has no column {', '.join(absent)}, which the released model reads; add what is lacking"
            )

    def n_chunks(self, rows: np.ndarray) -> int:
        """Count the chunks that cover a track."""
        return len(starts(len(rows), self.chunk_frames or len(rows)))

    def batch(self, rows: np.ndarray, n_chunks: int | None = None) -> np.ndarray:
        """Make the network's input of a track's feature.

        Parameters
        ----------
        rows : np.ndarray [shape=(n_frames, n_bins), dtype=float32]
        n_chunks : int, optional
            Where another input of the same network needs more.

        Returns
        -------
        np.ndarray [dtype=float32]
            (n_chunks, channels, bins, chunk_frames), or (1, d) for a summary.
        """
        return self.cut(self.prepare(rows), n_chunks)

    def prepare(self, rows: np.ndarray) -> np.ndarray:
        """Do what needs the whole of a track's feature before `cut`: sum it up or standardise it as a whole."""
        if self.summary:
            from ostinato.core.summary import vector

            return vector(rows, self.source)[np.newaxis]
        return normalise(rows.T, "track").T if self.normalise == "track" else rows

    def cut(self, prepared: np.ndarray, n_chunks: int | None = None, part: slice = slice(None)) -> np.ndarray:
        """Cut some chunks of what `prepare` gives; all of them make the same as `batch`.

        Parameters
        ----------
        prepared : np.ndarray
        n_chunks : int, optional
            Of the whole track.
        part : slice
            Which of them.

        Returns
        -------
        np.ndarray [dtype=float32]
        """
        if self.summary:
            return prepared[part]
        length = self.chunk_frames or len(prepared)
        chunks = np.stack([take(prepared, start, length) for start in starts(len(prepared), length, n_chunks)[part]])
        if self.normalise == "track":
            return chunks
        return normalise(chunks, self.normalise, self.mean, self.std).astype(np.float32)


@dataclass(frozen=True)
class Prediction:
    """What a released model makes of one track.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_classes,), dtype=float64]
    embedding : np.ndarray [shape=(width,), dtype=float32]
        The network's last hidden layer, its mean over chunks.
    chunk_scores : np.ndarray [shape=(n_chunks, n_classes), dtype=float64], optional
        Of each stretch of the track; None if the network hears the track as a whole.
    starts : np.ndarray [shape=(n_chunks,), dtype=float64], optional
        When each stretch begins, in seconds.
    chunk_seconds : float, optional
        How long a stretch is.
    profiles : mapping of str to np.ndarray [shape=(n_bins,)]
        Mean over time of each input that is computed from sound.
    """

    scores: np.ndarray
    embedding: np.ndarray
    chunk_scores: np.ndarray | None = None
    starts: np.ndarray | None = None
    chunk_seconds: float | None = None
    profiles: Mapping[str, np.ndarray] = field(default_factory=dict)


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

    def rows(self, context: Any) -> dict[str, np.ndarray]:
        """Compute every input's feature of a track.

        Parameters
        ----------
        context : AudioContext

        Returns
        -------
        dict of str to np.ndarray [shape=(n_frames, n_bins), dtype=float32]
        """
        return {name: i.rows(context) for name, i in self.inputs.items()}

    def embedding(self, rows: Mapping[str, np.ndarray]) -> np.ndarray:
        """Place one track: the mean of its chunks' embeddings, or the direction that the network was trained to give.

        Parameters
        ----------
        rows : mapping of str to np.ndarray [shape=(n_frames, n_bins), dtype=float32]
            As `rows` gives, or read from the cache.

        Returns
        -------
        np.ndarray [shape=(d,), dtype=float64]
        """
        heard = self._predict_features(rows)
        return heard.scores if self.kind == "embedding" else heard.embedding

    def scores(self, context: Any) -> np.ndarray:
        """Score one track; see `hear`."""
        return self.predict(context).scores

    @property
    def has_stretches(self) -> bool:
        """Whether it can say what a stretch of a track is: not if it reads statistics of the whole, or no time."""
        return not any(i.summary or i.frame_seconds is None for i in self.inputs.values())

    def predict(self, context: Any, *, over_time: bool = False) -> Prediction:
        """Score one track and say where it lies among others.

        Parameters
        ----------
        context : AudioContext
            The decoded track; what several inputs or models share is computed once.
        over_time : bool
            Score the stretches of a track too where that costs extra: a stack is
            asked about each as if it were a track.

        Returns
        -------
        Prediction
        """
        rows = self.rows(context)
        means = {n: rows[n].mean(axis=0) for n, given in self.inputs.items() if given.source == "audio"}
        heard = replace(self._predict_features(rows), profiles=means)
        if over_time and heard.chunk_scores is None and self.has_stretches:
            return replace(heard, **self._stretches(rows))
        return heard

    def label(self, track_scores: np.ndarray) -> str | list[str]:
        """Name the class, or the tags from their thresholds on."""
        if self.kind == "single":
            return self.classes[int(track_scores.argmax())]
        return [c for c, s, t in zip(self.classes, track_scores, self.thresholds, strict=True) if s >= t]

    def unsure(self, track_scores: np.ndarray) -> bool:
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
        most = max(i.n_chunks(rows[n]) for n, i in self.inputs.items())
        prepared = {n: i.prepare(rows[n]) for n, i in self.inputs.items()}
        parts = [
            self._run({n: i.cut(prepared[n], most, slice(at, at + BATCH)) for n, i in self.inputs.items()})
            for at in range(0, most, BATCH)
        ]
        logits, embedding = (np.concatenate(part) for part in zip(*parts, strict=True))
        name, first = next(iter(self.inputs.items()))
        length = first.chunk_frames or len(rows[name])
        frame = first.frame_seconds if first.n_chunks(rows[name]) == most else None
        return Prediction(
            scores=scores(pool(logits, self.kind) / self.temperature, self.kind),
            embedding=embedding.mean(axis=0),
            chunk_scores=scores(logits / self.temperature, self.kind),
            starts=None if frame is None else starts(len(rows[name]), length) * frame,
            chunk_seconds=None if frame is None else length * frame,
        )

    def _stretches(self, rows: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Ask a network of tracks about one chunk of each input at a time."""
        most = max(i.n_chunks(rows[n]) for n, i in self.inputs.items())
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


def latency_ms(folder: Path) -> float:
    """Time a released network on one chunk.

    Parameters
    ----------
    folder : Path
        With model.json and network.onnx.

    Returns
    -------
    float
        Median in milliseconds, on one thread, after warming up.
    """
    model = ReleasedModel(folder, threads=1)
    taken = _seconds([model], [model.example()])
    return float(1000 * np.median(taken[len(taken) // 5 :]))


def latency_ratio(new: Path, old: Path) -> float:
    """Time two released networks on one chunk each, in turn.

    Parameters
    ----------
    new, old : Path
        Folders with model.json and network.onnx.

    Returns
    -------
    float
        Median time of the new one by that of the old one, on one thread.
    """
    models = [ReleasedModel(folder, threads=1) for folder in (new, old)]
    return _ratio(_seconds(models, [m.example() for m in models]))


def _seconds(models: Iterable[ReleasedModel], feeds: Iterable[Mapping[str, np.ndarray]]) -> np.ndarray:
    pairs = list(zip(models, feeds, strict=True))
    taken = np.zeros((RUNS, len(pairs)))
    for run in range(RUNS):
        for which, (model, feed) in enumerate(pairs):
            begin = time.perf_counter()
            model._run(feed)
            taken[run, which] = time.perf_counter() - begin
    return taken


def _ratio(seconds: np.ndarray) -> float:
    """Divide the medians, the first runs left out since they warm caches."""
    new, old = np.median(seconds[len(seconds) // 5 :], axis=0)
    return float(new / old)
