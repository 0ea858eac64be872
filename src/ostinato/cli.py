"""The commands: pick a stage or a user command, and import its module only when it runs."""

import importlib
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="ostinato",
    help="Music understanding as one pipeline: validated data, cached features, judged networks, gated releases.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="print JSON")]
PIPELINE = "Stages of the pipeline (run all of them by `dvc repro`)"
USE = "Use"
STAGES = {
    "ingest": "Find the dataset's tracks and measure each new file.",
    "validate": "Check tracks and files; quarantine what is broken.",
    "split": "Part the tracks by artist, album and copy.",
    "featurize": "Compute the features of new tracks into the cache.",
    "gate": "Say which candidates pass the thresholds of params.yaml.",
    "report": "Write the page with leaderboard, curves and confusions.",
}
STAGES_OF_A_CANDIDATE = {
    "tune": "Search a candidate's settings with Optuna.",
    "train": "Fit a candidate on every fold.",
    "member": "Out-of-fold logits of one member of a stack.",
    "infer": "Logits and embeddings of every track.",
    "evaluate": "A candidate's figures with intervals.",
    "export": "Write a candidate's ONNX file if the gate accepted it.",
}


def run_stage(stage: str, name: str | None = None, root: Path | None = None) -> None:
    """Run one stage in the project that holds the working folder.

    Parameters
    ----------
    stage : str
        A module of `ostinato.stages`.
    name : str, optional
        The candidate, where the stage has one per candidate.
    root : Path, optional
        The folder of params.yaml; default: the working folder.
    """
    from ostinato import params
    from ostinato.files import alone
    from ostinato.paths import Paths

    module = importlib.import_module(f"ostinato.stages.{stage}")
    paths = Paths(root or Path.cwd())
    given = params.only(params.load(paths.params), module.SECTIONS)
    with alone(paths.lock(stage, name)):
        module.run(paths, given, name)


def _add(stage: str, text: str, of_a_candidate: bool) -> None:
    def whole() -> None:
        run_stage(stage)

    def single(name: Annotated[str, typer.Argument(help="a candidate of params.yaml")]) -> None:
        run_stage(stage, name)

    app.command(stage, help=text, rich_help_panel=PIPELINE)(single if of_a_candidate else whole)


for _stage, _text in STAGES.items():
    _add(_stage, _text, of_a_candidate=False)
for _stage, _text in STAGES_OF_A_CANDIDATE.items():
    _add(_stage, _text, of_a_candidate=True)


def _project(*sections: str) -> tuple[Any, Any]:
    """Give the paths and some sections of the project that holds the working folder."""
    from ostinato import params
    from ostinato.paths import Paths

    paths = Paths(Path.cwd())
    return paths, params.only(params.load(paths.params), sections)


@app.command(rich_help_panel=USE)
def plan() -> None:
    """Say what a run will cost in time and disk; refuse one that cannot fit."""
    from ostinato import plan

    plan.command(*_project(*plan.SECTIONS))


@app.command(rich_help_panel=USE)
def status() -> None:
    """Say which stages are done, running and left, and why."""
    from ostinato.paths import Paths
    from ostinato.status import status

    found = status(Paths(Path.cwd()))
    for stage in found:
        typer.echo(f"{stage.state:8} {stage.stage:32} {stage.reason}".rstrip())
    counts = {state: sum(stage.state == state for stage in found) for state in ("done", "running", "left")}
    typer.echo(", ".join(f"{n} {state}" for state, n in counts.items()))


@app.command(rich_help_panel=USE)
def candidates(json: Json = False) -> None:
    """List the candidates of params.yaml and whether the gate accepted them."""
    from ostinato.evaluation.roster import listed
    from ostinato.files import read_json

    paths, given = _project("candidates", "estimators", "stacked", "members")
    rows = listed(given, read_json(paths.gate) if paths.gate.exists() else {})
    if json:
        typer.echo(dumps(rows, indent=2))
        return
    answer = {None: "not judged yet", True: "accepted", False: "not accepted"}
    for row in rows:
        typer.echo("{name:20} {architecture:14} {feature:12} {task:8} ".format(**row) + answer[row["accepted"]])


