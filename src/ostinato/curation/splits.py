"""Split tracks so that no artist, album or copy stands on both sides.

Tracks that share an artist, an album or a recording are one *group* (a
connected component; `ostinato.curation.albums` says what an album is), and a
group stands in one *part*. A holdout has the parts
train, validation and test. With k folds there are k parts: fold i tests part
i, validates on part i + 1 and trains on the rest, so the test parts tile the
set. Groups are given out largest first, each to the part where its genres are
missing, else where they, and the strata of `balance`, are shortest of their
share; chance, seeded by the group's name, decides between equals.

When the collection grows, what was given out stays. A newcomer joins the part
in which its artist, album or copy stands; one that ties together two parts is
left out and named, so that the law holds without moving anything.

A genre needs a group to train on, one to validate on and one to test on. One
with fewer groups is *scarce*: it stays in training (`scarce_genres: train`), or is
tested all the same (`scarce_genres: test`), and either way is not evaluable unless
each of its tests finds it in training.
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
from ostinato.curation.strata import STRATA, UNKNOWN
from ostinato.errors import DataError, ParamsError

NAMES = ("train", "validation", "test")
NEEDED = len(NAMES)
MOST = 0.5
"""The share of the tracks that albums of several artists may tie into one group."""
GROUPS = {"artist": "those of an artist, an album or a recording", "track": "copies of a recording"}
PINNED = -1
FREE = -2


@dataclass(frozen=True)
class SplitPlan:
    """How tracks are to be parted.

    Parameters
    ----------
    folds : int
        0: one holdout.
    group_by : {"artist", "track"}
        ``track`` keeps only copies together.
    validation, test : float
        Shares of a holdout.
    scarce : {"train", "test"}
        Where genres of fewer than three groups go.
    seed : int
    balance : tuple of str
        What to even out beside the genre: keys of `strata.STRATA`.
    compilations : {"together", "apart"}
        Whether an album by several artists ties them into one group; see `ostinato.curation.albums`.
    guests : {"together", "apart"}
        Whether a track by several artists ties them into one group; else the first one counts.

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
        if self.folds in range(1, NEEDED):
            raise ParamsError(f"split.folds: {self.folds} leaves nothing to train on; give 0 or 3 and more")
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
        """The part that only trains."""
        return PINNED if self.folds else 0

    def splits(self, part: int) -> list[str]:
        """Name the split in which a part stands, fold by fold."""
        if not self.folds:
            return [NAMES[part]]
        validated = (part - 1) % self.folds
        return [
            "test" if part == f else "validation" if part >= 0 and f == validated else "train"
            for f in range(self.folds)
        ]


@dataclass(frozen=True)
class Split:
    """A split.

    Parameters
    ----------
    splits : DataFrame
        track_id, fold, split, group, evaluable; a row per track and fold.
    excluded : dict
        track_id to the reason for which it is in no split.
    """

    splits: pd.DataFrame
    excluded: dict[str, str]


def assign_splits(tracks: pd.DataFrame, plan: SplitPlan, old: pd.DataFrame | None = None) -> Split:
    """Draw a split, keeping where earlier tracks stand.

    Parameters
    ----------
    tracks : DataFrame
        ordinal, track_id, genre, tags, artist, album, album_artist, path, content_hash, and `copy`
        where known: what all copies of a recording share.
    plan : SplitPlan
    old : DataFrame, optional
        The splits so far, drawn by the same plan.

    Returns
    -------
    Split
        Rows sorted by ordinal, then fold.

    Raises
    ------
    DataError
        If tracks or albums by several artists tie most of a new collection into one group.
    """
    tracks = tracks.sort_values("ordinal", ignore_index=True)
    keys = _keys(tracks, plan)
    if old is None:
        _check_ties(tracks, components(keys), plan)
    given, excluded = _admit(tracks["track_id"].tolist(), keys, {} if old is None else _parts(old, plan))
    stays = ~tracks["track_id"].isin(excluded).to_numpy()
    tracks, given = tracks[stays].reset_index(drop=True), given[stays]
    groups = components([k for k, kept in zip(keys, stays, strict=True) if kept])
    names = _names(tracks, groups)
    parts = _assign_groups(groups, names, _labels(tracks), _strata(tracks, plan.balance), given, plan)
    return Split(_to_fold_rows(tracks, names[groups], parts, plan), excluded)


