"""Fill empty cells of tables with countries, places and years of artists from a database."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from ostinato.core.counts import format_count
from ostinato.io.delimited import list_examples
from ostinato.io.escapes import escape_line, escape_lines
from ostinato.origins import choices
from ostinato.origins.dump import Dump
from ostinato.origins.query import Answer, Query, fold, list_names, read_year
from ostinato.origins.tables import COLUMN, CONFIDENCE, NOTES, SOURCE, Table, Value, open_tables
from ostinato.origins.web_service import WebService

CERTAIN, HIGH, MEDIUM = "certain", "high", "medium"
"""By the MBID or the choice of a person; by ISRC; by name and album."""

Database = Dump | WebService
Question = tuple[Query, tuple[Answer, ...], int]


@dataclass(frozen=True)
class Identity:
    """Who the artist of a row is.

    Parameters
    ----------
    artists : tuple of dict
        Those it may be; none if the database has none.
    confidence : str, optional
        None if a person must choose, even from one.
    work : str, optional
        The recording or release group that the year is of.
    year : int, optional
        In which that was first released.
    """

    artists: tuple[Answer, ...] = ()
    confidence: str | None = None
    work: str | None = None
    year: int | None = None


@dataclass(frozen=True)
class Task:
    """A row that lacks values."""

    table: Table
    number: int
    query: Query
    missing: list[str]


@dataclass(frozen=True)
class Row:
    """A row with what the database has for it, also where the row has a value."""

    task: Task
    values: dict[str, Value]
    source: str
    confidence: str


def identify(query: Query, database: Database, with_work: bool = True) -> Identity:
    """Find the artist of a row, by MBID, ISRC, or name and album; by name alone, only those to choose from.

    Parameters
    ----------
    query : Query
    database : Database
    with_work : bool
        Whether to look for the recording or album even if the MBID is known.

    Returns
    -------
    Identity
    """
    pairs: list[tuple[str, Answer, Answer]] = []
    confidence, works = None, list[Answer]()
    if query.isrc and with_work:
        confidence, works = HIGH, database.find_recordings(query)
        pairs = [("recording", work, artist) for work in works for artist in _list_credits(work, query)]
    if not works and query.album and (query.artist or query.mbid) and with_work:
        albums = [album for album in database.find_albums(query) if fold(album.get("title")) == fold(query.album)]
        confidence = MEDIUM
        pairs = [("release-group", album, artist) for album in albums for artist in _list_credits(album, query)]
    artists = {artist["id"]: artist for _, _, artist in pairs}
    if query.mbid:
        artists, confidence = {query.mbid: {"id": query.mbid}}, CERTAIN
    elif not artists and works:  # another artist than the row says
        artists, confidence = {a["id"]: a for work in works for a in _list_credits(work, Query())}, None
    elif not artists and query.artist:
        namesakes = [a for a in database.find_artists(query) if fold(query.artist) in map(fold, list_names(a))]
        artists, confidence = {artist["id"]: artist for artist in namesakes}, None
    years = [(read_year(work.get("first-release-date")), f"{kind}/{work['id']}") for kind, work, _ in pairs]
    year, work = min(((year, work) for year, work in years if year), default=(None, None))
    return Identity(tuple(artists.values()), confidence if len(artists) == 1 else None, work, year)


def _list_credits(work: Answer, query: Query) -> list[Answer]:
    """List the artists of a work who may be that of a query: by MBID, by name, or else the first."""
    credits = work.get("artist-credit", ())
    if query.mbid:
        return [credit["artist"] for credit in credits if credit["artist"]["id"] == query.mbid]
    if query.artist is None:
        return [credit["artist"] for credit in credits[:1]]
    name = fold(query.artist)
    return [c["artist"] for c in credits if name in (fold(c.get("name")), fold(c["artist"].get("name")))]


def read_values(artist: Answer) -> dict[str, Value | None]:
    """Read country (ISO 3166-1), place of birth or foundation, and year of birth or foundation."""
    area, begin_area = artist.get("area") or {}, artist.get("begin-area") or {}
    codes = [*(area.get("iso-3166-1-codes") or ()), *(code[:2] for code in area.get("iso-3166-2-codes") or ())]
    is_country = bool(area.get("iso-3166-1-codes")) or area.get("type") == "Country"
    return {
        "country": artist.get("country") or next(iter(codes), None),
        "origin": begin_area.get("name") or (None if is_country else area.get("name")),
        "begin": read_year((artist.get("life-span") or {}).get("begin")),
    }


def spell_countries(rows: Iterable[Row]) -> dict[str, str]:
    """Find how a table writes each country, from rows that have one: at least two that agree, or the code itself.

    Returns
    -------
    dict of str to str
        The table's text by code of ISO 3166-1.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if (text := _read_own_country(row)) and "country" in row.values:
            counts[str(row.values["country"]), text] += 1
    spelling: dict[str, str] = {}
    code_of: dict[str, str] = {}
    for (code, text), n in counts.most_common():
        if (n > 1 or text == code) and code_of.setdefault(text, code) == code:
            spelling.setdefault(code, text)
    return spelling


def _read_own_country(row: Row) -> str | None:
    """Return the country of a row unless an earlier run filled it."""
    table, number = row.task.table, row.task.number
    return None if "country" in (table.read_cell(number, COLUMN) or "") else table.read_cell(number, "country")


