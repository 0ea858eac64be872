"""The commands: pick a stage or a user command, and import its module only when it runs."""

import importlib
import os
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from json import dumps
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup


class _Plain:
    """Help in which a flag is shown without a type."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Give the parameters."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""
        return params


class Command(_Plain, TyperCommand):
    """One command."""


class Group(_Plain, TyperGroup):
    """All of them, in the order of `ORDER`."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Put the stages in the order of the pipeline."""
        place = {name: i for i, name in enumerate(ORDER)}
        return sorted(super().list_commands(ctx), key=lambda name: place.get(name, len(ORDER)))


class App(typer.Typer):
    """Commands with plain help."""

    def command(self, *given: Any, **options: Any) -> Any:
        """Add a command."""
        return super().command(*given, cls=Command, **options)


app = App(
    cls=Group,
    name="ostinato",
    help="Music understanding as one pipeline: validated data, cached features, judged networks, gated releases.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="print JSON instead of text")]
STAGE = "Stages, in the order in which `dvc repro` runs them"
RUN, ASK, LOOK = "Runs and releases", "Asking the released model", "Networks, papers and datasets"
ORDER = (
    *("plan", "status", "candidates", "clean", "release", "compare", "robustness"),
    *("predict", "recommend", "explain", "serve", "drift", "excerpts"),
    *("architectures", "describe", "reproduce", "datasets", "download", "import-weights"),
    *(
        "ingest",
        "validate",
        "split",
        "artists",
        "featurize",
        "budget",
        "tune",
        "train",
        "member",
        "number",
        "infer",
        "evaluate",
    ),
    *("gate", "export", "rank", "catalog", "report"),
)
STAGES = {
    "ingest": "Find the dataset's tracks and measure each new file.",
    "validate": "Check tracks and files; quarantine what is broken.",
    "split": "Part the tracks by artist, album and copy.",
    "artists": "Learn a space of artists from whom the dataset relates.",
    "featurize": "Compute the features of new tracks into the cache.",
    "budget": "Part tune.budget among the candidates that are searched.",
    "gate": "Say which candidates pass the thresholds of params.yaml.",
    "rank": "Judge every candidate's embeddings as a similarity space.",
    "report": "Write models/report/index.html.",
}
STAGES_OF_A_CANDIDATE = {
    "tune": "Search a candidate's settings with Optuna.",
    "train": "Fit a candidate on every fold.",
    "member": "Give one member's out-of-fold logits to a stack.",
    "number": "Give one feature of numbers to a stack, beside its members.",
    "infer": "Compute logits and embeddings of every track.",
    "export": "Write a candidate's ONNX file if the gate accepted it.",
}

EDGES: Mapping[str, Literal["members", "numbers"]] = {"member": "members", "number": "numbers"}
"""Stages that have one entry per edge to a stack."""


def _echo(text: object, nl: bool = True) -> None:
    """Print text without the control characters that names of files may hold."""
    from ostinato.escapes import escape_lines

    typer.echo(escape_lines(str(text)), nl=nl)


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
    from ostinato import params, parent
    from ostinato.files import alone
    from ostinato.paths import Paths

    parent.die_with_caller()
    paths = Paths(root or Path.cwd())
    whole = params.load(paths.params)
    if name is not None:
        params.entry(whole, EDGES.get(stage, "candidates"), name)
    module = importlib.import_module(f"ostinato.stages.{stage}")
    given = params.only(whole, module.SECTIONS)
    is_first = os.environ.get("LOCAL_RANK", "0") == "0"  # Lightning starts this command once for each device
    with alone(paths.lock(stage, name)) if is_first else nullcontext():
        module.run(paths, given, name)


def _add(stage: str, text: str, of_a_candidate: bool) -> None:
    def whole() -> None:
        run_stage(stage)

    def single(name: Annotated[str, typer.Argument(help="a candidate of params.yaml")]) -> None:
        run_stage(stage, name)

    app.command(stage, help=text, rich_help_panel=STAGE)(single if of_a_candidate else whole)


for _stage, _text in STAGES.items():
    _add(_stage, _text, of_a_candidate=False)
for _stage, _text in STAGES_OF_A_CANDIDATE.items():
    _add(_stage, _text, of_a_candidate=True)


@app.command(rich_help_panel=STAGE)
def evaluate(
    name: Annotated[str | None, typer.Argument(help="a candidate of params.yaml")] = None,
    on: Annotated[
        Path | None,
        typer.Option(help="judge the released model on this labelled folder", exists=True, file_okay=False),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(help="labels of that folder: a CSV, TSV or Parquet in it; default: the names of its folders"),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(help="call a class of that folder as the model does, such as hip-hop=hiphop; repeatable"),
    ] = None,
    task: Annotated[str, typer.Option(help="which released model is judged there: genre or tags")] = "genre",
    json: Json = False,
) -> None:
    """Judge a candidate with intervals; with --on, the released model on a folder, less copies of training tracks."""
    if (name is None) == (on is None):
        raise typer.BadParameter("name a candidate, or give --on PATH")
    if on is None:
        if table or rename or json:
            raise typer.BadParameter("--table, --rename and --json go with --on")
        run_stage("evaluate", name)
        return
    from functools import partial

    from ostinato import inventory
    from ostinato.evaluation import elsewhere, overlap
    from ostinato.runtime.predict import warn
    from ostinato.runtime.session import Released

    paths, given = _project("seed", "compute", "evaluate")
    model = Released(paths.released(task))
    training, cache = overlap.read_training_files(paths, model), paths.state / inventory.cache_name(on)
    find = partial(overlap.find_training_copies, on, training=training.files, cache=cache, settings=given.compute)
    warn([model], False, sys.stderr)
    judged = elsewhere.judge(
        model,
        on,
        table=table,
        renamed=elsewhere.mapping(rename or ()),
        confidence=given.evaluate.confidence,
        workers=given.compute.workers or 1,
        find_copies=find if len(training.files) else None,
        note=training.note,
    )
    _echo(dumps(judged, indent=2, ensure_ascii=False) if json else elsewhere.markdown(judged))
    raise typer.Exit(int(bool(judged["unreadable"])))


@app.command(rich_help_panel=STAGE)
def catalog(
    of: Annotated[
        Path | None,
        typer.Option(
            help="make a catalog of this folder of audio by the released network", exists=True, file_okay=False
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="write it into this folder; a catalog that stands there is brought up to date")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="place by the network of genre, tags or artist_embedding; default: genre if released"),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            help="artists, albums and more: a CSV, TSV or Parquet in that folder; default: the files' own tags"
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="how many files are under way at once; default: one per core")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="take the models from this folder instead of models/released")
    ] = None,
) -> None:
    """Place every track by the network whose space serves best; with --of, the files of another folder."""
    if of is None:
        if any(given is not None for given in (out, task, table, workers, models)):
            raise typer.BadParameter("--out, --task, --table, --workers and --models go with --of")
        run_stage("catalog")
        return
    if out is None:
        raise typer.BadParameter("--of needs --out: the folder of the catalog")
    from ostinato.compute import cores
    from ostinato.paths import Paths
    from ostinato.recommendation import folder
    from ostinato.recommendation.catalog import find_served

    paths = Paths(Path.cwd())
    network = folder.find_network(models or paths.releases, find_served(paths), task)
    summary = folder.build(network, of, out, table=table, workers=workers or cores())
    _echo(f"{out}: {summary}")
    raise typer.Exit(int(bool(summary.unreadable)))


