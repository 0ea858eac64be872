"""The command that writes labels into the tags of audio files."""

from pathlib import Path
from typing import Annotated

import typer

from ostinato.cli.root import ASK, Models, Pretrained, Weights, app, find_releases


@app.command(rich_help_panel=ASK)
def tag(
    targets: Annotated[list[Path] | None, typer.Argument(metavar="PATH...", help="audio files, and folders")] = None,
    write: Annotated[
        bool, typer.Option("--write", help="write the tags; without it the changes are only listed")
    ] = False,
    journal: Annotated[Path, typer.Option(help="with --write: record the old tags here first", dir_okay=False)] = Path(
        "tags.jsonl"
    ),
    restore: Annotated[bool, typer.Option("--restore", help="undo the changes of the journal")] = False,
    task: Annotated[
        str | None,
        typer.Option(help="genre (field genre), tags (field grouping) or all; default: genre if released"),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="number of files processed in parallel")] = 1,
    models: Models = None,
    model: Pretrained = None,
    weights: Weights = None,
) -> None:
    """Write predicted labels into the tags of files, except unsure ones; exit status 1 if any file failed."""
    from ostinato.core.paths import Paths
    from ostinato.inference import tagging

    if bool(targets) == restore:
        raise typer.BadParameter("give files to tag, or restore tags with --restore")
    if restore:
        raise typer.Exit(tagging.report(tagging.restore(journal), "restored"))
    releases = find_releases(models, model, weights, targets or ()) or Paths(Path.cwd()).releases
    raise typer.Exit(tagging.run(targets or [], releases, journal if write else None, task=task, workers=workers))