def official(tracks: pd.DataFrame, plan: SplitPlan) -> tuple[pd.DataFrame, int]:
    """Take the split that the dataset's authors published, as it is.

    Parameters
    ----------
    tracks : DataFrame
        With `split`; tracks without one are left out, as their authors left them out.
    plan : SplitPlan
        What makes a group.

    Returns
    -------
    splits : DataFrame
    n_leaks : int
        Groups that the authors put in two splits.

    Raises
    ------
    DataError
        If a split has no track.
    """
    tracks = tracks.sort_values("ordinal", ignore_index=True)
    stays = tracks["split"].notna()
    keys = [k for k, known in zip(_keys(tracks, plan), stays, strict=True) if known]
    tracks = tracks[stays].reset_index(drop=True)
    for name in NAMES:
        if name not in set(tracks["split"]):
            raise DataError(f"split.official: no track is in {name}; add it to the table or set official: false")
    groups = components(keys)
    names = _names(tracks, groups)
    parts = tracks["split"].map(NAMES.index).to_numpy()
    n_leaks = int((pd.Series(parts).groupby(groups).nunique() > 1).sum())
    return _to_fold_rows(tracks, names[groups], parts, SplitPlan()), n_leaks


def describe(tracks: pd.DataFrame, splits: pd.DataFrame, name: str, min_tag_tracks: int) -> dict[str, Any]:
    """Return what a split is: its classes, its name, its hash and its figures.

    Parameters
    ----------
    tracks : DataFrame
        With track_id, genre, tags.
    splits : DataFrame
    name : str
    min_tag_tracks : int
        A tag of fewer tracks is no class.

    Returns
    -------
    dict
        `ceiling` is the share of tests whose genre the same fold trains.
    """
    rows = splits.merge(tracks[["track_id", "genre"]], on="track_id")
    tests = rows[(rows["split"] == "test") & rows["genre"].notna()]
    here = tracks[tracks["track_id"].isin(splits["track_id"])]
    n_of_tag = here["tags"].explode().value_counts()
    first = splits.drop_duplicates("track_id")
    return {
        "genre": sorted(here["genre"].dropna().unique().tolist()),
        "tags": sorted(n_of_tag[n_of_tag >= min_tag_tracks].index.tolist()),
        "name": name,
        "hash": hashlib.sha256(splits[["track_id", "fold", "split"]].to_csv(index=False).encode()).hexdigest(),
        "n_tracks": len(first),
        "n_evaluable": int(first["evaluable"].sum()),
        "not_evaluable": sorted(set(rows["genre"][~rows["evaluable"]].dropna())),
        "ceiling": float(_find_in_training(rows, tests).mean()) if len(tests) else 1.0,
    }


def name(plan: SplitPlan, tracks: pd.DataFrame) -> str:
    """Name a split, honest about what may leak.

    Examples
    --------
    >>> name(SplitPlan(folds=5, group_by="track"), pd.DataFrame({"artist": ["a"]}))
    '5 folds by track (artists leak)'
    """
    how = f"{plan.folds} folds" if plan.folds else "holdout"
    even = f", even in {' and '.join(plan.balance)}" if plan.balance else ""
    if plan.group_by == "track":
        return f"{how} by track{even} (artists leak)"
    leaks = " (compilations leak)" if plan.compilations == "apart" else ""
    return f"{how} by artist{even}" + (leaks if tracks["artist"].notna().any() else " (artists unknown)")


def _keys(tracks: pd.DataFrame, plan: SplitPlan) -> list[list[Hashable]]:
    """List what each track may share with another."""
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
    """Refuse more folds than there are groups: some would test nothing.

    Parameters
    ----------
    tracks : DataFrame
        As of `assign_splits`; those without a genre and tags do not count.
    plan : SplitPlan

    Raises
    ------
    DataError
        With both counts.
    """
    labelled = tracks[tracks["genre"].notna() | tracks["tags"].map(len).gt(0)].reset_index(drop=True)
    if not plan.folds or labelled.empty:
        return
    n_groups = len(set(components(_keys(labelled, plan)).tolist()))
    if NEEDED <= n_groups < plan.folds:
        raise DataError(
            f"split.folds: {plan.folds} needs as many groups of tracks to be kept together ({GROUPS[plan.group_by]}), "
            f"and {len(labelled)} tracks have {n_groups}; set split.folds: {n_groups} or less"
        )


