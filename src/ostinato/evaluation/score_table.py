"""Scores of test tracks in a small CSV file, which is committed to git like the metrics.

It allows a paired comparison of two revisions from git alone. A row contains the track, the
hash of its audio, its group, the indices of its labels, and the logit of each class, since
rounding preserves the order of logits but not of scores near 1. Of more than `LIMIT` tracks
those with the lowest hashes are kept (a bottom-k sample), so that two revisions keep the
same ones.

References
----------
E. Cohen & H. Kaplan, "Summarizing data using bottom-k sketches", Proceedings of the
ACM Symposium on Principles of Distributed Computing, 2007.
"""

import csv
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ostinato.core.scores import Kind, labels
from ostinato.core.scores import logits as to_logits
from ostinato.core.scores import scores as to_scores
from ostinato.errors import DataError
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.io.escapes import escape_cell, unescape_cell
from ostinato.io.files import atomic_write

LIMIT = 2000
"""Maximum number of rows: about 250 kB for ten classes."""
SIGNIFICANT_DIGITS = 6
HASH_LENGTH = 16
COLUMNS = ("track_id", "content", "group", "target")


@dataclass(frozen=True)
class ScoreTable:
    """Scores of test tracks, from a revision.

    Parameters
    ----------
    classes : tuple of str
        Columns of the scores: classes, or metrics such as ``map`` for embedding tasks.
    rows : ScoredTracks
        The fold of each row is 0.
    """

    classes: tuple[str, ...]
    rows: ScoredTracks


def write_scores(path: Path, rows: ScoredTracks, classes: tuple[str, ...], kind: Kind, threshold: float) -> None:
    """Write scores as a CSV file; see `format_scores`."""
    with atomic_write(path) as partial:
        partial.write_text(format_scores(rows, classes, kind, threshold), encoding="utf-8")


def format_scores(rows: ScoredTracks, classes: tuple[str, ...], kind: Kind, threshold: float) -> str:
    """Format scores as CSV: logits with `SIGNIFICANT_DIGITS`, or all digits if rounding would change the labels.

    Parameters
    ----------
    rows : ScoredTracks
        Test tracks; for embedding tasks cold artists, with a metric per column.
    classes : tuple of str
    kind : {"single", "multi", "embedding"}
    threshold : float
        Minimum score of a tag.

    Returns
    -------
    str
        Content of a CSV file.
    """
    rows = sample_tracks(rows)
    logits = rows.scores if kind == "embedding" else to_logits(rows.scores, kind)
    rounded = np.array([[float(_round(x)) for x in row] for row in logits]).reshape(logits.shape)
    if kind != "embedding" and len(rows):
        changes = labels(to_scores(rounded, kind), kind, threshold) != labels(rows.scores, kind, threshold)
        rounded = np.where(changes.any(axis=1, keepdims=True), logits, rounded)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(map(escape_cell, [*COLUMNS, *classes]))
    for i, values in enumerate(rounded):
        target = " ".join(map(str, np.flatnonzero(rows.target[i])))
        content = str(rows.content[i])[:HASH_LENGTH]
        names = map(escape_cell, [rows.track_id[i], content, rows.group[i]])
        table.writerow([*names, target, *map(_format, values)])
    return text.getvalue()


def sample_tracks(rows: ScoredTracks) -> ScoredTracks:
    """Return the `LIMIT` tracks with the lowest hashes, in their order."""
    if len(rows) <= LIMIT:
        return rows
    keys = [hashlib.sha256(f"{c} {t}".encode()).digest() for c, t in zip(rows.content, rows.track_id, strict=True)]
    return rows.select(np.sort(np.array(sorted(range(len(keys)), key=keys.__getitem__)[:LIMIT])))


def parse_scores(text: str, kind: Kind, origin: str) -> ScoreTable:
    """Parse the content of a file from `write_scores`.

    Parameters
    ----------
    text : str
    kind : {"single", "multi", "embedding"}
    origin : str
        Name of the file for error messages.

    Raises
    ------
    DataError
        If the content is invalid.
    """
    lines = [list(map(unescape_cell, line)) for line in csv.reader(io.StringIO(text))]
    if not lines or tuple(lines[0][: len(COLUMNS)]) != COLUMNS:
        raise DataError(f"{origin}: does not begin with {','.join(COLUMNS)}; run `dvc repro` to write it again")
    classes = tuple(lines[0][len(COLUMNS) :])
    n_rows, n_classes = len(lines) - 1, len(classes)
    logits, target = np.zeros((n_rows, n_classes)), np.zeros((n_rows, n_classes), np.float32)
    try:
        for i, line in enumerate(lines[1:]):
            logits[i] = [float(value or "nan") for value in line[len(COLUMNS) :]]
            target[i, [int(position) for position in line[3].split()]] = 1
    except (ValueError, IndexError) as error:
        raise DataError(f"{origin}: row {i + 1} cannot be read ({error}); run `dvc repro` to write it again") from error
    track_id, content, group = (np.array([line[j] for line in lines[1:]], object) for j in range(3))
    scores = logits if kind == "embedding" or not n_rows else to_scores(logits, kind)
    return ScoreTable(classes, ScoredTracks(track_id, scores, target, group, content, np.zeros(n_rows, np.int64)))


def _round(value: float) -> str:
    return f"{value:.{SIGNIFICANT_DIGITS}g}"


def _format(value: float) -> str:
    """Format a number with as many digits as it needs; an empty string for NaN."""
    return "" if np.isnan(value) else repr(float(value)).removesuffix(".0")
