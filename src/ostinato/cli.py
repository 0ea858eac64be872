"""The commands: pick a stage or a user command, and import its module only when it runs."""

import importlib
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="ostinato",
    help="Music understanding as one pipeline: validated data, cached features, judged networks, gated releases.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

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
    with alone(paths.state / "locks" / "-".join(filter(None, (stage, name)))):
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