def _project(*sections: str) -> tuple[Any, Any]:
    """Give the paths and some sections of the project that holds the working folder."""
    from ostinato import params
    from ostinato.paths import Paths

    paths = Paths(Path.cwd())
    return paths, params.only(params.load(paths.params), sections)


def _candidate(name: str) -> None:
    """Refuse a name that params.yaml lacks, before anything heavy is imported."""
    from ostinato import params
    from ostinato.paths import Paths

    params.entry(params.load(Paths(Path.cwd()).params), "candidates", name)


@app.command(rich_help_panel=RUN)
def plan() -> None:
    """Say what a run will cost in time and disk; refuse one that cannot fit."""
    from ostinato import plan

    plan.command(*_project(*plan.SECTIONS))


@app.command(rich_help_panel=RUN)
def status(
    every: Annotated[bool, typer.Option("--all", help="print a line for every stage, done ones too")] = False,
) -> None:
    """Say which stages are done, running and left, and why; it may be asked while they run."""
    from ostinato.paths import Paths
    from ostinato.status import status, summarise

    pipeline = status(Paths(Path.cwd()))
    first, *groups = summarise(pipeline.stages)
    _echo(first)
    for fault in pipeline.faults:
        _echo(f"! {fault}")
    for line in groups if not every else ():
        _echo(line)
    for stage in pipeline.stages if every else ():
        _echo(f"{stage.state:8} {stage.stage:32} {stage.reason}".rstrip())


