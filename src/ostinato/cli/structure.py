"""Commands on the structure of a song."""

from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from ostinato.cli.root import ASK, Json, app, echo


@app.command(rich_help_panel=ASK)
def structure(
    targets: Annotated[list[Path], typer.Argument(metavar="PATH...", help="audio files, and folders of them")],
    json: Annotated[bool, typer.Option("--json", help="print one JSON object per line")] = False,
) -> None:
    """Find tempo, beats, tuning, sections and a thumbnail of songs; exit status 1 if any file could not be read."""
    from ostinato import audio
    from ostinato.errors import OstinatoError
    from ostinato.inference.predict import list_files
    from ostinato.structure import analysis, describe, find_thumbnail

    failed = False
    for path, error in list_files(targets):
        try:
            if error is not None:
                raise OstinatoError(f"{path}: {error}")
            result = analysis.analyze(*audio.load(path, max_seconds=analysis.MAX_SECONDS))
        except OstinatoError as failure:
            failed = True
            typer.echo(failure, err=True)
            continue
        if json:
            echo(dumps({"path": str(path), **asdict(result), "thumbnail": find_thumbnail(result)}, ensure_ascii=False))
        else:
            echo(f"{path}: {describe(result)}")
    raise typer.Exit(int(failed))


@app.command(rich_help_panel=ASK)
def thumbnail(
    target: Annotated[Path, typer.Argument(metavar="PATH", help="an audio file", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option(help="write the clip to this WAV or FLAC file, which must not exist")],
    seconds: Annotated[float, typer.Option(min=1, help="length of the clip")] = 15.0,
    json: Json = False,
) -> None:
    """Extract the clip that represents a song best."""
    from ostinato import audio
    from ostinato.structure import analysis, find_thumbnail, write_clip

    y, sample_rate = audio.load(target, max_seconds=analysis.MAX_SECONDS)
    start, end = find_thumbnail(analysis.analyze(y, sample_rate), seconds)
    write_clip(out, y, sample_rate, start, end)
    clip = {"path": str(target), "start": start, "end": end}
    echo(dumps(clip, ensure_ascii=False) if json else f"{out}: {start:.1f} to {end:.1f} s of {target}")
