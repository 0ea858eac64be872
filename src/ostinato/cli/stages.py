"""One command for each stage of the pipeline."""

import os
import re
import sys
from contextlib import nullcontext
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from ostinato import stages
from ostinato.cli.root import STAGE, Json, Models, Pretrained, Weights, app, echo, find_releases, read_project
from ostinato.core.registry import names
from ostinato.io.escapes import escape_line


def run_stage(stage: str, name: str | None = None, root: Path | None = None) -> None:
    """Run one stage in the project that holds the working folder.

    Parameters
    ----------
    stage : str
        A module of `ostinato.stages`.
    name : str, optional
        The candidate, for a stage of candidates.
    root : Path, optional
        Folder of params.yaml; default: the working folder.
    """
    from ostinato.core import logs, params, parent, registry
    from ostinato.core.paths import Paths
    from ostinato.io.locks import exclusive

    parent.die_with_caller()
    paths = Paths(root or Path.cwd())
    all_sections = params.load(paths.params)
    module = registry.load("ostinato.stages", stage)
    if name is not None:
        params.check_entry(all_sections, getattr(module, "ENTRIES", "candidates"), name)
    sections = params.only(all_sections, module.SECTIONS)
    is_first = os.environ.get("LOCAL_RANK", "0") == "0"  # Lightning starts this command once per device
    prints = logs.capture_prints(stage=f"{stage}@{name}" if name else stage) if logs.is_json() else nullcontext()
    with prints, exclusive(paths.lock(stage, name)) if is_first else nullcontext():
        module.run(paths, sections, *filter(None, [name]))


@app.command(rich_help_panel=STAGE)
def evaluate(
    name: Annotated[str | None, typer.Argument(help="a candidate of params.yaml")] = None,
    on: Annotated[
        Path | None,
        typer.Option(help="evaluate the released model on this labelled folder", exists=True, file_okay=False),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(help="labels of that folder: a CSV, TSV or Parquet file in it; default: the names of its folders"),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(help="map a class of that folder to one of the model, such as hip-hop=hiphop; repeatable"),
    ] = None,
    task: Annotated[str, typer.Option(help="task of the released model: genre or tags")] = "genre",
    json: Json = False,
) -> None:
    """Evaluate a candidate with confidence intervals; with --on, the released model on another folder."""
    if (name is None) == (on is None):
        raise typer.BadParameter("name a candidate, or give --on PATH")
    if on is None:
        if table or rename or json:
            raise typer.BadParameter("--table, --rename and --json require --on")
        run_stage("evaluate", name)
        return
    from functools import partial

    from ostinato.curation import inventory
    from ostinato.evaluation import external, overlap
    from ostinato.inference.model import ReleasedModel
    from ostinato.inference.predict import warn

    paths, params = read_project("seed", "compute", "evaluate")
    model = ReleasedModel(paths.current_release(task))
    training, cache = overlap.read_training_files(paths, model), paths.state / inventory.cache_name(on)
    find = partial(overlap.find_training_copies, on, training=training.files, cache=cache, settings=params.compute)
    warn([model], False, sys.stderr)
    result = external.evaluate(
        model,
        on,
        table=table,
        renaming=external.parse_renaming(rename or ()),
        confidence=params.evaluate.confidence,
        workers=params.compute.workers or 1,
        find_copies=find if len(training.files) else None,
        note=training.note,
    )
    echo(dumps(result, indent=2, ensure_ascii=False) if json else external.format_markdown(result))
    raise typer.Exit(int(bool(result["unreadable"])))


@app.command(rich_help_panel=STAGE)
def catalog(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="with --add: files and folders below the dataset's folder; default: all new ones"),
    ] = None,
    add: Annotated[
        bool, typer.Option("--add", help="add new tracks to the catalog in service, embedded by its own network")
    ] = False,
    of: Annotated[
        Path | None,
        typer.Option(
            help="build a catalog of this folder of audio with the released network", exists=True, file_okay=False
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="write it into this folder; a catalog already there is updated")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="use the network of genre, tags or artist_embedding; default: genre if released"),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            help="artists, albums and more: a CSV, TSV or Parquet in that folder; default: the files' own tags"
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="number of files processed in parallel; default: one per core")
    ] = None,
    models: Models = None,
    encoder: Pretrained = None,
    weights: Weights = None,
) -> None:
    """Embed every track with the best-ranked network; --add: new tracks only; --of: the files of another folder."""
    if files and not add:
        raise typer.BadParameter("files require --add")
    if add and of is not None:
        raise typer.BadParameter("choose one of --add and --of")
    if add:
        raise typer.Exit(_add_tracks(files or []))
    if of is None:
        if any(option is not None for option in (out, task, table, workers, models, encoder, weights)):
            raise typer.BadParameter(
                "--out, --task, --table, --workers, --models, --encoder and --weights require --of"
            )
        run_stage("catalog")
        return
    if out is None:
        raise typer.BadParameter("--of needs --out: the folder of the catalog")
    from ostinato.core.parallel import cores
    from ostinato.core.paths import Paths
    from ostinato.recommendation import folder
    from ostinato.recommendation.catalog import find_served

    paths = Paths(Path.cwd())
    releases = find_releases(models, encoder, weights) or paths.releases
    network = folder.find_network(releases, find_served(paths), task)
    summary = folder.build(network, of, out, table=table, workers=workers or cores())
    echo(f"{out}: {summary}")
    raise typer.Exit(int(bool(summary.unreadable)))


def _add_tracks(files: list[Path]) -> int:
    """Add tracks to the catalog in service; return the exit status, 1 if one was refused."""
    from ostinato.io.locks import exclusive
    from ostinato.release import additions

    paths, params = read_project(*additions.SECTIONS)
    with exclusive(paths.lock("release")):
        result = additions.add_tracks(paths, params, files)
    for track_id, reason in result.refused.items():
        typer.echo(escape_line(f"{track_id}: {reason}"), err=True)
    for track_id, reasons in result.doubtful.items():
        typer.echo(escape_line(f"{track_id}: its neighbours are unreliable: {'; '.join(reasons)}"), err=True)
    echo(str(result))
    return int(bool(result.refused))


def _add(stage: str) -> None:
    """Add the command of a stage; its help is the first line of the module's docstring."""
    source = (Path(stages.__path__[0]) / f"{stage}.py").read_text(encoding="utf-8")  # importing them takes seconds
    text = source[3:].partition("\n")[0].removesuffix('"""')
    has_name = re.search(r"^def run\([^)]*\bname\b", source, re.MULTILINE) is not None

    def run_whole() -> None:
        run_stage(stage)

    def run_candidate(name: Annotated[str, typer.Argument(help="a candidate of params.yaml")]) -> None:
        run_stage(stage, name)

    app.command(stage, help=text, rich_help_panel=STAGE)(run_candidate if has_name else run_whole)


for _stage in names("ostinato.stages"):
    if _stage not in ("evaluate", "catalog"):
        _add(_stage)