@app.command(rich_help_panel=RUN)
def clean(
    yes: Annotated[bool, typer.Option("--yes", "--force", help="remove it; without, it is only listed")] = False,
) -> None:
    """List what is left of removed candidates and of work that was cut off; with --yes, remove it."""
    from ostinato.errors import OstinatoError
    from ostinato.leftovers import find_leftovers, remove
    from ostinato.status import running

    paths, given = _project("candidates", "estimators", "stacked", "members", "numbers", "features")
    if at_work := sorted(running(paths)):
        raise OstinatoError(f"{', '.join(at_work)}: runs now and may need what lies there; wait for it")
    leftovers = find_leftovers(paths, given)
    n_bytes, n_tracked = sum(x.n_bytes for x in leftovers), sum(x.is_tracked for x in leftovers)
    mend = "" if yes or not leftovers else "; --yes removes them"
    _echo(f"{len(leftovers)} leftovers, {n_bytes / 1e6:.1f} MB{mend}")
    for leftover in leftovers:
        note = ", tracked by git" if leftover.is_tracked else ""
        name = leftover.path.relative_to(paths.root)
        _echo(f"{leftover.n_bytes / 1e6:9.1f} MB  {name}  ({leftover.reason}{note})")
    if yes:
        remove(leftovers)
    if n_tracked:
        mend = "commit their removal" if yes else "after --yes their removal is to be committed"
        _echo(f"git tracks {n_tracked} of them: {mend}")


@app.command(rich_help_panel=RUN)
def candidates(
    latency: Annotated[
        bool, typer.Option("--latency", help="time the exported ones here: ONNX Runtime, one chunk, one thread")
    ] = False,
    json: Json = False,
) -> None:
    """List the candidates of params.yaml, whether the gate accepted them or why not, and which are in service."""
    from ostinato.evaluation.roster import listed
    from ostinato.files import read_json
    from ostinato.versions import find_training

    paths, given = _project("candidates", "estimators", "stacked", "members", "numbers", "gate")
    gate = read_json(paths.gate) if paths.gate.exists() else {}
    rows = [
        row
        | {"reasons": gate.get(row["name"], {}).get("reasons", [])}
        | {"in_service": find_training(paths.releases, row["name"], paths.onnx(row["name"]))}
        for row in listed(given, gate)
    ]
    _tell_service(paths, {row["name"] for row in rows})
    if latency:
        rows = [row | {"latency_ms": _latency(paths.onnx(row["name"]))} for row in rows]
    if json:
        _echo(dumps(rows, indent=2))
        return
    columns = ("name", "architecture", "feature", "task")
    serves = {None: "", "present": ", in service", "earlier": ", an earlier training is in service"}
    widths = {column: max(len(row[column]) for row in rows) for column in columns} if rows else {}
    for row in rows:
        answer = _answer(gate.get(row["name"])) + serves[row["in_service"]]
        taken = [f"{row['latency_ms'] or '-':>7} ms"] if latency else []
        figure = _figure(paths.metrics(row["name"]), given.gate.get(row["task"], {}), row["task"])
        _echo("  ".join([*(f"{row[c]:{widths[c]}}" for c in columns), f"{figure:15}", *taken, answer]))


