"""`ostinato serve`: the application behind uvicorn."""

import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from threadpoolctl import threadpool_limits

from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.datasets import dataset_root
from ostinato.errors import OstinatoError
from ostinato.io.versions import CATALOG, find_models
from ostinato.recommendation.catalog import Catalog, find_root
from ostinato.serving.app import Limits, application
from ostinato.serving.guards import KEY, check_api_key, check_exposure, is_loopback, list_names
from ostinato.serving.protocol import make_config

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
) -> None:
    """Serve until interrupted; requests under way are finished.

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
        Another catalog. Default: ``serve.catalog`` of params.yaml, else the released one.
    allowed_hosts : sequence of str
        Names that requests may call the service by, beside ``serve.allowed_hosts``.
    allow_anonymous : bool
        Let other machines ask without a key, as by ``serve.allow_anonymous``.

    Raises
    ------
    OstinatoError
        If the address is taken or not this machine's, if other machines reach it and there is
        no API key, or if the key or a name is no good.
    """
    chosen = params.serve
    where = chosen.host if host is None else host, chosen.port if port is None else port
    api_key = check_api_key(os.environ.get(KEY))
    check_exposure(where[0], api_key, allow_anonymous=allow_anonymous or chosen.allow_anonymous)
    names = list_names(where[0], [*chosen.allowed_hosts, *allowed_hosts])
    limits = Limits(
        max_bytes=chosen.max_bytes,
        max_seconds=chosen.max_seconds,
        workers=chosen.workers or os.cpu_count() or 1,
        waiting=chosen.waiting,
    )
    releases = models or paths.releases
    folder = catalog or (paths.root / chosen.catalog if chosen.catalog else paths.releases / CATALOG)
    if folder != paths.releases / CATALOG:
        Catalog.load(folder)  # a wrong name is told now, not at the first request
    sounds = find_root(folder) or dataset_root(paths, params.dataset)
    app = application(releases, folder, sounds, limits, api_key, names)
    allow_many_files()
    config = make_config(app, *where)
    server = uvicorn.Server(config)
    try:
        socket = config.bind_socket()
        socket.listen(config.backlog)
    except SystemExit as error:
        raise OstinatoError(f"{where[0]}:{where[1]}: cannot be listened on; choose another with --port") from error
    threadpool_limits(1)  # requests run beside each other; threads of BLAS would only wait for one another
    address = f"[{where[0]}]" if ":" in where[0] else where[0]
    print(f"http://{address}:{socket.getsockname()[1]}/", file=sys.stderr, flush=True)
    if not is_loopback(where[0]):
        print(f"it answers to {', '.join(names)}; name others with --allowed-host", file=sys.stderr)
        if api_key is None:
            print(f"warning: whoever reaches {address} can ask it and hear the catalog; set {KEY}", file=sys.stderr)
    if not find_models(releases):
        print(f"{releases}: holds no model yet; run `dvc repro` and `ostinato release`", file=sys.stderr)
    server.run([socket])


def allow_many_files() -> None:
    """Raise the number of files and connections that may be open, as far as the system lets this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
