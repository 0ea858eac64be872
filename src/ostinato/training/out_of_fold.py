"""Out-of-fold logits: what the head of a stack learns from, of members that never saw the track."""

from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from ostinato.errors import DataError
from ostinato.training.data.labels import LabelledTracks
from ostinato.training.data.sources import Source
from ostinato.training.network import build, fit_network
from ostinato.training.predict import run_network
from ostinato.training.settings import ALONE, Settings, derive


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
    the others, for as many epochs as the member itself took.

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
        Folder of the points to go on from.

    Returns
    -------
    np.ndarray [shape=(n_train, n_classes), dtype=float32]
        In the order of the fold's training tracks.
    """
    settings, train = settings.with_overrides(ALONE), labelled.folds[fold]["train"]
    logits = np.zeros((len(train), len(labelled.task.classes)), np.float32)
    for number, held in enumerate(inner_parts(labelled, train, parts, derive(settings.seed, "inner", fold))):
        label = f"fold {fold} part {number}"
        others = np.setdiff1d(train, train[held])
        below = None if state is None else state / label.replace(" ", "")
        fitted = fit_network(settings, labelled, source, others, None, label=label, state=below, epochs=epochs)
        network = build(settings, fitted.source.inputs, len(labelled.task.classes))
        network.load_state_dict(dict(fitted.weights))
        logits[held], _ = run_network(network, fitted.source, train[held], labelled.task)
    return logits


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
            "the training tracks of a fold are one group; set stacking.in_sample: true or split.group_by: track"
        )
    single = labelled.task.kind == "single"
    label = labelled.target[train].argmax(axis=1) if single else np.zeros(len(train), np.int64)
    n_parts = min(n_parts, int(np.bincount(label).max()))
    splitter = StratifiedGroupKFold(n_parts, shuffle=True, random_state=seed % 2**32)
    return [held for _, held in splitter.split(train, label, groups)]
