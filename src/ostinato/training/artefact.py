"""Artefacts of training: weights as safetensors or ONNX, and artefact.json that says how to use them."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from ostinato.core.inputs import Input
from ostinato.core.task import Task
from ostinato.errors import DataError, OstinatoError
from ostinato.io.files import atomic_write, read_json, write_json
from ostinato.training import factory

if TYPE_CHECKING:
    from torch import Tensor, nn

Fold: TypeAlias = int | Literal["final"]
FILE = "artefact.json"
SKIPPED = "skipped.json"
REFERENCE = "reference.npz"
N_REFERENCES = 64


class Frozen(BaseModel):
    """A value that does not change, with no other keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Artefact(Frozen):
    """A fitted candidate.

    Parameters
    ----------
    name : str
    fitter : {"lightning", "sklearn", "stacked"}
    architecture : str
        Or the estimator's name.
    task : str
    classes : tuple of str
    inputs : mapping of str to Input
        By kind of the cache; of a stack by member, each as that member reads it.
    reads : tuple of str
        The names of the inputs in the order the network reads them.
    network : mapping
        Departures from the architecture's signature.
    members : tuple of str
        Of a stack, in the order its head reads them.
    numbers : tuple of (str, int)
        Features of numbers that the head reads after them, and how many numbers each has.
    optional : tuple of str
        Members of which a track may have nothing.
    folds : tuple of int
    statistics : mapping of str to mapping of str to mapping
        What was fitted per fold and input: mean and deviation where ``normalise`` is
        ``train``, the words of lyrics, the scale of numbers.
    epochs : mapping of str to int
        Until the best weights, per fold.
    n_parameters : int
        Of the network; 0 for an estimator.
    runs : int
        How often each fold was fitted; the best run's weights bear the fold's name alone.
    """

    name: str
    fitter: Literal["lightning", "sklearn", "stacked"]
    architecture: str
    task: str
    classes: tuple[str, ...]
    inputs: dict[str, Input]
    reads: tuple[str, ...] = ()
    network: dict[str, Any] = {}
    members: tuple[str, ...] = ()
    numbers: tuple[tuple[str, int], ...] = ()
    optional: tuple[str, ...] = ()
    folds: tuple[int, ...] = (0,)
    statistics: dict[str, dict[str, dict[str, list[Any]]]] = {}
    epochs: dict[str, int] = {}
    n_parameters: int = 0
    runs: int = 1

    @property
    def task_with_classes(self) -> Task:
        """The task with its classes."""
        return Task(self.task, self.classes)

    @property
    def shapes(self) -> dict[str, Any]:
        """What the network's constructor calls `inputs`."""
        if self.fitter == "stacked":
            return {**dict.fromkeys(self.members, len(self.classes)), **dict(self.numbers)}
        return {name: (i.channels, i.bins, i.chunk_frames) for name, i in self.inputs.items()}


def empty(folder: Path) -> None:
    """Make a folder that holds nothing."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


def save(folder: Path, artefact: Artefact) -> None:
    """Write artefact.json."""
    write_json(folder / FILE, artefact.model_dump(mode="json"))


def load(folder: Path) -> Artefact:
    """Read artefact.json.

    Raises
    ------
    OstinatoError
        If it is absent or of another form.
    """
    try:
        read = Artefact.model_validate(read_json(folder / FILE))
        return read.model_copy(update={"inputs": {name: read.inputs[name] for name in read.reads or read.inputs}})
    except ValidationError as error:
        raise DataError(
            f"{folder / FILE}: is of another version ({error.error_count()} keys differ); train again"
        ) from error


def read_skip(folder: Path) -> str | None:
    """Return why the candidate of this folder was skipped, if it was."""
    file = folder / SKIPPED
    return str(read_json(file)["skipped"]) if file.exists() else None


def weights_file(folder: Path, fold: Fold, run: int | None = None) -> Path:
    """Name the weights of a fold, or of one run of several."""
    return folder / f"{_label(fold)}{'' if run is None else f'-run{run}'}.safetensors"


def onnx_file(folder: Path, fold: Fold) -> Path:
    """Name the estimator of a fold."""
    return folder / f"{_label(fold)}.onnx"


def save_reference(folder: Path, x: np.ndarray, scores: Callable[[np.ndarray], np.ndarray]) -> None:
    """Keep some rows that an estimator was fitted on, with scikit-learn's scores, to hold its ONNX file against.

    Parameters
    ----------
    folder : Path
        Of the checkpoints.
    x : np.ndarray [shape=(n_tracks, width)]
        At most `N_REFERENCES` of them are kept, evenly spaced.
    scores : callable
        Of rows.
    """
    places = np.unique(np.linspace(0, len(x) - 1, N_REFERENCES).astype(int))
    rows = np.asarray(x[places], np.float32)
    with atomic_write(folder / REFERENCE) as partial, open(partial, "wb") as file:
        np.savez(file, x=rows, scores=np.asarray(scores(rows), np.float64))


def reference(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the rows that an estimator was fitted on, and scikit-learn's scores of them.

    Returns
    -------
    x : np.ndarray [shape=(n_tracks, width), dtype=float32]
    scores : np.ndarray [shape=(n_tracks, n_classes), dtype=float64]

    Raises
    ------
    OstinatoError
        If they were not kept.
    """
    file = folder / REFERENCE
    if not file.exists():
        raise OstinatoError(f"{file}: is not there; run `dvc repro train@{folder.name}`")
    with np.load(file, allow_pickle=False) as arrays:
        return arrays["x"], arrays["scores"]


def save_weights(file: Path, weights: "Mapping[str, Tensor]") -> None:
    """Write weights as safetensors."""
    from safetensors.torch import save_file

    with atomic_write(file) as partial:
        save_file({k: v.contiguous() for k, v in sorted(weights.items())}, partial)


def network(folder: Path, artefact: Artefact, fold: Fold = "final", run: int | None = None) -> "nn.Module":
    """Make a trained network.

    Parameters
    ----------
    folder : Path
        The candidate's checkpoints.
    artefact : Artefact
    fold : int or "final"
    run : int, optional
        One of several runs; default: the best.

    Returns
    -------
    nn.Module
        In evaluation mode; of a stack the head alone.

    Raises
    ------
    DataError
        If the weights are absent or do not fit the architecture's present code.
    """
    from safetensors.torch import load_file

    file = weights_file(folder, fold, run)
    built: nn.Module = factory.make(
        artefact.architecture, artefact.shapes, len(artefact.classes), artefact.network, artefact.task_with_classes.kind
    )
    if not file.exists():
        raise DataError(f"{file}: is not there; run `dvc repro train@{artefact.name}`")
    try:
        built.load_state_dict(load_file(file))
    except RuntimeError as error:
        raise DataError(
            f"{file}: does not fit {artefact.architecture} as it is now; train {artefact.name} again ({error})"
        ) from error
    return built.eval()


def _label(fold: Fold) -> str:
    return fold if fold == "final" else f"fold{fold}"
