"""Split tracks by group, so that no artist, album or recording is in two parts.

Tracks that share an artist, an album or a recording form a *group* (a connected
component; see `ostinato.curation.albums`), and every group is in one *part*. A holdout
has the parts train, validation and test. With k folds there are k parts: fold i tests on
part i, validates on part i + 1 and trains on the rest, so that the test parts cover the
dataset. Groups are assigned in order of size, the largest first, each to the part that has
none of its genres yet, else to the one that is furthest below its share of them and of the
strata of `balance`; ties are broken at random, seeded by the group's name.

When the collection grows, assigned tracks stay. A new track joins the part of its artist,
album or recording; if these are in different parts, it is left out, with the reason.

A genre needs groups for training, validation and test. A genre with fewer groups is
*scarce*: it is only used for training (``scarce_genres: train``) or split like any other
(``scarce_genres: test``), and evaluable only if every fold that tests it trains on it.
"""

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from ostinato.core.names import identity
from ostinato.curation.albums import Compilations, identify_albums, identify_artists
from ostinato.curation.components import components
from ostinato.curation.strata import NO_VALUE, STRATA
from ostinato.errors import DataError, ParamsError

NAMES = ("train", "validation", "test")
MIN_GROUPS = len(NAMES)
MAX_GROUP_SHARE = 0.5
"""Maximum share of the tracks in one group, where shared albums and tracks join artists."""
GROUPS = {"artist": "those of an artist, an album or a recording", "track": "copies of a recording"}
TRAINING_PART = -1
"""Part of tracks that every fold trains on."""
NO_PART = -2


@dataclass(frozen=True)
class SplitPlan:
    """Settings of a split.

    Parameters
    ----------
    folds : int
        Number of folds; 0: one holdout.
    group_by : {"artist", "track"}
        With ``track`` only copies of a recording are kept together.
    validation, test : float
        Shares of these parts of a holdout.
    scarce : {"train", "test"}
        How genres with fewer than three groups are used.
    seed : int
    balance : tuple of str
        Strata to balance beside the genre: keys of `strata.STRATA`.
    compilations : {"together", "apart"}
        Whether an album by several artists joins them into one group; see `ostinato.curation.albums`.
    guests : {"together", "apart"}
        Whether a track by several artists joins them into one group; else only the first one counts.

    Raises
    ------
    ParamsError
        If a part would be empty.
    """

    folds: int = 0
    group_by: Literal["artist", "track"] = "artist"
    validation: float = 0.2
    test: float = 0.2
    scarce: Literal["train", "test"] = "train"
    seed: int = 0
    balance: tuple[str, ...] = ()
    compilations: Compilations = "together"
    guests: Literal["together", "apart"] = "together"

    def __post_init__(self) -> None:
        if self.folds in range(1, MIN_GROUPS):
            raise ParamsError(f"split.folds: {self.folds} leaves nothing to train on; give 0, or 3 or more")
        if self.validation + self.test >= 1:
            raise ParamsError("split.validation + split.test: leave nothing to train on; give less than 1")

    @property
    def shares(self) -> np.ndarray:
        """Share of each part [shape=(n_parts,)]."""
        if self.folds:
            return np.full(self.folds, 1 / self.folds)
        return np.array([1 - self.validation - self.test, self.validation, self.test])

    @property
    def training_part(self) -> int:
        """The part that is only trained on."""
        return TRAINING_PART if self.folds else 0

    def splits(self, part: int) -> list[str]:
        """Return the split that a part belongs to in each fold."""
        if not self.folds:
            return [NAMES[part]]
        validating_fold = (part - 1) % self.folds
        return [
            "test" if part == f else "validation" if part >= 0 and f == validating_fold else "train"
            for f in range(self.folds)
        ]


@dataclass(frozen=True)
class Split:
    """A split.

    Parameters
    ----------
    splits : DataFrame
        track_id, fold, split, group, evaluable; one row per track and fold.
    excluded : dict
        Reasons by track_id of tracks that are in no split.
    """

    splits: pd.DataFrame
    excluded: dict[str, str]