def _tell_service(paths: Any, known: set[str]) -> None:
    """Say on standard error what of the models in service cannot be seen among the candidates."""
    from ostinato.conditions import find_damage
    from ostinato.escapes import escape_line
    from ostinato.files import read_json
    from ostinato.versions import find_models

    for task, folder in find_models(paths.releases).items():
        if damage := find_damage(folder):
            typer.echo(escape_line(f"{task}: what is in service is damaged: {damage}"), err=True)
        elif (name := str(read_json(folder / "model.json")["name"])) not in known:
            text = f"{task}: {name} is in service and no longer in params.yaml; put it back, or release another"
            typer.echo(escape_line(text), err=True)


def _figure(metrics: Path, bounds: Any, task: str) -> str:
    """Give the figure of the test tracks that leads the task's leaderboard, if there is one."""
    from ostinato.evaluation.roster import leading
    from ostinato.files import read_json

    name = leading(bounds, task)
    value = read_json(metrics).get("test", {}).get(name, {}).get("value") if metrics.exists() else None
    return "" if value is None else f"{name} {value:.3f}"


def _latency(folder: Path) -> float | None:
    """Time an exported network; None if none was exported."""
    from ostinato.runtime.session import latency_ms

    return round(latency_ms(folder), 2) if (folder / "network.onnx").exists() else None


def _answer(decision: dict[str, Any] | None) -> str:
    """Put what the gate says of a candidate in a few words: of one that it rejects, the rules that are broken."""
    if decision is None:
        return "not judged yet"
    if decision["accepted"]:
        return "accepted"
    kept = {rule["reason"] for rule in decision["rules"] if rule["kept"]}
    return f"not accepted: {'; '.join(reason for reason in decision['reasons'] if reason not in kept)}"


