"""`ostinato serve`: the application behind uvicorn."""

import os
import sys
from pathlib import Path
from typing import Any

import uvicorn
from threadpoolctl import threadpool_limits

from ostinato.datasets import dataset_root
from ostinato.errors import OstinatoError
from ostinato.paths import Paths
from ostinato.recommendation.catalog import Catalog, find_root
from ostinato.serving.app import Limits, application

SECTIONS = ("dataset", "serve")
KEY = "OSTINATO_API_KEY"


def serve(
    paths: Paths,
    params: Any,
    *,
    host: str | None = None,
    port: int | None = None,
    models: Path | None = None,
    catalog: Path | None = None,
) -> None:
    """Serve until interrupted; requests under way are finished.

    Parameters
    ----------
    paths : Paths
    params : object
        With `SECTIONS`.
    host, port : str, int, optional
        Default: as in params.yaml.
    models : Path, optional
        Another folder of released models.
    catalog : Path, optional
        Another catalog. Default: ``serve.catalog`` of params.yaml, else models/catalog.

    Raises
    ------
    OstinatoError
        If the address is taken or not this machine's.
    """
    chosen = params.serve
    limits = Limits(
        max_bytes=chosen.max_bytes,
        max_seconds=chosen.max_seconds,
        workers=chosen.workers or os.cpu_count() or 1,
        waiting=chosen.waiting,
    )
    releases = models or paths.releases
    folder = catalog or (paths.root / chosen.catalog if chosen.catalog else paths.catalog)
    if folder != paths.catalog:
        Catalog.load(folder)  # a wrong name is told now, not at the first request
    sounds = find_root(folder) or dataset_root(paths, params.dataset)
    app = application(releases, folder, sounds, limits, os.environ.get(KEY))
    where = host or chosen.host, chosen.port if port is None else port
    config = uvicorn.Config(app, *where, log_level="warning", access_log=False, timeout_graceful_shutdown=30)
    server = uvicorn.Server(config)
    try:
        socket = config.bind_socket()
        socket.listen(config.backlog)
    except SystemExit as error:
        raise OstinatoError(f"{where[0]}:{where[1]}: cannot be listened on; choose another with --port") from error
    threadpool_limits(1)  # requests run beside each other; threads of BLAS would only wait for one another
    print(f"http://{where[0]}:{socket.getsockname()[1]}/", file=sys.stderr, flush=True)
    if not any(releases.glob("*/model.json")):
        print(f"{releases}: holds no model yet; run `dvc repro` and `ostinato release`", file=sys.stderr)
    server.run([socket])