def assign_splits(tracks: pd.DataFrame, plan: SplitPlan, old: pd.DataFrame | None = None) -> Split:
    """Assign tracks to splits; tracks of an earlier split keep their part.

    Parameters
    ----------
    tracks : DataFrame
        ordinal, track_id, genre, tags, artist, album, album_artist, path, content_hash and,
        optionally, `copy`: an id that all copies of a recording share.
    plan : SplitPlan
    old : DataFrame, optional
        The earlier splits, by the same plan.

    Returns
    -------
    Split
        Rows sorted by ordinal, then fold.

    Raises
    ------
    DataError
        If tracks or albums by several artists join most of a new collection into one group.
    """
    tracks = tracks.sort_values("ordinal", ignore_index=True)
    keys = _list_keys(tracks, plan)
    if old is None:
        _check_group_sizes(tracks, components(keys), plan)
    parts, excluded = _extend(tracks["track_id"].tolist(), keys, {} if old is None else _read_parts(old, plan))
    mask = ~tracks["track_id"].isin(excluded).to_numpy()
    tracks, parts = tracks[mask].reset_index(drop=True), parts[mask]
    groups = components([k for k, is_included in zip(keys, mask, strict=True) if is_included])
    names = _name_groups(tracks, groups)
    parts = _assign_groups(groups, names, _encode_labels(tracks), _encode_strata(tracks, plan.balance), parts, plan)
    return Split(_to_fold_rows(tracks, names[groups], parts, plan), excluded)


def use_official(tracks: pd.DataFrame, plan: SplitPlan) -> tuple[pd.DataFrame, int]:
    """Use the split that the authors of the dataset published.

    Parameters
    ----------
    tracks : DataFrame
        With `split`; tracks without one are left out.
    plan : SplitPlan
        Defines the groups.

    Returns
    -------
    splits : DataFrame
    n_leaks : int
        Groups that are in more than one split.

    Raises
    ------
    DataError
        If a split has no tracks.
    """
    tracks = tracks.sort_values("ordinal", ignore_index=True)
    mask = tracks["split"].notna()
    keys = [k for k, is_included in zip(_list_keys(tracks, plan), mask, strict=True) if is_included]
    tracks = tracks[mask].reset_index(drop=True)
    for name in NAMES:
        if name not in set(tracks["split"]):
            raise DataError(f"split.official: no track is in {name}; add it to the table or set official: false")
    groups = components(keys)
    names = _name_groups(tracks, groups)
    parts = tracks["split"].map(NAMES.index).to_numpy()
    n_leaks = int((pd.Series(parts).groupby(groups).nunique() > 1).sum())
    return _to_fold_rows(tracks, names[groups], parts, SplitPlan()), n_leaks


def describe(tracks: pd.DataFrame, splits: pd.DataFrame, name: str, min_tag_tracks: int) -> dict[str, Any]:
    """Describe a split: its classes, name, hash and counts.

    Parameters
    ----------
    tracks : DataFrame
        With track_id, genre, tags.
    splits : DataFrame
    name : str
    min_tag_tracks : int
        Minimum number of tracks of a tag that is a class.

    Returns
    -------
    dict
        `ceiling` is the share of test tracks whose genre is in training of the same fold.
    """
    rows = splits.merge(tracks[["track_id", "genre"]], on="track_id")
    tests = rows[(rows["split"] == "test") & rows["genre"].notna()]
    included = tracks[tracks["track_id"].isin(splits["track_id"])]
    tag_counts = included["tags"].explode().value_counts()
    first = splits.drop_duplicates("track_id")
    return {
        "genre": sorted(included["genre"].dropna().unique().tolist()),
        "tags": sorted(tag_counts[tag_counts >= min_tag_tracks].index.tolist()),
        "name": name,
        "hash": hashlib.sha256(splits[["track_id", "fold", "split"]].to_csv(index=False).encode()).hexdigest(),
        "n_tracks": len(first),
        "n_evaluable": int(first["evaluable"].sum()),
        "not_evaluable": sorted(set(rows["genre"][~rows["evaluable"]].dropna())),
        "ceiling": float(_is_in_training(rows, tests).mean()) if len(tests) else 1.0,
    }


