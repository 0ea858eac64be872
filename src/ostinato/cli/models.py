"""Commands that use a released model or a catalog."""

import sys
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from ostinato.cli.root import (
    ASK,
    Json,
    Models,
    Pretrained,
    Weights,
    app,
    echo,
    find_releases,
    read_project,
    read_settings,
    require_candidate,
)


@app.command(rich_help_panel=ASK)
def predict(
    targets: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="audio files, folders, or CSV tables for models of attributes"),
    ],
    json: Annotated[bool, typer.Option("--json", help="print one JSON object per line, with every score")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="print CSV")] = False,
    over_time: Annotated[bool, typer.Option("--over-time", help="also predict each chunk of a track")] = False,
    task: Annotated[
        str | None,
        typer.Option(help="genre, tags or all; default: genre if released; a published network gives tags only"),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="number of files processed in parallel")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="append the answers to this file, skipping those already there")
    ] = None,
    review: Annotated[
        Path | None,
        typer.Option(help="write a CSV, the least certain file first, for you to correct and load as dataset.table"),
    ] = None,
    recommend: Annotated[bool, typer.Option("--recommend", help="also list similar tracks of the catalog")] = False,
    k: Annotated[
        int | None, typer.Option("-k", min=1, help="with --recommend: number of similar tracks; default: 5")
    ] = None,
    catalog: Annotated[
        Path | None,
        typer.Option(
            help="with --recommend: use this catalog, written by `ostinato catalog --of`",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    models: Models = None,
    model: Pretrained = None,
    weights: Weights = None,
) -> None:
    """Classify audio files, or rows of a CSV table, with the released model; exit status 1 if any could not be read."""
    from ostinato.core.paths import Paths
    from ostinato.inference import formats, predict
    from ostinato.recommendation.catalog import find_served
    from ostinato.recommendation.command import make_neighbour_lookup

    if json and csv:
        raise typer.BadParameter("choose one of --json and --csv")
    if out is not None and not (json or csv):
        raise typer.BadParameter("--out needs --json or --csv: text cannot be read back")
    if recommend and csv:
        raise typer.BadParameter("--recommend requires text or --json: a CSV row cannot hold a list")
    if k is not None and not recommend:
        raise typer.BadParameter("-k requires --recommend: it is the number of similar tracks")
    if catalog is not None and not recommend:
        raise typer.BadParameter("--catalog requires --recommend: it holds the similar tracks")
    form: formats.Format = formats.Json() if json else formats.Csv() if csv else predict.TEXT
    status = predict.run(
        targets,
        find_releases(models, model, weights, targets) or Paths(Path.cwd()).releases,
        task=task,
        form=form,
        over_time=over_time,
        workers=workers,
        out=out,
        review=review,
        near=make_neighbour_lookup(catalog or find_served(Paths(Path.cwd())), k or 5) if recommend else None,
    )
    raise typer.Exit(status)


@app.command(rich_help_panel=ASK)
def explain(
    target: Annotated[Path, typer.Argument(metavar="PATH", help="an audio file", exists=True, dir_okay=False)],
    candidate: Annotated[
        str | None,
        typer.Option(
            help="a network of params.yaml; default: the released genre model; for a stack, its strongest member"
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option("--class", help="explain this class; default: the one with the highest score")
    ] = None,
    out: Annotated[Path, typer.Option(help="write the picture and the numbers into this folder")] = Path("explained"),
    json: Json = False,
) -> None:
    """Plot which parts of a file support a predicted class: integrated gradients on the spectrogram."""
    if candidate is not None:
        require_candidate(candidate)
    from ostinato.core.candidates import first_metric
    from ostinato.explain import explain as explaining
    from ostinato.io.versions import find_training

    paths, params = read_project("seed", "gate")
    task = "genre"
    stack, name = (
        (None, candidate) if candidate else explaining.find_released(paths, task, first_metric(params.gate[task], task))
    )
    in_service = find_training(paths.releases, stack or name, paths.onnx(stack or name))
    explanation = explaining.command(paths, name, target, out, label, params.seed)
    explanation = {"member_of": stack, "in_service": in_service} | explanation
    echo(dumps(explanation, indent=2, ensure_ascii=False) if json else explaining.words(explanation))


@app.command(rich_help_panel=ASK)
def recommend(
    seeds: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SEED...", help="tracks by id or name, audio files, TABLE.csv#ROW; none are needed with --history"
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="number of recommendations")] = 10,
    json: Json = False,
    m3u: Annotated[Path | None, typer.Option(metavar="FILE", help="also write a playlist")] = None,
    of: Annotated[str, typer.Option(help="recommend a track, album or artist")] = "track",
    diversity: Annotated[float, typer.Option(help="0: most similar, 1: most diverse")] = 0.0,
    per_artist: Annotated[int | None, typer.Option(help="maximum number of tracks per artist")] = None,
    weight: Annotated[
        list[float] | None, typer.Option(help="weight of a seed; repeat it for each seed, in order")
    ] = None,
    dislike: Annotated[
        list[str] | None, typer.Option(help="avoid tracks similar to this track or file; repeatable")
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(
            help="a CSV of track_id, plays and skips: adds to the seeds; its tracks are left out", dir_okay=False
        ),
    ] = None,
    years: Annotated[str | None, typer.Option(help="only these years, such as 1970 or 1970-1989")] = None,
    near: Annotated[
        str | None, typer.Option(metavar="LAT,LON,KM", help="only artists within KM kilometres of LAT,LON")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="only tracks with this tag; repeatable: with all")] = None,
    genre: Annotated[list[str] | None, typer.Option(help="only this genre; repeatable: any of them")] = None,
    smooth: Annotated[
        bool,
        typer.Option("--smooth", help="order for smooth transitions; with two seeds, build a path between them"),
    ] = False,
    catalog: Annotated[
        Path | None,
        typer.Option(help="use this catalog, written by `ostinato catalog --of`", exists=True, file_okay=False),
    ] = None,
) -> None:
    """Recommend tracks similar to tracks or audio files; the recording of a seed is left out."""
    from ostinato.recommendation import command
    from ostinato.recommendation.filters import Filter
    from ostinato.recommendation.history import read_history

    request = command.Request(
        k=k,
        diversity=diversity,
        per_artist=per_artist,
        weights=tuple(weight or ()),
        dislikes=tuple(dislike or ()),
        history=tuple(read_history(history)) if history is not None else (),
        keep=Filter.parse(years, near, tag or (), genre or ()),
        level=of,  # type: ignore[arg-type]
        smooth=smooth,
    )
    folder, root = _find_catalog(catalog)
    command.run(seeds or (), folder, request, as_json=json, playlist=m3u, root=root)


