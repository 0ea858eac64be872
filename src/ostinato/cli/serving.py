"""The command that serves released models over HTTP."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ostinato.cli.root import ASK, LogFormat, Pretrained, Weights, app, find_releases, read_settings


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
    study: Annotated[
        Path | None,
        typer.Option(help="serve the page of this listening study, and no models", exists=True, file_okay=False),
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

    paths, params = read_settings(*run.SECTIONS)
    if study is not None:
        if model is not None or weights is not None:
            raise typer.BadParameter("--study cannot be combined with --model or --weights")
        _serve_study(params.serve, study, host, port, allowed_host or (), allow_anonymous)
        return
    run.serve(
        paths,
        params,
        host=host,
        port=port,
        models=find_releases(models, model, weights),
        catalog=catalog,
        allowed_hosts=allowed_host or (),
        allow_anonymous=allow_anonymous,
        json_logs=log_format == "json",
    )


def _serve_study(
    options: Any, folder: Path, host: str | None, port: int | None, names: Sequence[str], allow_anonymous: bool
) -> None:
    import os

    from ostinato.serving import study
    from ostinato.serving.guards import KEY, check_exposure, list_names

    key, address = os.environ.get(KEY), options.host if host is None else host
    check_exposure(address, key, allow_anonymous=allow_anonymous or options.allow_anonymous)
    allowed_hosts = list_names(address, [*options.allowed_hosts, *names])
    study.serve_study(folder, address, options.port if port is None else port, key, allowed_hosts)
