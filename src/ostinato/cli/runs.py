"""Commands on the whole pipeline: its cost, its status, its candidates and releases."""

from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer

from ostinato.cli.root import LOOK, RUN, Json, Models, app, echo, read_project, require_candidate


@app.command(rich_help_panel=RUN)
def plan() -> None:
    """Show what a run will cost in time and disk; refuse one that does not fit."""
    from ostinato.pipeline import plan

    plan.command(*read_project(*plan.SECTIONS))


@app.command(rich_help_panel=RUN)
def status(
    show_all: Annotated[bool, typer.Option("--all", help="also list finished stages")] = False,
) -> None:
    """Show finished, running and pending stages, and why; safe to use during a run."""
    from ostinato.core.paths import Paths
    from ostinato.pipeline.status import status, summarise

    pipeline = status(Paths(Path.cwd()))
    first, *groups = summarise(pipeline.stages)
    echo(first)
    for fault in pipeline.faults:
        echo(f"! {fault}")
    for line in groups if not show_all else ():
        echo(line)
    for stage in pipeline.stages if show_all else ():
        echo(f"{stage.state:8} {stage.stage:32} {stage.reason}".rstrip())


@app.command(rich_help_panel=RUN)
def clean(
    yes: Annotated[bool, typer.Option("--yes", "--force", help="remove them; without it they are only listed")] = False,
) -> None:
    """List leftovers of removed candidates, interrupted runs and former corpora; with --yes, delete them."""
    from ostinato.core.counts import format_count
    from ostinato.errors import OstinatoError
    from ostinato.pipeline.corpora import find_old_corpora
    from ostinato.pipeline.leftovers import find_leftovers, remove
    from ostinato.pipeline.status import find_running

    paths, params = read_project("candidates", "estimators", "stacked", "members", "numbers", "features")
    if running := sorted(find_running(paths)):
        raise OstinatoError(f"{', '.join(running)}: is running and may need these files; wait until it ends")
    leftovers = find_leftovers(paths, params) + find_old_corpora(paths)
    n_bytes, n_tracked = sum(x.n_bytes for x in leftovers), sum(x.is_tracked for x in leftovers)
    note = "" if yes or not leftovers else "; --yes removes them"
    echo(f"{format_count(len(leftovers), 'leftover')}, {n_bytes / 1e6:.1f} MB{note}")
    for leftover in leftovers:
        note = ", tracked by git" if leftover.is_tracked else ""
        name = leftover.path.relative_to(paths.root)
        echo(f"{leftover.n_bytes / 1e6:9.1f} MB  {name}  ({leftover.reason}{note})")
    if yes:
        remove(leftovers)
    if n_tracked:
        advice = "commit their removal" if yes else "after --yes, commit their removal"
        echo(f"git tracks {n_tracked} of them: {advice}")


@app.command(rich_help_panel=RUN)
def candidates(
    latency: Annotated[
        bool, typer.Option("--latency", help="time the exported ones here: ONNX Runtime, one chunk, one thread")
    ] = False,
    json: Json = False,
) -> None:
    """List the candidates of params.yaml with their gate result, the reason, and which are in service."""
    from ostinato.core.candidates import list_candidates
    from ostinato.io.files import read_json
    from ostinato.io.versions import find_training

    paths, params = read_project("candidates", "estimators", "stacked", "members", "numbers", "gate")
    gate = read_json(paths.gate) if paths.gate.exists() else {}
    rows = [
        row
        | {"reasons": gate.get(row["name"], {}).get("reasons", [])}
        | {"in_service": find_training(paths.releases, row["name"], paths.onnx(row["name"]))}
        for row in list_candidates(params, gate)
    ]
    _warn_of_service(paths, {row["name"] for row in rows})
    if latency:
        rows = [row | {"latency_ms": _time_network(paths.onnx(row["name"]))} for row in rows]
    if json:
        echo(dumps(rows, indent=2))
        return
    columns = ("name", "architecture", "feature", "task")
    service = {None: "", "present": ", in service", "earlier": ", an earlier training is in service"}
    widths = {column: max(len(row[column]) for row in rows) for column in columns} if rows else {}
    for row in rows:
        result = _format_result(gate.get(row["name"])) + service[row["in_service"]]
        times = [f"{row['latency_ms'] or '-':>7} ms"] if latency else []
        figure = _format_figure(paths.metrics(row["name"]), params.gate.get(row["task"], {}), row["task"])
        echo("  ".join([*(f"{row[c]:{widths[c]}}" for c in columns), f"{figure:15}", *times, result]))


def _warn_of_service(paths: Any, names: set[str]) -> None:
    """Warn of models in service that are damaged or not among the candidates."""
    from ostinato.io.escapes import escape_line
    from ostinato.io.files import read_json
    from ostinato.io.versions import find_damage, find_models

    for task, folder in find_models(paths.releases).items():
        if damage := find_damage(folder):
            typer.echo(escape_line(f"{task}: the model in service is damaged: {damage}"), err=True)
        elif (name := str(read_json(folder / "model.json")["name"])) not in names:
            text = f"{task}: {name} is in service but no longer in params.yaml; restore it there, or release another"
            typer.echo(escape_line(text), err=True)


def _format_figure(metrics: Path, bounds: Any, task: str) -> str:
    """Format the leading metric on the test tracks; empty if there is none."""
    from ostinato.core.candidates import first_metric
    from ostinato.io.files import read_json

    name = first_metric(bounds, task)
    value = read_json(metrics).get("test", {}).get(name, {}).get("value") if metrics.exists() else None
    return "" if value is None else f"{name} {value:.3f}"


def _time_network(folder: Path) -> float | None:
    """Return the latency of an exported network; None if there is none."""
    from ostinato.inference.latency import compute_latency_ms

    return round(compute_latency_ms(folder), 2) if (folder / "network.onnx").exists() else None