@app.command(rich_help_panel=USE)
def predict(
    targets: Annotated[list[Path], typer.Argument(metavar="PATH...", help="audio files, and folders of them")],
    json: Json = False,
    task: Annotated[str | None, typer.Option(help="genre, tags or all; default: genre if released")] = None,
    models: Annotated[Path | None, typer.Option(help="another folder of released models")] = None,
) -> None:
    """Ask the released model about audio files; exit status 1 if any could not be read."""
    from ostinato.paths import Paths
    from ostinato.runtime import predict

    raise typer.Exit(predict.run(targets, models or Paths(Path.cwd()).releases, task=task, as_json=json))


@app.command(rich_help_panel=USE)
def release(
    rollback: Annotated[bool, typer.Option("--rollback", help="bring back what was in service before")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="replace a model that cannot be compared")] = False,
) -> None:
    """Put the best accepted candidate of each task in service if it is no worse; exit status 3 if one is refused."""
    from ostinato import release as releasing
    from ostinato.files import alone

    paths, given = _project(*releasing.SECTIONS)
    with alone(paths.lock("release")):
        verdicts = releasing.rollback(paths) if rollback else releasing.release(paths, given, replace=replace)
    typer.echo(releasing.summary(verdicts))
    raise typer.Exit(releasing.exit_code(verdicts))


@app.command(rich_help_panel=USE)
def compare(rev: Annotated[str, typer.Argument(help="a branch, tag or hash of git")]) -> None:
    """Print the metrics against a revision as Markdown; exit status 1 if one fell beyond the tolerance."""
    from ostinato.evaluation.compare import compare
    from ostinato.evaluation.roster import roster

    paths, given = _project("candidates", "estimators", "stacked", "members", "compare")
    comparison = compare(paths.root, rev, list(roster(given)), given.compare.tolerance)
    typer.echo(comparison.markdown)
    raise typer.Exit(comparison.exit_code)


@app.command(rich_help_panel=USE)
def datasets(
    name: Annotated[str | None, typer.Argument(help="a dataset; without one all are listed")] = None,
    cite: Annotated[bool, typer.Option("--cite", help="print only how to cite it")] = False,
    license_: Annotated[bool, typer.Option("--license", help="print only its licence")] = False,
) -> None:
    """List the datasets, or say all about one."""
    from ostinato import registry
    from ostinato.datasets import about

    if name is None:
        names = registry.names("ostinato.datasets")
        plugins = {n: registry.load("ostinato.datasets", n) for n in names}
        for n, plugin in plugins.items():
            typer.echo(f"{n:20} {(plugin.__doc__ or '').splitlines()[0]}")
        return
    plugin = registry.load("ostinato.datasets", name)
    only = [text for text, wanted in ((plugin.CITATION, cite), (plugin.LICENSE, license_)) if wanted]
    typer.echo("\n".join(only) if cite or license_ else about(name))


@app.command(rich_help_panel=USE)
def download(
    name: Annotated[str, typer.Argument(help="a dataset")],
    to: Annotated[Path | None, typer.Option(help="the folder; default: data/raw/NAME")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="an option, such as subset=medium")] = None,
) -> None:
    """Fetch a dataset, check it and unpack it; what broke off goes on."""
    from ostinato.datasets import remotes
    from ostinato.download import download
    from ostinato.errors import ParamsError
    from ostinato.files import alone
    from ostinato.paths import Paths

    if wrong := [pair for pair in set_ or [] if "=" not in pair]:
        raise ParamsError(f"--set {wrong[0]}: must be key=value")
    options = dict(pair.split("=", 1) for pair in set_ or [])
    paths = Paths(Path.cwd())
    with alone(paths.lock("download", name)):
        fetched = download(remotes(name, options), to or paths.raw(name))
    typer.echo("\n".join(f"fetched {what}" for what in fetched) or f"{name}: all of it is there")