def make_title(plan: SplitPlan, tracks: pd.DataFrame) -> str:
    """Return a title of a split that says what may leak.

    Examples
    --------
    >>> make_title(SplitPlan(folds=5, group_by="track"), pd.DataFrame({"artist": ["a"]}))
    '5 folds by track (artists leak)'
    """
    scheme = f"{plan.folds} folds" if plan.folds else "holdout"
    balance = f", even in {' and '.join(plan.balance)}" if plan.balance else ""
    if plan.group_by == "track":
        return f"{scheme} by track{balance} (artists leak)"
    leaks = " (compilations leak)" if plan.compilations == "apart" else ""
    return f"{scheme} by artist{balance}" + (leaks if tracks["artist"].notna().any() else " (artists unknown)")


def _list_keys(tracks: pd.DataFrame, plan: SplitPlan) -> list[list[Hashable]]:
    """List the keys of each track: tracks that share one belong to the same group."""
    rows = tracks.reindex(columns=["content_hash", "copy"]).astype(object)
    copies = rows.where(rows.notna(), None).to_numpy().tolist()
    keys: list[list[Hashable]] = [[("copy", copy) for copy in row if copy] for row in copies]
    if plan.group_by == "artist":
        albums = identify_albums(tracks, plan.compilations)
        for row, artists, album in zip(keys, identify_artists(tracks), albums, strict=True):
            row += [("artist", artist) for artist in (artists if plan.guests == "together" else artists[:1])]
            row += [("album", album)] if album is not None else []
    return keys


def check_folds(tracks: pd.DataFrame, plan: SplitPlan) -> None:
    """Raise an error if there are more folds than groups, so that some folds would have no test tracks.

    Parameters
    ----------
    tracks : DataFrame
        As for `assign_splits`; those with neither genre nor tags do not count.
    plan : SplitPlan

    Raises
    ------
    DataError
        With both numbers.
    """
    labelled = tracks[tracks["genre"].notna() | tracks["tags"].map(len).gt(0)].reset_index(drop=True)
    if not plan.folds or labelled.empty:
        return
    n_groups = len(set(components(_list_keys(labelled, plan)).tolist()))
    if MIN_GROUPS <= n_groups < plan.folds:
        raise DataError(
            f"split.folds: {plan.folds} needs as many groups of tracks ({GROUPS[plan.group_by]} stay together), "
            f"but the {len(labelled)} tracks are in {n_groups}; set split.folds: {n_groups} or less"
        )


def _check_group_sizes(tracks: pd.DataFrame, groups: np.ndarray, plan: SplitPlan) -> None:
    """Raise an error if tracks or albums by several artists join most of a collection into one group."""
    if plan.group_by != "artist" or not _is_unbalanced(groups):
        return
    if plan.guests == "together" and not _is_unbalanced(components(_list_keys(tracks, replace(plan, guests="apart")))):
        credits = [row for row in identify_artists(tracks) if len(row) > 1]
        raise DataError(
            f"{len(credits)} tracks by several artists, such as {' and '.join(credits[0])}, join "
            f"{np.bincount(groups).max() / len(groups):.0%} of the tracks into one group, which leaves too little for "
            "the other splits. Set split.guests: apart to keep only the first artist of a track in one split"
        )
    if plan.compilations == "apart":
        return
    if _is_unbalanced(components(_list_keys(tracks, replace(plan, compilations="apart")))):
        return
    albums = identify_albums(tracks)
    n_artists = tracks["artist"].map(identity).groupby(albums).nunique()
    widest = tracks["album"][albums == n_artists.idxmax()].iloc[0]
    raise DataError(
        f"albums by several artists join {np.bincount(groups).max() / len(groups):.0%} of the tracks into one group, "
        f"which leaves too little for the other splits; the album with most artists is {widest!r} "
        f"({n_artists.max()}). Set split.compilations: apart to allow such albums in several splits (never an artist), "
        "or take these albums out"
    )