def _format_result(decision: dict[str, Any] | None) -> str:
    """Format the result of the gate, with the rules that a rejected candidate breaks."""
    if decision is None:
        return "not evaluated yet"
    if decision["accepted"]:
        return "accepted"
    met = {rule["reason"] for rule in decision["rules"] if rule["kept"]}
    return f"not accepted: {'; '.join(reason for reason in decision['reasons'] if reason not in met)}"


@app.command(rich_help_panel=RUN)
def robustness(
    name: Annotated[str, typer.Argument(help="an exported candidate of params.yaml")],
    clips: Annotated[int, typer.Option(min=1, help="maximum number of test clips, drawn with the seed")] = 64,
    json: Json = False,
) -> None:
    """Measure the how far the metric drops on degraded sound: noise, MP3, changed speed and pitch."""
    require_candidate(name)
    from ostinato.evaluation import robustness
    from ostinato.evaluation.perturbed import format_markdown

    result = robustness.measure_robustness(*read_project(*robustness.SECTIONS), name, clips)
    echo(dumps(result, indent=2, ensure_ascii=False) if json else format_markdown(result))


@app.command(rich_help_panel=RUN)
def release(
    rollback: Annotated[
        bool, typer.Option("--rollback", help="go back to the version before the one in service, and pin it")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="unpin tasks after a rollback")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="replace a model that cannot be compared, such as one with other classes")
    ] = False,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", help="only this task: genre, tags or catalog; repeatable"),
    ] = None,
) -> None:
    """Release the best accepted candidate of each task, and the catalog; exit status 3 if one is refused."""
    from ostinato.io.locks import exclusive
    from ostinato.release import release as releasing

    if rollback and (resume or replace):
        raise typer.BadParameter("--rollback cannot be combined with --resume or --replace")
    paths, params = read_project(*releasing.SECTIONS)
    with exclusive(paths.lock("release")):
        if rollback:
            verdicts = releasing.rollback(paths, task)
        else:
            verdicts = releasing.release(paths, params, tasks=task, replace=replace, resume=resume)
    echo(releasing.summary(verdicts))
    raise typer.Exit(releasing.exit_code(verdicts))


@app.command(rich_help_panel=RUN)
def compare(rev: Annotated[str, typer.Argument(help="a branch, tag or hash of git")]) -> None:
    """Compare the metrics with a revision, as Markdown; exit status 1 if one dropped significantly."""
    from ostinato.evaluation.compare import compare, merge_settings
    from ostinato.evaluation.revision import read_folder, read_revision

    paths, params = read_project("seed", "evaluate", "gate", "compare")
    revision = read_revision(paths, rev)
    comparison = compare(read_folder(paths), revision, merge_settings(params, revision))
    echo(comparison.markdown)
    raise typer.Exit(comparison.exit_code)


@app.command(rich_help_panel=LOOK)
def reproduce(
    recipe: Annotated[str | None, typer.Argument(help="a file of recipes/, without .yaml")] = None,
    list_: Annotated[bool, typer.Option("--list", help="only list the recipes")] = False,
    small: Annotated[bool, typer.Option("--small", help="run at a size that two cores can handle")] = False,
) -> None:
    """Reproduce a paper's table in runs/RECIPE, and print published and reproduced results."""
    from ostinato import recipes
    from ostinato.core.paths import Paths

    paths = Paths(Path.cwd())
    if list_ or recipe is None:
        for name in recipes.names(paths.recipes):
            entry = recipes.load(paths.recipes, name)
            echo(f"{name:24} {entry.title}{' (--small)' if entry.small else ''}")
        return
    from ostinato.recipes.run import reproduce

    echo(reproduce(paths, recipe, small=small))


Task = Annotated[list[str] | None, typer.Option("--task", help="only this task: genre, tags or catalog; repeatable")]
Site = Annotated[
    str, typer.Argument(metavar="REMOTE", help="a folder, a URL such as s3://bucket/models, or a DVC remote")
]


@app.command(rich_help_panel=RUN)
def releases(json: Json = False) -> None:
    """List all versions of released models and the catalog, with metrics, and which are in service."""
    from ostinato.core.paths import Paths
    from ostinato.release.remote import list_releases

    rows = list_releases(Paths(Path.cwd()).releases)
    if json:
        echo(dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        state = "in service" if row["in_service"] else ""
        text = row["damage"] or (row["reasons"] or [""])[0]
        echo(f"{row['task']:8} {row['version']:>4}  {state:10}  {row['name'] or '':24}  {text}".rstrip())


@app.command(rich_help_panel=RUN)
def push(remote: Site, task: Task = None) -> None:
    """Copy what is in service to a remote, for other machines to pull."""
    from ostinato.core.paths import Paths
    from ostinato.release.remote import Remote, push

    _print_transfers(push(Paths(Path.cwd()).releases, Remote(remote, Path.cwd()), task), "pushed")


@app.command(rich_help_panel=RUN)
def pull(remote: Site, task: Task = None, models: Models = None) -> None:
    """Install what a remote has in service, after verifying the hash of every file."""
    from ostinato.core.paths import Paths
    from ostinato.io.locks import exclusive
    from ostinato.release.remote import Remote, pull

    paths = Paths(Path.cwd())
    with exclusive(paths.lock("release")):
        transfers = pull(models or paths.releases, Remote(remote, Path.cwd()), task)
    _print_transfers(transfers, "pulled")


def _print_transfers(transfers: list[Any], verb: str) -> None:
    from ostinato.core.counts import format_count

    for transfer in transfers:
        n = format_count(transfer.n_files, "file")
        echo(f"{transfer.task}: version {transfer.version} is in service there, {n} {verb}")
