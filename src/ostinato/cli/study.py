"""Commands on listening studies."""

from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from ostinato.cli.root import ASK, App, Json, Subgroup, app, echo, read_settings

study = App(name="study", cls=Subgroup, no_args_is_help=True)
app.add_typer(study, name="study", rich_help_panel=ASK, help="Compare what spaces recommend, by ear and blindly.")


@study.command()
def make(
    spaces: Annotated[
        list[str],
        typer.Option(metavar="SPACE", help="two or three: candidates of params.yaml, or folders of catalogs"),
    ],
    others: Annotated[list[str] | None, typer.Argument(metavar="SPACE...", hidden=True)] = None,
    seeds: Annotated[int, typer.Option(help="number of tracks to recommend from, even")] = 20,
    out: Annotated[Path | None, typer.Option(help="write the study into this folder; default: study")] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=5, help="number of tracks on each side")] = 1,
    seconds: Annotated[float, typer.Option(min=1, max=60, help="length of the clips")] = 15.0,
) -> None:
    """Make a study, as in `study make --spaces A B --seeds 20`; `serve --study` asks listeners."""
    from ostinato.study.design import make_study
    from ostinato.study.spaces import SECTIONS, load_spaces

    paths, params = read_settings(*SECTIONS)
    loaded = load_spaces(paths, params, [*spaces, *(others or [])])
    folder = out or paths.study.relative_to(paths.root)
    new = make_study(loaded, seeds, folder, seed=params.seed, k=k, seconds=seconds)
    echo(f"{folder}: {len(new.questions)} questions, {len(new.clips)} clips; run `ostinato serve --study {folder}`")


@study.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a study", exists=True, file_okay=False)],
    json: Json = False,
) -> None:
    """Print which space listeners prefer, and how sure that is."""
    from ostinato.core.paths import Paths
    from ostinato.io.files import read_json
    from ostinato.study import report as reporting
    from ostinato.study.folder import Study

    ranking = Paths(Path.cwd()).ranking
    figures = reporting.report(Study.open(folder), read_json(ranking) if ranking.exists() else None)
    echo(dumps(figures, indent=2, ensure_ascii=False) if json else reporting.describe(figures))
