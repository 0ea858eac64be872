"""`ostinato serve`: the application behind uvicorn."""

import logging
import os
import resource
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from threadpoolctl import threadpool_limits

from ostinato.core.logs import log_as_json
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.datasets import dataset_root
from ostinato.io.versions import CATALOG, find_models
from ostinato.recommendation.catalog import Catalog, find_root
from ostinato.serving.app import Limits, application
from ostinato.serving.guards import KEY, check_api_key, check_exposure, is_loopback, list_names
from ostinato.serving.protocol import Server, bind, make_config

log = logging.getLogger(__name__)
SECTIONS = ("dataset", "serve")
OPEN_FILES = 4_096
"""For connections, uploads and the files of long tracks."""


def serve(
    paths: Paths,
    params: Params,
    *,
    host: str | None = None,
    port: int | None = None,
    models: Path | None = None,
    catalog: Path | None = None,
    allowed_hosts: Sequence[str] = (),
    allow_anonymous: bool = False,
    json_logs: bool = False,
) -> None:
    """Serve until interrupted; requests in progress are completed.

    Parameters
    ----------
    paths : Paths
    params : Params
        With `SECTIONS`.
    host, port : str, int, optional
        Default: as in params.yaml.
    models : Path, optional
        Another folder of released models.
    catalog : Path, optional
        Another catalog. Default: ``serve.catalog`` of params.yaml, else the released one: beside the models.
    allowed_hosts : sequence of str
        Accepted values of the header Host, beside ``serve.allowed_hosts``.
    allow_anonymous : bool
        Allow other machines without a key, like ``serve.allow_anonymous``.
    json_logs : bool
        Write a JSON object for each request and event, instead of text for events alone.

    Raises
    ------
    OstinatoError
        If the address is in use or not this machine's, if other machines reach it and there is
        no API key, or if the key or a name is invalid.
    """
    options = params.serve
    host = options.host if host is None else host
    port = options.port if port is None else port
    api_key = check_api_key(os.environ.get(KEY))
    check_exposure(host, api_key, allow_anonymous=allow_anonymous or options.allow_anonymous)
    names = list_names(host, [*options.allowed_hosts, *allowed_hosts])
    limits = Limits(
        max_bytes=options.max_bytes,
        max_seconds=options.max_seconds,
        workers=options.workers or os.cpu_count() or 1,
        waiting=options.waiting,
    )
    releases = models or paths.releases
    released = next((r / CATALOG for r in (releases, paths.releases) if (r / CATALOG).is_dir()), releases / CATALOG)
    folder = catalog or (paths.root / options.catalog if options.catalog else released)
    if folder != released:
        Catalog.load(folder)  # fail now, not at the first request
    sounds = find_root(folder) or dataset_root(paths, params.dataset)
    pipeline_catalog = paths.catalog if folder == paths.releases / CATALOG else None
    app = application(releases, folder, sounds, limits, api_key, names, pipeline_catalog)
    allow_many_files()
    if json_logs:
        log_as_json()
    tell: Callable[[str], None] = log.info if json_logs else partial(print, file=sys.stderr, flush=True)
    config = make_config(app, host, port, own_logs=not json_logs)
    socket, url = bind(config)
    threadpool_limits(1)  # requests run in parallel; BLAS threads would compete
    tell(url)
    if not is_loopback(host):
        tell(f"host names: {', '.join(names)}; add others with --allowed-host")
        if api_key is None:
            tell(f"warning: anyone who reaches {host} can use it and hear the catalog; set {KEY}")
    if not find_models(releases):
        tell(f"{releases}: no model yet; run `dvc repro` and `ostinato release`")
    Server(config).run([socket])


def allow_many_files() -> None:
    """Raise the limit of open files and connections, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