def _find_catalog(folder: Path | None) -> tuple[Path, Path]:
    """Return the folder of a catalog, by default that of the project, and the folder of its audio."""
    from ostinato.recommendation.catalog import find_root, find_served

    if folder is not None and (root := find_root(folder)) is not None:
        return folder, root
    from ostinato.datasets import dataset_root

    paths, params = read_settings("dataset")
    return folder or find_served(paths), dataset_root(paths, params.dataset)


def _find_model(models: Path | None, task: str) -> Path:
    """Return the folder of the model of a task, whether it exists or not."""
    from ostinato.core.paths import Paths
    from ostinato.io.versions import find_current, find_models

    releases = models or Paths(Path.cwd()).releases
    return find_models(releases).get(task) or find_current(releases / task)


@app.command(rich_help_panel=ASK)
def drift(
    targets: Annotated[list[Path], typer.Argument(metavar="PATH...", help="new audio files, and folders of them")],
    task: Annotated[str, typer.Option(help="compare with the released model of this task")] = "genre",
    level: Annotated[float, typer.Option(min=0, max=1, help="accepted rate of false alarms")] = 0.01,
    json: Json = False,
    models: Models = None,
) -> None:
    """Check new audio for drift from the training data of the released model; exit status 1 if there is any."""
    from ostinato.inference import drift_profile

    changes = drift_profile.compare(_find_model(models, task), targets, level=level)
    echo(drift_profile.json(changes) if json else drift_profile.text(changes))
    raise typer.Exit(int(any(change.drifted for change in changes)))


@app.command(rich_help_panel=ASK)
def clips(
    targets: Annotated[list[Path], typer.Argument(metavar="PATH...", help="whole tracks, and folders of them")],
    task: Annotated[str, typer.Option(help="use the released model of this task")] = "genre",
    seconds: Annotated[float, typer.Option(min=1, help="length of a clip")] = 30.0,
    json: Json = False,
    models: Models = None,
) -> None:
    """Compare predictions on clips with those on whole tracks; exit status 1 if any file was skipped."""
    from ostinato.inference import clips as comparing
    from ostinato.inference.model import ReleasedModel
    from ostinato.inference.predict import warn
    from ostinato.io.escapes import escape_line

    model = ReleasedModel(_find_model(models, task))
    warn([model], False, sys.stderr)
    results = list(comparing.compare(model, targets, seconds))
    tracks = [result for result in results if isinstance(result, comparing.ClipComparison)]
    for path, reason in (result for result in results if not isinstance(result, comparing.ClipComparison)):
        typer.echo(escape_line(f"{path}: {reason}"), err=True)
    if json:
        content = {"summary": comparing.summary(tracks), "tracks": [t._asdict() for t in tracks]} if tracks else {}
        echo(dumps(content, indent=2, ensure_ascii=False))
    elif tracks:
        echo(comparing.text(tracks))
    raise typer.Exit(int(len(tracks) < len(results)))
