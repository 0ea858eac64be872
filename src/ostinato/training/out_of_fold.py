"""Out-of-fold logits: what the head of a stack learns from, of members that never saw the track."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from sklearn.model_selection import StratifiedGroupKFold

from ostinato.errors import DataError
from ostinato.io.files import atomic_write
from ostinato.training.data.labels import LabelledTracks
from ostinato.training.data.sources import Source
from ostinato.training.network import build, fit_network
from ostinato.training.predict import run_network
from ostinato.training.settings import ONE_DEVICE, Settings, derive


def out_of_fold(
    settings: Settings,
    labelled: LabelledTracks,
    source: Source,
    fold: int,
    *,
    epochs: int,
    parts: int,
    state: Path | None = None,
) -> np.ndarray:
    """Return logits of a fold's training tracks by networks that saw none of their group.

    The training tracks are parted by group; for each part a network learns from
    the others, for as many epochs as the member itself took. With `state`, each part is
    computed once: processes that work in the same folder at the same time share the parts
    among them, and a later one reads what is there.

    Parameters
    ----------
    settings : Settings
        Of the member.
    labelled : LabelledTracks
    source : Source
    fold : int
        The outer fold.
    epochs : int
    parts : int
    state : Path, optional
        Folder of the finished parts and of the points to go on from. Its name must tell
        whatever the logits depend on.

    Returns
    -------
    np.ndarray [shape=(n_train, n_classes), dtype=float32]
        In the order of the fold's training tracks.
    """
    settings, train = settings.with_overrides(ONE_DEVICE), labelled.folds[fold]["train"]
    split = inner_parts(labelled, train, parts, derive(settings.seed, "inner", fold))

    def compute(number: int) -> np.ndarray:
        label, held = f"fold {fold} part {number}", train[split[number]]
        others = np.setdiff1d(train, held)
        below = None if state is None else state / label.replace(" ", "")
        fitted = fit_network(settings, labelled, source, others, None, label=label, state=below, epochs=epochs)
        network = build(settings, fitted.source.inputs, len(labelled.task.classes))
        network.load_state_dict(dict(fitted.weights))
        return run_network(network, fitted.source, held, labelled.task)[0]

    logits = np.zeros((len(train), len(labelled.task.classes)), np.float32)
    shared = [compute(i) for i in range(len(split))] if state is None else share_parts(len(split), state, compute)
    for held, part in zip(split, shared, strict=True):
        logits[held] = part
    return logits


def share_parts(n_parts: int, state: Path, compute: Callable[[int], np.ndarray]) -> list[np.ndarray]:
    """Compute each part in one of the processes that ask for it, and return all of them.

    A part that another process computes is passed over at first and waited for at the
    end; if that process dies, this one computes it.

    Parameters
    ----------
    n_parts : int
    state : Path
        Folder of ``part<number>.npy``.
    compute : callable
        Gives the part of a number.

    Returns
    -------
    list of np.ndarray
        In the order of the numbers.
    """
    state.mkdir(parents=True, exist_ok=True)
    files = [state / f"part{number}.npy" for number in range(n_parts)]
    for seconds in (0, -1):  # -1: wait for as long as it takes
        for number, file in enumerate(files):
            if file.exists():
                continue
            try:
                with FileLock(file.with_suffix(".lock"), timeout=seconds):
                    if not file.exists():
                        _write_part(file, compute(number))
            except Timeout:
                continue
    return [np.load(file) for file in files]


def _write_part(file: Path, part: np.ndarray) -> None:
    with atomic_write(file) as partial, open(partial, "wb") as stream:
        np.save(stream, part)


def clear_points(state: Path) -> None:
    """Remove all but the finished parts from a folder of folds.

    Parameters
    ----------
    state : Path
        With a folder a fold, each as `out_of_fold` leaves it.
    """
    for left in state.glob("*/*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)


def inner_parts(labelled: LabelledTracks, train: np.ndarray, parts: int, seed: int) -> list[np.ndarray]:
    """Part training tracks by group, with like shares of each class.

    Parameters
    ----------
    labelled : LabelledTracks
    train : np.ndarray
        Positions of the tracks.
    parts : int
        Fewer if there are fewer groups.
    seed : int

    Returns
    -------
    list of np.ndarray
        Positions within `train`; together each occurs once.

    Raises
    ------
    DataError
        If there is one group only.
    """
    groups = labelled.groups[train]
    n_parts = min(parts, len(set(groups)))
    if n_parts < 2:
        raise DataError(
            "all training tracks of a fold are in one group; set stacking.in_sample: true or split.group_by: track"
        )
    single = labelled.task.kind == "single"
    label = labelled.target[train].argmax(axis=1) if single else np.zeros(len(train), np.int64)
    n_parts = min(n_parts, int(np.bincount(label).max()))
    splitter = StratifiedGroupKFold(n_parts, shuffle=True, random_state=seed % 2**32)
    return [held for _, held in splitter.split(train, label, groups)]