@app.command(rich_help_panel=LOOK)
def architectures(json: Json = False) -> None:
    """List the networks there are, the papers they come from and the features they take."""
    from ostinato.describe import listed

    rows = listed()
    if json:
        _echo(dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        takes = "logits of members" if row["features"] is None else ", ".join(row["features"])
        _echo(f"{row['name']:20} {row['summary']}\n{'':20} takes {takes}\n{'':20} {row['paper']}")


@app.command(rich_help_panel=LOOK)
def describe(
    architecture: Annotated[str, typer.Argument(help="one of `ostinato architectures`")],
    feature: Annotated[
        list[str], typer.Option(help="what it reads, such as mel, or with its shape cover:3x32x32; repeatable")
    ],
    classes: Annotated[int, typer.Option(min=1, help="how many classes it tells apart")],
    frames: Annotated[
        int | None, typer.Option(min=1, help="how many frames a chunk has; default: what the papers read")
    ] = None,
    network: Annotated[
        list[str] | None, typer.Option(help="set an option of the network, such as fusion=gated; repeatable")
    ] = None,
    json: Json = False,
) -> None:
    """Print a network's layers, numbers, multiply-adds of a clip and receptive field."""
    from ostinato import registry

    registry.check("ostinato.architectures", architecture)  # before torch is imported
    from ostinato import describe as describing

    inputs = describing.read(architecture, feature, classes, frames)
    found = describing.describe(architecture, inputs, classes, describing.departures(network or []))
    _echo(dumps(found.table, indent=2) if json else found.text)


@app.command("import-weights", rich_help_panel=LOOK)
def import_weights(
    source: Annotated[Path, typer.Argument(help="HDF5 of Keras 1, such as weights_layer4_theano.hdf5")],
    target: Annotated[Path, typer.Argument(help="a .safetensors file, for train: {weights: ...}")],
) -> None:
    """Make published weights of the network `choi` a file that training can begin with."""
    from hashlib import sha256

    from ostinato.weights import import_keras

    for name, shape in import_keras(source, target).items():
        _echo(f"{name:24} {' x '.join(map(str, shape))}")
    _echo(f"weights: {target}\nweights_sha256: {sha256(target.read_bytes()).hexdigest()}")


@app.command(rich_help_panel=ASK)
def predict(
    targets: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="audio files, folders, tables of attributes")
    ],
    json: Annotated[bool, typer.Option("--json", help="print a JSON object a line, with every score")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="print a table")] = False,
    over_time: Annotated[
        bool, typer.Option("--over-time", help="say of each stretch of a track, too, what it is")
    ] = False,
    task: Annotated[str | None, typer.Option(help="ask for genre, tags or all; default: genre if released")] = None,
    workers: Annotated[int, typer.Option(min=1, help="how many files are under way at once")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="add the answers to this file, passing over what it answers already")
    ] = None,
    review: Annotated[
        Path | None,
        typer.Option(help="write all files, the most doubtful first, as a table to correct and read back as labels"),
    ] = None,
    recommend: Annotated[bool, typer.Option("--recommend", help="say what of the catalog is near, too")] = False,
    k: Annotated[int | None, typer.Option("-k", min=1, help="how many of these; default: 5")] = None,
    catalog: Annotated[
        Path | None,
        typer.Option(
            help="with --recommend: take this catalog, as `ostinato catalog --of` writes it",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="take the models from this folder instead of models/released")
    ] = None,
) -> None:
    """Ask the released model about audio files, or rows of a CSV table; exit status 1 if any could not be read."""
    from ostinato.paths import Paths
    from ostinato.recommendation.catalog import find_served
    from ostinato.recommendation.command import beside
    from ostinato.runtime import formats, predict

    if json and csv:
        raise typer.BadParameter("choose one of --json and --csv")
    if out is not None and not (json or csv):
        raise typer.BadParameter("--out needs --json or --csv: text cannot be read back")
    if recommend and csv:
        raise typer.BadParameter("--recommend goes with text or --json: a row holds no list")
    if k is not None and not recommend:
        raise typer.BadParameter("-k goes with --recommend: it says how many tracks of the catalog to name")
    if catalog is not None and not recommend:
        raise typer.BadParameter("--catalog goes with --recommend: it says whose tracks to name")
    form: formats.Format = formats.Json() if json else formats.Csv() if csv else predict.TEXT
    status = predict.run(
        targets,
        models or Paths(Path.cwd()).releases,
        task=task,
        form=form,
        over_time=over_time,
        workers=workers,
        out=out,
        review=review,
        near=beside(catalog or find_served(Paths(Path.cwd())), k or 5) if recommend else None,
    )
    raise typer.Exit(status)


@app.command(rich_help_panel=RUN)
def robustness(
    name: Annotated[str, typer.Argument(help="an exported candidate of params.yaml")],
    clips: Annotated[int, typer.Option(min=1, help="how many test clips at most, drawn with the seed")] = 64,
    json: Json = False,
) -> None:
    """Measure how much worse a model is on worse sound: noise, MP3, other speed and pitch."""
    _candidate(name)
    from ostinato import robustness
    from ostinato.evaluation.perturbed import markdown

    found = robustness.robustness(*_project(*robustness.SECTIONS), name, clips)
    _echo(dumps(found, indent=2, ensure_ascii=False) if json else markdown(found))


