"""A person's table of labels for a folder of audio: read, checked, and put beside the files without a label.

A table names files as `ostinato.datasets.folder` has it: by a column `path`, or by `track_id`. Its label
stands in `genre`; other columns that a folder's table may have, such as `artist`, come along.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ostinato.core.registry import instead
from ostinato.curation.remarks import Remark, format_count
from ostinato.datasets._cells import parse_text
from ostinato.datasets._side_table import SideTable, join, locate, read_side_table
from ostinato.datasets._tables import audio_files
from ostinato.errors import DataError
from ostinato.io.escapes import escape_cell
from ostinato.io.files import atomic_write

LABEL = "genre"
NEXT = "next.csv"
"""Files to label next, beside a model that was learned from labels."""
MIN_LABELS = 20
COPIED = ("artist", "album", "album_artist", "title", "year")
"""Columns beside the label that are passed on where the table has them."""
SHOWN = 3


@dataclass(frozen=True)
class Labels:
    """Labels of some files of a folder.

    Parameters
    ----------
    tracks : DataFrame
        A row for each audio file: `path` below the folder, `genre` or None, and of `COPIED` what the table has.
    remarks : list of dict
        What of the table repeats.
    """

    tracks: pd.DataFrame
    remarks: list[Remark]

    @property
    def labelled(self) -> pd.DataFrame:
        """The rows with a label."""
        return self.tracks[self.tracks[LABEL].notna()]

    @property
    def unlabelled(self) -> pd.DataFrame:
        """The rows without one."""
        return self.tracks[self.tracks[LABEL].isna()]


def read_labels(folder: Path, table: Path, column: str | None = None) -> Labels:
    """Read a table of labels beside the audio that it speaks of.

    Parameters
    ----------
    folder : Path
        Of audio.
    table : Path
        A text table or Parquet, below the folder, below the working folder, or absolute.
    column : str, optional
        Where the label stands; default: ``genre``.

    Returns
    -------
    Labels

    Raises
    ------
    DataError
        If there is no audio or no table, the table lacks the column, or it names files that are not there.
    """
    paths = audio_files(folder)
    where = locate(folder, str(table), "--labels")
    columns = {LABEL: column} if column else {}
    rows = read_side_table(where, columns, paths=paths, root=folder)
    if LABEL not in rows:
        known = [name for name in rows.attrs["columns"] if name not in ("path", "track_id")]
        raise DataError(
            f"{where}: has no column {LABEL}; name the one with the labels by --column: {instead(LABEL, known)}; "
            "the first line must name the columns"
        )
    side = join(rows, paths, folder, where)
    _refuse_unknown_files(side, where, folder)
    tracks = pd.DataFrame({"path": paths, LABEL: [_choose_first(cell) for cell in side.columns[LABEL]]})
    for name in COPIED:
        if name in side.columns:
            tracks[name] = side.columns[name].to_numpy(object)
    return Labels(tracks, [remark for remark in side.remarks[2:] if remark["n"]])


def check_labels(labels: Labels, table: Path, folder: Path) -> None:
    """Refuse labels that nothing can be learned from.

    Parameters
    ----------
    labels : Labels
    table, folder : Path
        For the message.

    Raises
    ------
    DataError
        If there are fewer than `MIN_LABELS` labels, or fewer than two classes with two tracks each.
    """
    genres = labels.labelled[LABEL]
    mend = f"label more, such as by `ostinato label {folder} --labels {table}`"
    if len(genres) < MIN_LABELS:
        raise DataError(
            f"{table}: labels {format_count(len(genres), 'file')}; at least {MIN_LABELS} are needed; {mend}"
        )
    counts = genres.value_counts()
    if len(counts) == 1:
        raise DataError(f"{table}: gives all {len(genres)} files the label {counts.index[0]!r}; two are needed; {mend}")
    if (counts > 1).sum() < 2:
        raise DataError(f"{table}: has two files of {format_count(int((counts > 1).sum()), 'label')} only; {mend}")


def write_tracks(path: Path, tracks: pd.DataFrame) -> None:
    """Write rows of `Labels.tracks` as a table that `dataset: {name: folder, table: ...}` reads.

    Parameters
    ----------
    path : Path
    tracks : DataFrame
    """
    with atomic_write(path) as partial:
        tracks.map(lambda cell: escape_cell(cell) if isinstance(cell, str) else cell).to_csv(partial, index=False)


def _choose_first(cell: object) -> str | None:
    """Return the first of the labels of a file, which is the main one."""
    return parse_text(cell[0]) if isinstance(cell, list) and cell else None


def _refuse_unknown_files(side: SideTable, where: Path, folder: Path) -> None:
    orphans = side.remarks[0]
    if orphans["n"]:
        raise DataError(
            f"{where}: {orphans['n']} of {orphans['of']} rows name files that are not below {folder}: "
            f"{'; '.join(orphans['examples'][:SHOWN])}; correct or delete these rows"
        )
