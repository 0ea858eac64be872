"""A table of labels for a folder of audio: reading, checking, and joining it to the files.

A table names files as in `ostinato.datasets.folder`: by a column `path`, or by `track_id`. The label is in
`genre`; other columns of such a table, such as `artist`, are kept.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ostinato.core.counts import format_count
from ostinato.core.registry import instead
from ostinato.curation.remarks import Remark
from ostinato.datasets._cells import parse_text
from ostinato.datasets._side_table import SideTable, join, locate, read_side_table
from ostinato.datasets._tables import audio_files
from ostinato.errors import DataError
from ostinato.io.escapes import escape_cell
from ostinato.io.files import atomic_write

LABEL = "genre"
NEXT = "next.csv"
"""Table of the files to label next, beside the model."""
MIN_LABELS = 20
COPIED = ("artist", "album", "album_artist", "title", "year")
"""Other columns that are copied if the table has them."""
SHOWN = 3


@dataclass(frozen=True)
class Labels:
    """Labels of some files of a folder.

    Parameters
    ----------
    tracks : DataFrame
        One row per audio file: `path` below the folder, `genre` or None, and those of `COPIED` in the table.
    remarks : list of dict
        Duplicate rows of the table.
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
    """Read a table of labels and join it to a folder of audio.

    Parameters
    ----------
    folder : Path
        Of audio.
    table : Path
        A text table or Parquet, below the folder, below the working folder, or absolute.
    column : str, optional
        Of the label; default: ``genre``.

    Returns
    -------
    Labels

    Raises
    ------
    DataError
        If there is no audio or no table, the table lacks the column, or it names missing files.
    """
    paths = audio_files(folder)
    where = locate(folder, str(table), "--labels")
    columns = {LABEL: column} if column else {}
    rows = read_side_table(where, columns, paths=paths, root=folder)
    if LABEL not in rows:
        others = [name for name in rows.attrs["columns"] if name not in ("path", "track_id")]
        raise DataError(
            f"{where}: has no column {LABEL}; set --column to that of the labels: {instead(LABEL, others)}; "
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
    """Refuse labels that are too few to learn from.

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
    advice = f"label more, such as by `ostinato label {folder} --labels {table}`"
    if len(genres) < MIN_LABELS:
        raise DataError(
            f"{table}: labels {format_count(len(genres), 'file')}; at least {MIN_LABELS} are needed; {advice}"
        )
    counts = genres.value_counts()
    if len(counts) == 1:
        raise DataError(
            f"{table}: all {len(genres)} files have the label {counts.index[0]!r}; two labels are needed; {advice}"
        )
    if (counts > 1).sum() < 2:
        raise DataError(
            f"{table}: only {format_count(int((counts > 1).sum()), 'label')} has two files or more; {advice}"
        )


def write_tracks(path: Path, tracks: pd.DataFrame) -> None:
    """Write rows of `Labels.tracks` as a table for `dataset: {name: folder, table: ...}`.

    Parameters
    ----------
    path : Path
    tracks : DataFrame
    """
    with atomic_write(path) as partial:
        tracks.map(lambda cell: escape_cell(cell) if isinstance(cell, str) else cell).to_csv(partial, index=False)


def _choose_first(cell: object) -> str | None:
    """Return the first of a file's labels, the main one."""
    return parse_text(cell[0]) if isinstance(cell, list) and cell else None


def _refuse_unknown_files(side: SideTable, where: Path, folder: Path) -> None:
    orphans = side.remarks[0]
    if orphans["n"]:
        raise DataError(
            f"{where}: {orphans['n']} of {format_count(orphans['of'], 'row')} name files that are not below {folder}: "
            f"{'; '.join(orphans['examples'][:SHOWN])}; correct or delete these rows"
        )