def _is_unbalanced(groups: np.ndarray) -> bool:
    """Return whether there are too few groups for a split, or one has most of the tracks."""
    sizes = np.bincount(groups)
    return len(sizes) < MIN_GROUPS or sizes.max() / len(groups) > MAX_GROUP_SHARE


def _read_parts(old: pd.DataFrame, plan: SplitPlan) -> dict[str, int]:
    """Return the part of each track of an earlier split."""
    if not plan.folds:
        return {track: NAMES.index(split) for track, split in zip(old["track_id"], old["split"], strict=True)}
    test = old[old["split"] == "test"]
    return dict.fromkeys(old["track_id"], TRAINING_PART) | dict(
        zip(test["track_id"], test["fold"].astype(int), strict=True)
    )


def _extend(track_ids: list[str], keys: list[list[Hashable]], old: dict[str, int]) -> tuple[np.ndarray, dict[str, str]]:
    """Keep earlier tracks in their parts and add new ones that share keys with them; exclude conflicts.

    Returns
    -------
    parts : np.ndarray [shape=(n_tracks,)]
        UNASSIGNED without a key in common with assigned tracks.
    excluded : dict
        Reasons by track_id.
    """
    parts = np.full(len(track_ids), NO_PART)
    part_by_key: dict[Hashable, int] = {}
    excluded: dict[str, str] = {}
    queue = [i for i, track in enumerate(track_ids) if track in old]
    new = [i for i, track in enumerate(track_ids) if track not in old]
    while queue:
        for i in queue:
            key_by_part = {part_by_key[k]: k for k in keys[i] if k in part_by_key}
            part = old.get(track_ids[i], next(iter(key_by_part), NO_PART))
            conflicts = [k for p, k in key_by_part.items() if p != part]
            if conflicts:
                excluded[track_ids[i]] = _describe_conflict(keys[i], conflicts[0], part_by_key)
            elif part != NO_PART:
                parts[i] = part
                part_by_key |= dict.fromkeys(keys[i], part)
        new = [i for i in new if parts[i] == NO_PART and track_ids[i] not in excluded]
        queue = [i for i in new if any(k in part_by_key for k in keys[i])]
    return parts, excluded


def _describe_conflict(keys: list[Hashable], conflict: Hashable, parts: dict[Hashable, int]) -> str:
    """Say which keys of a track are in different parts."""
    words = {"copy": "a copy of it", "artist": "its artist", "album": "its album"}
    other = next((words[k[0]] for k in keys if parts.get(k, parts[conflict]) != parts[conflict]), "it")  # type: ignore[index]
    return f"{words[conflict[0]]} and {other} are in different parts already; left out so that neither leaks"  # type: ignore[index]


def _name_groups(tracks: pd.DataFrame, groups: np.ndarray) -> np.ndarray:
    """Name each group after the artist of its first track, or after that track."""
    first = tracks[~pd.Series(groups).duplicated().to_numpy()]
    return np.array(
        [
            f"artist:{a}" if isinstance(a, str) else f"track:{t}"
            for a, t in zip(first["artist"], first["track_id"], strict=True)
        ],
        dtype=object,
    )


def _encode_labels(tracks: pd.DataFrame) -> np.ndarray:
    """Encode the genres, or the tags if there are none, to stratify by [shape=(n_tracks, n_labels)]."""
    if tracks["genre"].notna().any():
        return pd.get_dummies(tracks["genre"]).to_numpy(np.float64)
    tags = pd.Series([list(t) for t in tracks["tags"]]).explode().dropna()
    return pd.crosstab(tags.index, tags).reindex(range(len(tracks)), fill_value=0).to_numpy(np.float64)


