"""The root of the commands: their order, their panels, and shared options and helpers."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup

from ostinato.errors import OstinatoError

METAVARS = {"<int>": "N", "<int range>": "N", "<float>": "X", "<float range>": "X", "<str>": "TEXT", "<path>": "PATH"}
METAVARS |= {"<file>": "FILE", "<dir>": "DIR", "<list[str]>": "TEXT"}
"""Placeholders of values in help, by type."""


class _Plain:
    """Help with plain placeholders for values, and none for flags."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""
            elif param.metavar is None and param.param_type_name == "option":
                param.metavar = METAVARS.get(param.display_type(ctx))
        return params


class Command(_Plain, TyperCommand):
    """One command, which first checks that its extra of the distribution is installed."""

    def invoke(self, ctx: Any) -> Any:
        """Run it."""
        from ostinato.core import extras

        name = ctx.command_path.partition(" ")[2]
        extras.require(f"ostinato {name}", *extras.COMMANDS.get(name, ()))
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            if (text := extras.explain(f"ostinato {name}", error)) is None:
                raise
            raise extras.MissingExtraError(text) from error
        except ImportError as error:
            if (text := _explain_import(error)) is None:
                raise
            raise OstinatoError(text) from error


def _explain_import(error: BaseException | None) -> str | None:
    """Name the compiled library that could not be loaded; None if it was something else that could not be imported."""
    while error is not None:
        path = getattr(error, "path", None)
        if isinstance(error, ImportError) and path and not path.endswith(".py"):
            reason = str(error).partition("\n")[0].removeprefix(f"{path}: ")
            advice = "install it anew with the pip of this Python, on this machine; `ostinato doctor` names the package"
            return f"{path}: cannot be loaded ({reason}); {advice}"
        error = error.__cause__ or error.__context__
    return None


class Group(_Plain, TyperGroup):
    """All commands, in the order of `ORDER`."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands in order."""
        position = {name: i for i, name in enumerate(ORDER)}
        return sorted(super().list_commands(ctx), key=lambda name: position.get(name, len(ORDER)))


class Subgroup(_Plain, TyperGroup):
    """The commands of one subject, in the order in which they are defined."""


class App(typer.Typer):
    """Commands with plain help."""

    def command(self, *args: Any, **kwargs: Any) -> Any:
        """Add a command."""
        return super().command(*args, cls=Command, **kwargs)


app = App(
    cls=Group,
    name="ostinato",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


LogFormat = Annotated[
    Literal["text", "json"],
    typer.Option(envvar="OSTINATO_LOG_FORMAT", help="json: stages and the service log one JSON object per line"),
]


def _print_version(is_set: bool) -> None:
    if is_set:
        from ostinato import __version__

        typer.echo(f"ostinato {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="print the version", callback=_print_version, is_eager=True)
    ] = False,
    log_format: LogFormat = "text",
) -> None:
    """Music classification and recommendation as one pipeline, from a folder of audio to a released model."""
    if log_format == "json":
        os.environ["OSTINATO_LOG_FORMAT"] = log_format  # for the processes that it starts, too


Models = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR_OR_FILE",
        help="use the released models of this folder, or of one version's folder or network.onnx, instead of "
        "models/released",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="print JSON instead of text")]

Pretrained = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="use a published network, trained on real music, instead of a released model: musicnn, musicnn-mtt, vgg "
        "or vgg-mtt; its weights are downloaded once",
    ),
]

Weights = Annotated[
    Path | None,
    typer.Option(
        help="the weights of that published network, instead of downloading them", exists=True, dir_okay=False
    ),
]

STAGE = "Stages, in the order in which `dvc repro` runs them"
LABELS = "From labels to a model"
RUN, ASK, LOOK = "Runs and releases", "Using the released model", "Networks, papers and datasets"


ORDER = (
    *("learn", "label"),
    *("plan", "status", "candidates", "clean", "release", "releases", "push", "pull", "compare", "robustness"),
    *("predict", "recommend", "explain", "serve", "drift", "clips", "tag", "structure", "thumbnail", "study"),
    *("doctor", "architectures", "describe", "reproduce", "datasets", "download", "fill", "import-weights"),
    *("ingest", "validate", "split", "artists", "featurize", "budget", "tune", "train", "member", "number"),
    *("infer", "evaluate", "gate", "export", "rank", "catalog", "regress", "plays", "listeners", "report"),
)


def echo(text: object, nl: bool = True) -> None:
    """Print text without control characters, which names of files may contain."""
    from ostinato.io.escapes import escape_lines

    typer.echo(escape_lines(str(text)), nl=nl)


def read_project(*sections: str) -> tuple[Any, Any]:
    """Return the paths and some sections of params.yaml of the project in the working folder."""
    from ostinato.core import params
    from ostinato.core.paths import Paths

    paths = Paths(Path.cwd())
    return paths, params.only(params.load(paths.params), sections)


def read_settings(*sections: str) -> tuple[Any, Any]:
    """Return the paths and some sections of params.yaml as `read_project`; outside a project, their defaults."""
    from ostinato.core import params
    from ostinato.core.paths import Paths

    paths = Paths(Path.cwd())
    return paths, params.load_settings(paths.params, sections)


def require_candidate(name: str) -> None:
    """Refuse a name that is not in params.yaml, before heavy imports."""
    from ostinato.core import params
    from ostinato.core.paths import Paths

    params.check_entry(params.load(Paths(Path.cwd()).params), "candidates", name)


def find_releases(
    models: Path | None, name: str | None, weights: Path | None, targets: Sequence[Path] = ()
) -> Path | None:
    """Return the folder of models, or that of a published network, unless none of the targets exists."""
    if name is None:
        if weights is not None:
            raise typer.BadParameter("--weights requires the name of a published network")
        return models
    if models is not None:
        raise typer.BadParameter("choose one of --models and a published network")
    from ostinato.core import extras
    from ostinato.io.escapes import escape_line

    if targets and not any(target.exists() for target in targets):
        for target in targets:
            typer.echo(escape_line(f"{target}: no such file or folder"), err=True)
        raise typer.Exit(1)
    extras.require(f"--model {name}", "encoders")
    from ostinato.pretrained.folder import prepare

    return prepare(name, weights)