def run(root: Path, database: Database, *, columns: Mapping[str, str], write: bool, err: TextIO | None = None) -> int:
    """Fill the tables of a folder, or list what would be filled.

    Parameters
    ----------
    root : Path
        A table, or a folder of tables; see `ostinato.origins.tables.open_tables`.
    database : Database
    columns : mapping of str to str
        Our names of columns to the tables'.
    write : bool
        Write the tables; else print the changes only.
    err : file, optional
        Output for the summary. Default: standard error.

    Returns
    -------
    int
        Number of cells.
    """
    err, tables = err or sys.stderr, open_tables(root, columns)
    path = (root if root.is_dir() else root.parent) / choices.NAME
    mbid_of = choices.read_choices(path)
    todo = [task for table in tables for task in _list_tasks(table, mbid_of)]
    database.prepare([task.query for task in todo])
    rows, questions = _answer_all(todo, database)
    n_cells = 0
    for table in tables:
        n_cells += _fill_table(table, [row for row in rows if row.task.table is table], write=write, err=err)
    if questions:
        choices.write_choices(path, {key: (query, artists) for key, (query, artists, _) in questions.items()})
        text = f"{path}: write x into the column choose beside each artist who is meant, and run again"
        print(escape_line(text), file=err)
    n_questions, n_rows = sum(n for _, _, n in questions.values()), sum(len(table.cells) for table in tables)
    outcome = "filled" if write else "to fill: --write fills them"
    n_complete, n_unknown = n_rows - len(todo), len(todo) - len(rows) - n_questions
    print(
        f"{format_count(n_rows, 'row')}: {n_complete} complete or without a name, {len(rows)} known to MusicBrainz, "
        f"{n_questions} to choose, {n_unknown} unknown\n"
        f"{format_count(database.n_requests, 'request')} sent, {format_count(n_cells, 'cell')} {outcome}",
        file=err,
    )
    return n_cells


def _fill_table(table: Table, rows: list[Row], *, write: bool, err: TextIO) -> int:
    """Print the changes of a table, write them if that is asked for, and return how many cells they fill."""
    changes = dict(_list_changes(rows))
    for number, values in changes.items():
        print(escape_line(f"{table.path}: row {table.first_row + number}: {_describe(values)}"))
    err.write(escape_lines(_compare_countries(rows)))
    if write and changes:
        table.write(changes)
    return sum(len(values) - len(NOTES) for values in changes.values())


def _answer_all(todo: list[Task], database: Database) -> tuple[list[Row], dict[choices.Key, Question]]:
    """Ask about all rows; return answers, and the candidates of names that a person must choose from."""
    rows, questions = list[Row](), dict[choices.Key, Question]()
    find = cache(lambda query, with_work: identify(query, database, with_work))
    for task in tqdm(todo, "asking", unit="row", disable=None, leave=False):
        query = task.query
        identity = find(query, not query.mbid or "year" in task.missing)
        if identity.confidence:
            if artist := database.find_artist(identity.artists[0]["id"]):
                rows.append(_answer(database, task, identity, artist))
        elif identity.artists:
            key = choices.build_key(query.artist, query.album, query.isrc)
            questions[key] = query, identity.artists, questions[key][2] + 1 if key in questions else 1
    return rows, questions


def _list_tasks(table: Table, mbid_of: Mapping[choices.Key, str]) -> Iterator[Task]:
    """Yield the rows that lack values and say who their artist is."""
    for number in range(len(table.cells)):
        missing, query = table.list_missing(number), table.build_query(number)
        if missing and (query.mbid or query.isrc or query.artist):
            mbid = query.mbid or mbid_of.get(choices.build_key(query.artist, query.album, query.isrc))
            yield Task(table, number, replace(query, mbid=mbid), missing)


def _answer(database: Database, task: Task, identity: Identity, artist: Answer) -> Row:
    values, sources = read_values(artist), [f"artist/{artist['id']}"]
    if task.query.is_track:
        values["year"] = identity.year
        sources += [identity.work] if identity.work and "year" in task.missing else []
    elif "first_release" in task.missing:
        years = [read_year(album.get("first-release-date")) for album in database.list_albums(artist["id"])]
        values["first_release"] = min((year for year in years if year), default=None)
    present = {name: value for name, value in values.items() if value is not None}
    return Row(task, present, " ".join(["musicbrainz", *sources]), str(identity.confidence))


def _list_changes(rows: list[Row]) -> Iterator[tuple[int, dict[str, Value]]]:
    """Yield what is to be written into each row of a table."""
    spelling = spell_countries(rows)
    for row in rows:
        table, number = row.task.table, row.task.number
        values = {n: spelling.get(str(v), v) if n == "country" else v for n, v in row.values.items()}
        new = {name: values[name] for name in row.task.missing if name in values}
        if new:
            notes: dict[str, Value] = {COLUMN: "; ".join(new), SOURCE: row.source, CONFIDENCE: row.confidence}
            for name, text in notes.items():
                old = table.read_cell(number, name)
                notes[name] = f"{old}; {text}" if old and old != text else text
            yield number, new | notes


def _compare_countries(rows: list[Row]) -> str:
    """Describe how many countries of a table are those of the database, where its spelling tells; else empty."""
    spelling, n, differences = spell_countries(rows), 0, []
    for row in rows:
        text, code = _read_own_country(row), str(row.values.get("country"))
        if text and "country" in row.values and (code in spelling or text in spelling.values()):
            n += 1
            if text != spelling.get(code):
                differences.append(
                    f"row {row.task.table.first_row + row.task.number}: {text}, not {spelling.get(code, code)}"
                )
    examples = f": {list_examples(differences)}" if differences else ""
    return f"country: {n - len(differences)} of {n} in the table agree with MusicBrainz{examples}\n" if n else ""


def _describe(values: Mapping[str, Value]) -> str:
    text = ", ".join(f"{name} {value}" for name, value in values.items() if name not in NOTES)
    return f"{text} ({values[CONFIDENCE]}: {values[SOURCE]})"
