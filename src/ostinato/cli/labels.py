"""Commands that start from labels by people."""

from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from ostinato.cli.root import LABELS, Json, Weights, app, echo

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="a folder of audio", exists=True, file_okay=False)]


@app.command(rich_help_panel=LABELS)
def learn(
    folder: Folder,
    labels: Annotated[
        Path, typer.Option(help="a CSV, TSV or Parquet file with columns path and genre; the genre may be empty")
    ],
    encoder: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="read the embeddings of a published encoder: musicnn, musicnn-mtt, vgg or vgg-mtt, or an ONNX file",
        ),
    ] = None,
    weights: Weights = None,
    feature: Annotated[
        str | None, typer.Option(help="without --encoder: the feature to learn from, such as mel; default: mfcc")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="write models and tables into this folder; default: runs/learn_FOLDER")
    ] = None,
    column: Annotated[str | None, typer.Option(help="column of the table with the labels; default: genre")] = None,
    group_by: Annotated[
        str, typer.Option(help="artist: keep each artist in one split; track: keep only copies together")
    ] = "artist",
    pool: Annotated[
        int, typer.Option(min=0, help="number of unlabelled files from which the next ones to label are chosen")
    ] = 200,
    json: Json = False,
) -> None:
    """Train and release a model from a table of labels, and list the tracks to label next."""
    from ostinato.core.paths import Paths
    from ostinato.io.locks import exclusive
    from ostinato.recipes import learn as learning
    from ostinato.release.release import exit_code

    if group_by not in ("artist", "track"):
        raise typer.BadParameter("--group-by is artist or track")
    if encoder and feature:
        raise typer.BadParameter("choose one of --encoder and --feature")
    if weights is not None and encoder is None:
        raise typer.BadParameter("--weights requires --encoder")
    paths = Paths(Path.cwd())
    target = out or paths.root / "runs" / f"learn_{folder.resolve().name}"
    file = learning.find_encoder(encoder, weights) if encoder else None
    kind = Path(encoder).stem if encoder else feature or learning.BASELINE
    request = learning.Request(folder, labels, target, kind, file, column, group_by, pool)  # type: ignore[arg-type]
    with exclusive(Paths(target).lock("learn")):
        outcome = learning.learn(paths, request)
    if json:
        echo(dumps(learning.to_record(outcome), indent=2, ensure_ascii=False))
    else:
        echo(learning.describe_outcome(outcome, target))
    raise typer.Exit(exit_code({"genre": outcome.verdict}))


@app.command(rich_help_panel=LABELS)
def label(
    folder: Folder,
    labels: Annotated[Path, typer.Option(help="the CSV file that labels are written to; created if it does not exist")],
    classes: Annotated[
        str, typer.Option(help="labels to choose from, separated by commas, in addition to those in the table")
    ] = "",
    learned: Annotated[
        Path | None,
        typer.Option(
            help="a folder written by `ostinato learn`: its next files come first, its model suggests labels; "
            "default: runs/learn_FOLDER",
            file_okay=False,
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="listen on this address")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="listen on this port, 0 for any that is free")] = 8001,
    allowed_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="also answer to this host name; repeatable")
    ] = None,
    allow_anonymous: Annotated[
        bool, typer.Option("--allow-anonymous", help="let other machines connect without a key")
    ] = False,
) -> None:
    """Serve a page to label files by ear; OSTINATO_API_KEY sets the key that it asks for."""
    import os
    from hashlib import sha256

    from ostinato.core.paths import Paths
    from ostinato.io.locks import exclusive
    from ostinato.labelling.answers import Answers
    from ostinato.recipes.learn import NEXT
    from ostinato.serving import labelling
    from ostinato.serving.guards import KEY, check_exposure, list_names

    key = os.environ.get(KEY)
    check_exposure(host, key, allow_anonymous=allow_anonymous)
    names = list_names(host, allowed_host or ())
    source = learned or Path.cwd() / "runs" / f"learn_{folder.resolve().name}"
    has_source = learned is not None or (source / NEXT).is_file()
    order, model = labelling.read_learned(source) if has_source else ([], None)
    with exclusive(Paths(Path.cwd()).lock("label", sha256(bytes(labels.resolve())).hexdigest()[:16])):
        answers = Answers(folder, labels, classes.split(","))
        labelling.serve(labelling.application(answers, order, model, key, names), host, port)
