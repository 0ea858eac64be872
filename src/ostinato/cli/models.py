"""Commands that ask a released model or a catalog."""

import sys
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from ostinato.cli.root import (
    ASK,
    Json,
    LogFormat,
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
        typer.Option(help="write a CSV, the least certain file first, to correct and read back by dataset.table"),
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
        raise typer.BadParameter("--recommend goes with text or --json: a row holds no list")
    if k is not None and not recommend:
        raise typer.BadParameter("-k goes with --recommend: it says how many tracks of the catalog to name")
    if catalog is not None and not recommend:
        raise typer.BadParameter("--catalog goes with --recommend: it says whose tracks to name")
    form: formats.Format = formats.Json() if json else formats.Csv() if csv else predict.TEXT
    status = predict.run(
        targets,
        find_releases(models, model, weights) or Paths(Path.cwd()).releases,
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
            help="a network of params.yaml; default: the released one of genre, of a stack its strongest member"
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

    paths, given = read_project("seed", "gate")
    task = "genre"
    stack, name = (
        (None, candidate) if candidate else explaining.find_released(paths, task, first_metric(given.gate[task], task))
    )
    in_service = find_training(paths.releases, stack or name, paths.onnx(stack or name))
    found = {"member_of": stack, "in_service": in_service} | explaining.command(
        paths, name, target, out, label, given.seed
    )
    echo(dumps(found, indent=2, ensure_ascii=False) if json else explaining.words(found))


@app.command(rich_help_panel=ASK)
def serve(
    host: Annotated[
        str | None,
        typer.Option(envvar="OSTINATO_HOST", help="listen on this address; default: serve.host of params.yaml"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            envvar="OSTINATO_PORT",
            min=0,
            max=65535,
            help="listen on this port, 0 for any that is free; default: serve.port of params.yaml",
        ),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(
            envvar="OSTINATO_MODELS",
            metavar="DIR_OR_FILE",
            help="serve the released models of this folder, or of one version's folder or network.onnx, and the "
            "catalog beside them; default: models/released",
        ),
    ] = None,
    catalog: Annotated[
        Path | None,
        typer.Option(
            envvar="OSTINATO_CATALOG",
            help="use this catalog, written by `ostinato catalog --of`; default: serve.catalog",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            envvar="OSTINATO_ALLOWED_HOSTS",
            metavar="NAME",
            help="also answer to this host name, such as music.example.org; repeatable; serve.allowed_hosts",
        ),
    ] = None,
    allow_anonymous: Annotated[
        bool, typer.Option("--allow-anonymous", help="let other machines connect without a key; serve.allow_anonymous")
    ] = False,
    log_format: LogFormat = "text",
    model: Pretrained = None,
    weights: Weights = None,
) -> None:
    """Serve an HTTP API and a web page; OSTINATO_API_KEY sets the key that /v1 requires."""
    from ostinato.serving import run

    run.serve(
        *read_settings(*run.SECTIONS),
        host=host,
        port=port,
        models=find_releases(models, model, weights),
        catalog=catalog,
        allowed_hosts=allowed_host or (),
        allow_anonymous=allow_anonymous,
        json_logs=log_format == "json",
    )


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
        list[float] | None, typer.Option(help="weight of a seed, in the order of the seeds; one for each")
    ] = None,
    dislike: Annotated[
        list[str] | None, typer.Option(help="avoid tracks similar to this track or file; repeatable")
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(help="a CSV table of track_id, plays and skips: a taste, and tracks to leave out", dir_okay=False),
    ] = None,
    years: Annotated[str | None, typer.Option(help="only these years, such as 1970 or 1970-1989")] = None,
    near: Annotated[
        str | None, typer.Option(metavar="LAT,LON,KM", help="only artists within so many kilometres of a place")
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
    where, root = _catalog(catalog)
    command.run(seeds or (), where, request, as_json=json, playlist=m3u, root=root)


def _catalog(of_folder: Path | None) -> tuple[Path, Path]:
    """Return the folder of a catalog and the folder of its audio: the project's, unless another is named."""
    from ostinato.recommendation.catalog import find_root, find_served

    if of_folder is not None and (root := find_root(of_folder)) is not None:
        return of_folder, root
    from ostinato.datasets import dataset_root

    paths, given = read_settings("dataset")
    return of_folder or find_served(paths), dataset_root(paths, given.dataset)


def _find_model(models: Path | None, task: str) -> Path:
    """Return the folder of the model of a task, whether it is there or not."""
    from ostinato.core.paths import Paths
    from ostinato.io.versions import find_current, find_models

    releases = models or Paths(Path.cwd()).releases
    return find_models(releases).get(task) or find_current(releases / task)


@app.command(rich_help_panel=ASK)
def drift(
    targets: Annotated[list[Path], typer.Argument(metavar="PATH...", help="new audio files, and folders of them")],
    task: Annotated[str, typer.Option(help="compare with the released model of this task")] = "genre",
    level: Annotated[float, typer.Option(min=0, max=1, help="accepted probability of a false alarm")] = 0.01,
    json: Json = False,
    models: Models = None,
) -> None:
    """Check new audio for drift from the training data of the released model; exit status 1 if there is any."""
    from ostinato.inference import drift_profile

    found = drift_profile.compare(_find_model(models, task), targets, level=level)
    echo(drift_profile.json(found) if json else drift_profile.text(found))
    raise typer.Exit(int(any(change.drifted for change in found)))


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
    found = list(comparing.compare(model, targets, seconds))
    tracks = [track for track in found if isinstance(track, comparing.ClipComparison)]
    for path, why in (left for left in found if not isinstance(left, comparing.ClipComparison)):
        typer.echo(escape_line(f"{path}: {why}"), err=True)
    if json:
        told = {"summary": comparing.summary(tracks), "tracks": [t._asdict() for t in tracks]} if tracks else {}
        echo(dumps(told, indent=2, ensure_ascii=False))
    elif tracks:
        echo(comparing.text(tracks))
    raise typer.Exit(int(len(tracks) < len(found)))


@app.command(rich_help_panel=ASK)
def tag(
    targets: Annotated[list[Path] | None, typer.Argument(metavar="PATH...", help="audio files, and folders")] = None,
    write: Annotated[
        bool, typer.Option("--write", help="write the tags; without it the changes are only listed")
    ] = False,
    journal: Annotated[Path, typer.Option(help="with --write: note the old tags here first", dir_okay=False)] = Path(
        "tags.jsonl"
    ),
    restore: Annotated[bool, typer.Option("--restore", help="take back what the journal says was written")] = False,
    task: Annotated[
        str | None, typer.Option(help="genre (the field genre), tags (grouping) or all; default: genre if released")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="number of files processed in parallel")] = 1,
    models: Models = None,
    model: Pretrained = None,
    weights: Weights = None,
) -> None:
    """Write predicted labels into the files' own tags, but for unsure ones; exit status 1 if any file failed."""
    from ostinato.core.paths import Paths
    from ostinato.inference import tagging

    if bool(targets) == restore:
        raise typer.BadParameter("name files to tag, or take tags back with --restore")
    if restore:
        raise typer.Exit(tagging.report(tagging.restore(journal), "restored"))
    releases = find_releases(models, model, weights) or Paths(Path.cwd()).releases
    raise typer.Exit(tagging.run(targets or [], releases, journal if write else None, task=task, workers=workers))