@app.command(rich_help_panel=ASK)
def explain(
    target: Annotated[Path, typer.Argument(metavar="PATH", help="an audio file", exists=True, dir_okay=False)],
    candidate: Annotated[
        str | None,
        typer.Option(
            help="a network of params.yaml; default: the released one of genre, of a stack its strongest member"
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option("--class", help="explain this class; default: the one with the highest score")
    ] = None,
    out: Annotated[Path, typer.Option(help="write the picture and the numbers into this folder")] = Path("explained"),
    json: Json = False,
) -> None:
    """Draw what of a file speaks for a class: integrated gradients on the spectrogram."""
    if candidate is not None:
        _candidate(candidate)
    from ostinato import explain as explaining
    from ostinato.evaluation.roster import leading
    from ostinato.versions import find_training

    paths, given = _project("seed", "gate")
    task = "genre"
    stack, name = (None, candidate) if candidate else explaining.released(paths, task, leading(given.gate[task], task))
    in_service = find_training(paths.releases, stack or name, paths.onnx(stack or name))
    found = {"member_of": stack, "in_service": in_service} | explaining.command(
        paths, name, target, out, label, given.seed
    )
    _echo(dumps(found, indent=2, ensure_ascii=False) if json else explaining.words(found))


@app.command(rich_help_panel=ASK)
def serve(
    host: Annotated[str | None, typer.Option(help="listen on this address; default: serve.host of params.yaml")] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="listen on this port, 0 for any that is free; default: serve.port of params.yaml"
        ),
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="take the models from this folder instead of models/released")
    ] = None,
    catalog: Annotated[
        Path | None,
        typer.Option(
            help="recommend from this catalog, as `ostinato catalog --of` writes it; default: serve.catalog",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="answer to this name, too, such as music.example.org; repeatable; serve.allowed_hosts"
        ),
    ] = None,
    allow_anonymous: Annotated[
        bool, typer.Option("--allow-anonymous", help="let other machines ask without a key; serve.allow_anonymous")
    ] = False,
) -> None:
    """Answer over HTTP, with a page to use it by; OSTINATO_API_KEY sets the key that /v1 asks for."""
    from ostinato.serving import run

    run.serve(
        *_project(*run.SECTIONS),
        host=host,
        port=port,
        models=models,
        catalog=catalog,
        allowed_hosts=allowed_host or (),
        allow_anonymous=allow_anonymous,
    )


@app.command(rich_help_panel=ASK)
def recommend(
    seeds: Annotated[
        list[str], typer.Argument(metavar="SEED...", help="tracks by id or name, audio files, TABLE.csv#ROW")
    ],
    k: Annotated[int, typer.Option("-k", min=1, help="recommend so many")] = 10,
    json: Json = False,
    m3u: Annotated[Path | None, typer.Option(metavar="FILE", help="write a playlist, too")] = None,
    of: Annotated[str, typer.Option(help="recommend a track, album or artist")] = "track",
    diversity: Annotated[float, typer.Option(help="from 0, the nearest, to 1, as unlike each other as can be")] = 0.0,
    per_artist: Annotated[int | None, typer.Option(help="take at most so many of an artist")] = None,
    dislike: Annotated[list[str] | None, typer.Option(help="keep away from this track or file; repeatable")] = None,
    smooth: Annotated[
        bool,
        typer.Option(
            "--smooth", help="order them so that each is like the last; of two seeds, make a path between them"
        ),
    ] = False,
    catalog: Annotated[
        Path | None,
        typer.Option(
            help="recommend from this catalog, as `ostinato catalog --of` writes it", exists=True, file_okay=False
        ),
    ] = None,
) -> None:
    """Recommend what is near to tracks or audio files; a file's own recording is never among the answers."""
    from ostinato.recommendation import command

    asked = command.Asked(k, diversity, per_artist, tuple(dislike or ()), of, smooth)  # type: ignore[arg-type]
    where, root = _catalog(catalog)
    command.run(seeds, where, asked, as_json=json, playlist=m3u, root=root)


