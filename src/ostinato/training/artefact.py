"""Artefacts of training: weights as safetensors or ONNX, and artefact.json that describes them."""

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
    """An immutable model without extra keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Artefact(Frozen):
    """A fitted candidate.

    Parameters
    ----------
    name : str
    fitter : {"lightning", "sklearn", "stacked"}
    architecture : str
        Name of the architecture or estimator.
    task : str
    classes : tuple of str
    inputs : mapping of str to Input
        By kind of the cache; for a stack by member, as that member reads it.
    reads : tuple of str
        Names of the inputs in the network's order.
    network : mapping
        Arguments of the architecture that differ from its defaults.
    members : tuple of str
        Members of a stack, in the order its head reads them.
    numbers : tuple of (str, int)
        Numeric features that the head reads after them, and their widths.
    optional : tuple of str
        Members that may be missing for a track.
    folds : tuple of int
    statistics : mapping of str to mapping of str to mapping
        Fitted statistics per fold and input: mean and deviation if ``normalise`` is
        ``train``, the vocabulary of lyrics, the scale of numbers.
    epochs : mapping of str to int
        Epochs until the best weights, per fold.
    n_parameters : int
        Of the network; 0 for an estimator.
    runs : int
        Fits per fold; the best run's weights are named by the fold only.
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
        """Argument `inputs` of the network's constructor."""
        if self.fitter == "stacked":
            return {**dict.fromkeys(self.members, len(self.classes)), **dict(self.numbers)}
        return {name: (i.channels, i.bins, i.chunk_frames) for name, i in self.inputs.items()}


def empty(folder: Path) -> None:
    """Create an empty folder, deleting an existing one."""
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
        If it is missing or has another schema.
    """
    try:
        artefact = Artefact.model_validate(read_json(folder / FILE))
        inputs = {name: artefact.inputs[name] for name in artefact.reads or artefact.inputs}
        return artefact.model_copy(update={"inputs": inputs})
    except ValidationError as error:
        raise DataError(
            f"{folder / FILE}: has another version ({error.error_count()} keys differ); train again"
        ) from error


def read_skip(folder: Path) -> str | None:
    """Return why the candidate of this folder was skipped, if it was."""
    file = folder / SKIPPED
    return str(read_json(file)["skipped"]) if file.exists() else None


def weights_file(folder: Path, fold: Fold, run: int | None = None) -> Path:
    """Return the path of a fold's weights, or of one run's."""
    return folder / f"{_label(fold)}{'' if run is None else f'-run{run}'}.safetensors"


def onnx_file(folder: Path, fold: Fold) -> Path:
    """Return the path of a fold's estimator."""
    return folder / f"{_label(fold)}.onnx"


def save_reference(folder: Path, x: np.ndarray, scores: Callable[[np.ndarray], np.ndarray]) -> None:
    """Save some training rows with scikit-learn's scores, to check the estimator's ONNX file.

    Parameters
    ----------
    folder : Path
        Folder of the checkpoints.
    x : np.ndarray [shape=(n_tracks, width)]
        At most `N_REFERENCES` rows are saved, evenly spaced.
    scores : callable
        Computes scores of rows.
    """
    indices = np.unique(np.linspace(0, len(x) - 1, N_REFERENCES).astype(int))
    rows = np.asarray(x[indices], np.float32)
    with atomic_write(folder / REFERENCE) as partial, open(partial, "wb") as file:
        np.savez(file, x=rows, scores=np.asarray(scores(rows), np.float64))


def reference(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read rows that an estimator was fitted on, and scikit-learn's scores of them.

    Returns
    -------
    x : np.ndarray [shape=(n_tracks, width), dtype=float32]
    scores : np.ndarray [shape=(n_tracks, n_classes), dtype=float64]

    Raises
    ------
    OstinatoError
        If they were not saved.
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
    """Load a trained network.

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
        In evaluation mode; for a stack only the head.

    Raises
    ------
    DataError
        If the weights are missing or do not match the current architecture.
    """
    from safetensors.torch import load_file

    file = weights_file(folder, fold, run)
    model: nn.Module = factory.make(
        artefact.architecture, artefact.shapes, len(artefact.classes), artefact.network, artefact.task_with_classes.kind
    )
    if not file.exists():
        raise DataError(f"{file}: is not there; run `dvc repro train@{artefact.name}`")
    try:
        model.load_state_dict(load_file(file))
    except RuntimeError as error:
        raise DataError(
            f"{file}: does not match the current {artefact.architecture}; train {artefact.name} again ({error})"
        ) from error
    return model.eval()


def _label(fold: Fold) -> str:
    return fold if fold == "final" else f"fold{fold}"
