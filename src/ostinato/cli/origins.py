"""The command that fills countries, places and years of artists into tables."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ostinato.cli.root import LOOK, app


@app.command(rich_help_panel=LOOK)
def fill(
    root: Annotated[
        Path,
        typer.Argument(
            metavar="ROOT", help="a table, or a folder with tables artists.csv or tracks.csv (or Parquet)", exists=True
        ),
    ],
    source: Annotated[
        Literal["musicbrainz"], typer.Option("--from", metavar="NAME", help="the database: musicbrainz")
    ] = "musicbrainz",
    dump: Annotated[
        Path | None,
        typer.Option(
            help="read the JSON dumps in this folder instead of asking the service", file_okay=False, exists=True
        ),
    ] = None,
    contact: Annotated[
        str,
        typer.Option(envvar="OSTINATO_CONTACT", help="your e-mail address or web page, which MusicBrainz asks for"),
    ] = "",
    server: Annotated[
        str | None, typer.Option(envvar="OSTINATO_MUSICBRAINZ_URL", help="a mirror instead of musicbrainz.org")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="OURS=THEIRS", help="your name of a column, such as artist=performer; repeatable"),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="write the tables; without it the values are only listed")
    ] = False,
) -> None:
    """Fill empty countries, places and years of artists and tracks from MusicBrainz."""
    from ostinato.origins import fill as filling
    from ostinato.origins.dump import Dump
    from ostinato.origins.web_service import open_web_service

    pairs = [text.partition("=") for text in column or ()]
    if any(not (ours and theirs) for ours, _, theirs in pairs):
        raise typer.BadParameter("--column is OURS=THEIRS, such as artist=performer")
    columns = {ours: theirs for ours, _, theirs in pairs}
    if dump is not None:
        filling.run(root, Dump(dump), columns=columns, write=write)
        return
    if not contact:
        raise typer.BadParameter("--contact is required: MusicBrainz asks for an e-mail address or a web page of yours")
    with open_web_service(contact, server) as service:
        filling.run(root, service, columns=columns, write=write)