def _catalog(of_folder: Path | None) -> tuple[Path, Path]:
    """Give the folder of a catalog and the folder of its audio: the project's, unless another is named."""
    from ostinato.recommendation.catalog import find_root, find_served

    if of_folder is not None and (root := find_root(of_folder)) is not None:
        return of_folder, root
    from ostinato.datasets import dataset_root

    paths, given = _project("dataset")
    return of_folder or find_served(paths), dataset_root(paths, given.dataset)


@app.command(rich_help_panel=ASK)
def drift(
    targets: Annotated[list[Path], typer.Argument(metavar="PATH...", help="new audio files, and folders of them")],
    task: Annotated[str, typer.Option(help="compare with the released model of this task")] = "genre",
    level: Annotated[float, typer.Option(min=0, max=1, help="accept this chance of a false alarm")] = 0.01,
    json: Json = False,
    models: Annotated[
        Path | None, typer.Option(help="take the models from this folder instead of models/released")
    ] = None,
) -> None:
    """Say whether new audio is like what the released model was made of; exit status 1 if not."""
    from ostinato.paths import Paths
    from ostinato.runtime import likeness
    from ostinato.versions import find_current

    found = likeness.compare(find_current((models or Paths(Path.cwd()).releases) / task), targets, level=level)
    _echo(likeness.json(found) if json else likeness.text(found))
    raise typer.Exit(int(any(change.drifted for change in found)))


@app.command(rich_help_panel=ASK)
def excerpts(
    targets: Annotated[list[Path], typer.Argument(metavar="PATH...", help="whole tracks, and folders of them")],
    task: Annotated[str, typer.Option(help="ask the released model of this task")] = "genre",
    seconds: Annotated[float, typer.Option(min=1, help="length of an excerpt")] = 30.0,
    json: Json = False,
    models: Annotated[
        Path | None, typer.Option(help="take the models from this folder instead of models/released")
    ] = None,
) -> None:
    """Say whether the first or the middle seconds of tracks stand for all of them; exit status 1 if any is left out."""
    from ostinato.escapes import escape_line
    from ostinato.paths import Paths
    from ostinato.runtime import excerpts as comparing
    from ostinato.runtime.predict import warn
    from ostinato.runtime.session import Released
    from ostinato.versions import find_current

    model = Released(find_current((models or Paths(Path.cwd()).releases) / task))
    warn([model], False, sys.stderr)
    found = list(comparing.compare(model, targets, seconds))
    tracks = [track for track in found if isinstance(track, comparing.Compared)]
    for path, why in (left for left in found if not isinstance(left, comparing.Compared)):
        typer.echo(escape_line(f"{path}: {why}"), err=True)
    if json:
        told = {"summary": comparing.summary(tracks), "tracks": [t._asdict() for t in tracks]} if tracks else {}
        _echo(dumps(told, indent=2, ensure_ascii=False))
    elif tracks:
        _echo(comparing.text(tracks))
    raise typer.Exit(int(len(tracks) < len(found)))


@app.command(rich_help_panel=RUN)
def release(
    rollback: Annotated[
        bool, typer.Option("--rollback", help="go back to the version before the one in service, and hold it")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="decide again for tasks that a rollback holds")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="replace a model that cannot be compared, such as one with other classes")
    ] = False,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", help="release or roll back this one alone: genre, tags or catalog; repeatable"),
    ] = None,
) -> None:
    """Put the best accepted candidate of each task, and the catalog, in service; exit status 3 if one is refused."""
    from ostinato import release as releasing
    from ostinato.files import alone

    if rollback and (resume or replace):
        raise typer.BadParameter("--rollback goes with neither --resume nor --replace")
    paths, given = _project(*releasing.SECTIONS)
    with alone(paths.lock("release")):
        if rollback:
            verdicts = releasing.rollback(paths, task)
        else:
            verdicts = releasing.release(paths, given, tasks=task, replace=replace, resume=resume)
    _echo(releasing.summary(verdicts))
    raise typer.Exit(releasing.exit_code(verdicts))