def _check_ties(tracks: pd.DataFrame, groups: np.ndarray, plan: SplitPlan) -> None:
    """Refuse to part a collection most of which tracks or albums of several artists tie into one group."""
    if plan.group_by != "artist" or not _is_lump(groups):
        return
    if plan.guests == "together" and not _is_lump(components(_keys(tracks, replace(plan, guests="apart")))):
        several = [row for row in identify_artists(tracks) if len(row) > 1]
        raise DataError(
            f"{len(several)} tracks by several artists, such as {' and '.join(several[0])}, tie "
            f"{np.bincount(groups).max() / len(groups):.0%} of the tracks into one group, which leaves too little for "
            "the other splits. Set split.guests: apart, and only the first artist of a track is kept to one split"
        )
    if plan.compilations == "apart":
        return
    if _is_lump(components(_keys(tracks, replace(plan, compilations="apart")))):
        return
    albums = identify_albums(tracks)
    n_artists = tracks["artist"].map(identity).groupby(albums).nunique()
    widest = tracks["album"][albums == n_artists.idxmax()].iloc[0]
    raise DataError(
        f"albums by several artists tie {np.bincount(groups).max() / len(groups):.0%} of the tracks into one group, "
        f"which leaves too little for the other splits; the album of most artists is {widest!r} ({n_artists.max()} of "
        "them). Set split.compilations: apart, and such an album may stand in several splits (an artist never does), "
        "or take these albums out"
    )


def _is_lump(groups: np.ndarray) -> bool:
    """Return whether groups are too few to part, or one of them is most of all."""
    sizes = np.bincount(groups)
    return len(sizes) < NEEDED or sizes.max() / len(groups) > MOST


def _parts(old: pd.DataFrame, plan: SplitPlan) -> dict[str, int]:
    """Read each track's part back from the long form."""
    if not plan.folds:
        return {track: NAMES.index(split) for track, split in zip(old["track_id"], old["split"], strict=True)}
    tested = old[old["split"] == "test"]
    return dict.fromkeys(old["track_id"], PINNED) | dict(
        zip(tested["track_id"], tested["fold"].astype(int), strict=True)
    )


def _admit(track_ids: list[str], keys: list[list[Hashable]], old: dict[str, int]) -> tuple[np.ndarray, dict[str, str]]:
    """Let old tracks stay and newcomers join what they share; leave out what would stand on two sides.

    Returns
    -------
    given : np.ndarray [shape=(n_tracks,)]
        Each track's part; FREE where nothing is shared with what was given out.
    excluded : dict
        track_id to reason.
    """
    given = np.full(len(track_ids), FREE)
    bound: dict[Hashable, int] = {}
    excluded: dict[str, str] = {}
    waiting = [i for i, track in enumerate(track_ids) if track in old]
    newcomers = [i for i, track in enumerate(track_ids) if track not in old]
    while waiting:
        for i in waiting:
            touched = {bound[k]: k for k in keys[i] if k in bound}
            part = old.get(track_ids[i], next(iter(touched), FREE))
            strange = [k for p, k in touched.items() if p != part]
            if strange:
                excluded[track_ids[i]] = _tie(keys[i], strange[0], bound)
            elif part != FREE:
                given[i] = part
                bound |= dict.fromkeys(keys[i], part)
        newcomers = [i for i in newcomers if given[i] == FREE and track_ids[i] not in excluded]
        waiting = [i for i in newcomers if any(k in bound for k in keys[i])]
    return given, excluded


def _tie(keys: list[Hashable], strange: Hashable, bound: dict[Hashable, int]) -> str:
    """Return what holds a track in two parts at once."""
    words = {"copy": "a copy of it", "artist": "its artist", "album": "its album"}
    other = next((words[k[0]] for k in keys if bound.get(k, bound[strange]) != bound[strange]), "it")  # type: ignore[index]
    return f"{words[strange[0]]} and {other} stand in different parts already; left out so that neither leaks"  # type: ignore[index]