def _encode_strata(tracks: pd.DataFrame, balance: Sequence[str]) -> np.ndarray:
    """Encode the known strata of each track [shape=(n_tracks, n_strata)]."""
    columns = (pd.Series(STRATA[name](tracks), dtype=object) for name in balance)
    one_hot = [pd.get_dummies(strata.where(strata != NO_VALUE)).to_numpy(np.float64) for strata in columns]
    return np.hstack([np.empty((len(tracks), 0)), *one_hot])


def _assign_groups(
    groups: np.ndarray, names: np.ndarray, labels: np.ndarray, strata: np.ndarray, parts: np.ndarray, plan: SplitPlan
) -> np.ndarray:
    """Assign a part to every group that has none.

    Returns
    -------
    np.ndarray [shape=(n_tracks,)]
    """
    n_groups = len(names)
    n_labels = labels.shape[1]
    counts = np.zeros((n_groups, n_labels + strata.shape[1] + 1))
    np.add.at(counts, groups, np.column_stack([labels, strata, np.ones(len(labels))]))
    part = np.full(n_groups, NO_PART)
    np.maximum.at(part, groups, parts)
    has_label = counts[:, :n_labels] > 0
    is_scarce = has_label.sum(axis=0) < MIN_GROUPS
    if plan.scarce == "train":
        part[(part == NO_PART) & has_label[:, is_scarce].any(axis=1)] = plan.training_part
    current = np.stack([counts[part == p].sum(axis=0) for p in range(len(plan.shares))])
    total = np.maximum(counts[part != TRAINING_PART].sum(axis=0), 1)
    target = plan.shares[:, np.newaxis] * total
    unassigned = np.flatnonzero(part == NO_PART)
    for group in sorted(unassigned, key=lambda g: (-counts[g, -1], _derive_seed(plan.seed, names[g]))):
        n = counts[group]
        n_missing = (current[:, :n_labels][:, n[:n_labels] > 0] == 0).sum(axis=1)
        excess = np.round(((current - target) * n / total**2).sum(axis=1), 12)
        tie_break = np.random.default_rng(_derive_seed(plan.seed, names[group])).permutation(len(current))
        part[group] = np.lexsort((tie_break, excess, -n_missing))[0]
        current[part[group]] += n
    return part[groups]


def _derive_seed(seed: int, group: Any) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\0{group}".encode()).digest()[:8], "big")


def _to_fold_rows(tracks: pd.DataFrame, groups: np.ndarray, parts: np.ndarray, plan: SplitPlan) -> pd.DataFrame:
    """Return one row per track and fold."""
    splits = [plan.splits(int(p)) for p in parts]
    n_folds = max(plan.folds, 1)
    rows = pd.DataFrame(
        {
            "track_id": np.repeat(tracks["track_id"].to_numpy(), n_folds),
            "fold": np.tile(np.arange(n_folds), len(tracks)),
            "split": [name for row in splits for name in row],
            "group": np.repeat(groups, n_folds),
        }
    )
    rows["genre"] = np.repeat(tracks["genre"].to_numpy(), n_folds)
    return rows.assign(evaluable=_is_evaluable(rows)).drop(columns="genre")


def _is_evaluable(rows: pd.DataFrame) -> np.ndarray:
    """Return a mask of the tracks whose genre is tested only by folds that also train on it, and by at least one."""
    tests = rows[(rows["split"] == "test") & rows["genre"].notna()]
    untrained = set(tests["genre"][~_is_in_training(rows, tests)])
    evaluable = set(tests["genre"]) - untrained
    return (rows["genre"].isna() | rows["genre"].isin(evaluable)).to_numpy(bool)


def _is_in_training(rows: pd.DataFrame, tests: pd.DataFrame) -> np.ndarray:
    """Return a mask of the test tracks whose genre is in training of the same fold."""
    train = rows[rows["split"] == "train"]
    return pd.MultiIndex.from_frame(tests[["fold", "genre"]]).isin(pd.MultiIndex.from_frame(train[["fold", "genre"]]))