@app.command(rich_help_panel=RUN)
def compare(rev: Annotated[str, typer.Argument(help="a branch, tag or hash of git")]) -> None:
    """Print the metrics against a revision as Markdown; exit status 1 if one fell beyond tolerance and chance."""
    from ostinato.evaluation.compare import compare, merge_settings
    from ostinato.evaluation.revision import read_folder, read_revision

    paths, given = _project("seed", "evaluate", "gate", "compare")
    there = read_revision(paths, rev)
    comparison = compare(read_folder(paths), there, merge_settings(given, there))
    _echo(comparison.markdown)
    raise typer.Exit(comparison.exit_code)


@app.command(rich_help_panel=LOOK)
def reproduce(
    recipe: Annotated[str | None, typer.Argument(help="a file of recipes/, without .yaml")] = None,
    list_: Annotated[bool, typer.Option("--list", help="list the recipes and run none")] = False,
    small: Annotated[bool, typer.Option("--small", help="run at a size that two cores bear")] = False,
) -> None:
    """Run a paper's table in runs/RECIPE and print its figures beside ours."""
    from ostinato import recipes
    from ostinato.paths import Paths

    paths = Paths(Path.cwd())
    if list_ or recipe is None:
        for name in recipes.names(paths.recipes):
            found = recipes.load(paths.recipes, name)
            _echo(f"{name:24} {found.title}{' (--small)' if found.small else ''}")
        return
    from ostinato.recipes.run import reproduce

    _echo(reproduce(paths, recipe, small=small))


@app.command(rich_help_panel=LOOK)
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
            _echo(f"{n:20} {(plugin.__doc__ or '').splitlines()[0]}")
        return
    plugin = registry.load("ostinato.datasets", name)
    only = [text for text, wanted in ((plugin.CITATION, cite), (plugin.LICENSE, license_)) if wanted]
    _echo("\n".join(only) if cite or license_ else about(name))


@app.command(rich_help_panel=LOOK)
def download(
    name: Annotated[str, typer.Argument(help="a dataset")],
    to: Annotated[Path | None, typer.Option(help="put it into this folder; default: data/raw/NAME")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="set an option of the dataset, such as subset=medium; repeatable")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="hold the files that are there against its index alone")
    ] = False,
) -> None:
    """Fetch a dataset, check it and unpack it; what broke off goes on."""
    from ostinato.datasets import index, remotes
    from ostinato.datasets._index import compare
    from ostinato.download import download
    from ostinato.errors import ParamsError
    from ostinato.files import alone
    from ostinato.paths import Paths

    if wrong := [pair for pair in set_ or [] if "=" not in pair]:
        raise ParamsError(f"--set {wrong[0]}: must be key=value")
    options = dict(pair.split("=", 1) for pair in set_ or [])
    paths = Paths(Path.cwd())
    root, indexed = to or paths.raw(name), index(name)
    if check and indexed is None:
        raise ParamsError(f"--check: no index of {name} is known; leave it out")
    with alone(paths.lock("download", name)):
        if not check:
            fetched = download(remotes(name, options), root)
            _echo("\n".join(f"fetched {what}" for what in fetched) or f"{name}: all of it is there")
        if indexed is None:
            return
        download((indexed,), root)
        found = compare(root, root / indexed.name)
    for word, files in (("missing", found.missing), ("altered", found.altered)):
        _echo("".join(f"{word}: {path}\n" for path in files), nl=False)
    n_same = found.n_files - len(found.missing) - len(found.altered)
    _echo(f"{name}: {n_same:,} of {found.n_files:,} files are as published")
    if n_same < found.n_files:
        raise typer.Exit(1)