def _names(tracks: pd.DataFrame, groups: np.ndarray) -> np.ndarray:
    """Name each group by its first track's artist, else by that track."""
    first = tracks[~pd.Series(groups).duplicated().to_numpy()]
    return np.array(
        [
            f"artist:{a}" if isinstance(a, str) else f"track:{t}"
            for a, t in zip(first["artist"], first["track_id"], strict=True)
        ],
        dtype=object,
    )


def _labels(tracks: pd.DataFrame) -> np.ndarray:
    """Encode what to stratify by [shape=(n_tracks, n_labels)]: the genre, else the tags."""
    if tracks["genre"].notna().any():
        return pd.get_dummies(tracks["genre"]).to_numpy(np.float64)
    tags = pd.Series([list(t) for t in tracks["tags"]]).explode().dropna()
    return pd.crosstab(tags.index, tags).reindex(range(len(tracks)), fill_value=0).to_numpy(np.float64)


def _strata(tracks: pd.DataFrame, balance: Sequence[str]) -> np.ndarray:
    """Encode the known strata of each track [shape=(n_tracks, n_strata)]."""
    named = (pd.Series(STRATA[name](tracks), dtype=object) for name in balance)
    known = [pd.get_dummies(strata.where(strata != UNKNOWN)).to_numpy(np.float64) for strata in named]
    return np.hstack([np.empty((len(tracks), 0)), *known])


def _assign_groups(
    groups: np.ndarray, names: np.ndarray, labels: np.ndarray, strata: np.ndarray, given: np.ndarray, plan: SplitPlan
) -> np.ndarray:
    """Find a part for every group that has none.

    Returns
    -------
    np.ndarray [shape=(n_tracks,)]
    """
    n_groups = len(names)
    n_labels = labels.shape[1]
    counts = np.zeros((n_groups, n_labels + strata.shape[1] + 1))
    np.add.at(counts, groups, np.column_stack([labels, strata, np.ones(len(labels))]))
    part = np.full(n_groups, FREE)
    np.maximum.at(part, groups, given)
    has = counts[:, :n_labels] > 0
    scarce = has.sum(axis=0) < NEEDED
    if plan.scarce == "train":
        part[(part == FREE) & has[:, scarce].any(axis=1)] = plan.training_part
    have = np.stack([counts[part == p].sum(axis=0) for p in range(len(plan.shares))])
    total = np.maximum(counts[part != PINNED].sum(axis=0), 1)
    target = plan.shares[:, np.newaxis] * total
    free = np.flatnonzero(part == FREE)
    for group in sorted(free, key=lambda g: (-counts[g, -1], _lot(plan.seed, names[g]))):
        v = counts[group]
        lacking = (have[:, :n_labels][:, v[:n_labels] > 0] == 0).sum(axis=1)
        excess = np.round(((have - target) * v / total**2).sum(axis=1), 12)
        chance = np.random.default_rng(_lot(plan.seed, names[group])).permutation(len(have))
        part[group] = np.lexsort((chance, excess, -lacking))[0]
        have[part[group]] += v
    return part[groups]


def _lot(seed: int, group: Any) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\0{group}".encode()).digest()[:8], "big")


def _to_fold_rows(tracks: pd.DataFrame, groups: np.ndarray, parts: np.ndarray, plan: SplitPlan) -> pd.DataFrame:
    """Write one row per track and fold."""
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
    return rows.assign(evaluable=_evaluable(rows)).drop(columns="genre")


def _evaluable(rows: pd.DataFrame) -> np.ndarray:
    """Return a mask of the tracks whose genre is tested, and each time by folds that train it."""
    tests = rows[(rows["split"] == "test") & rows["genre"].notna()]
    missed = set(tests["genre"][~_find_in_training(rows, tests)])
    fair = set(tests["genre"]) - missed
    return (rows["genre"].isna() | rows["genre"].isin(fair)).to_numpy(bool)


def _find_in_training(rows: pd.DataFrame, tests: pd.DataFrame) -> np.ndarray:
    """Return a mask of the tests whose genre is in the training of the same fold."""
    train = rows[rows["split"] == "train"]
    return pd.MultiIndex.from_frame(tests[["fold", "genre"]]).isin(pd.MultiIndex.from_frame(train[["fold", "genre"]]))
