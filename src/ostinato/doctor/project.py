"""Checks of the project and of what it talks to: params.yaml, DVC's remote, Prefect, a database, released models."""

import importlib.util
import socket
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from ostinato.core.counts import format_count
from ostinato.doctor.finding import Finding
from ostinato.doctor.machine import Machine
from ostinato.errors import OstinatoError
from ostinato.io.dvc_config import list_remotes, read_dvc_config, resolve_path
from ostinato.io.versions import CATALOG, check_digests, find_current, find_tasks

SECONDS = 3.0
DATABASE = "PREFECT_API_DATABASE_CONNECTION_URL"
PORTS = {"postgresql": 5432}
KEY = "OSTINATO_API_KEY"
MIN_KEY_LENGTH = 16


def check_params(machine: Machine) -> list[Finding]:
    """Check params.yaml, where the working folder is a project."""
    from ostinato.core import params

    file = machine.root / "params.yaml"
    if not file.exists():
        return [Finding("params", "absent", f"{machine.root} is no project; only released models can be used here")]
    try:
        params.load(file)
    except OstinatoError as error:
        return [Finding("params", "error", str(error), "edit params.yaml as the message says")]
    return [Finding("params", "ok", "params.yaml")]


def check_remote(machine: Machine) -> list[Finding]:
    """Check where DVC keeps copies of data and models."""
    try:
        config = read_dvc_config(machine.root)
    except OstinatoError as error:
        text, _, mend = str(error).rpartition("; ")
        return [Finding("remote", "error", text, mend)]
    remotes = list_remotes(config)
    name = config.get("core", "remote", fallback=None)
    if name is None:
        text = (
            "no default remote: what the pipeline made lies here alone" if (machine.root / ".dvc").is_dir() else "none"
        )
        return [Finding("remote", "absent", text)]
    if name not in remotes:
        mend = f"dvc remote add {name} URL, or dvc remote default another one"
        return [Finding("remote", "error", f"core.remote names {name}, which is not described", mend)]
    url = remotes[name]
    if not urlsplit(url).scheme or urlsplit(url).scheme == "file":
        folder = resolve_path(machine.root, urlsplit(url).path)
        if not folder.is_dir():
            mend = f"mount it, or dvc remote modify {name} url PATH"
            return [Finding("remote", "error", f"{name}: {folder} is not there", mend)]
    elif (host := urlsplit(url).hostname) and urlsplit(url).scheme in ("http", "https", "ssh", "webdav", "webdavs"):
        port = urlsplit(url).port or {"https": 443, "webdavs": 443, "ssh": 22}.get(urlsplit(url).scheme, 80)
        if reason := find_unreachable(host, port):
            return [Finding("remote", "error", f"{name}: {host}:{port}: {reason}", "start it, or correct its url")]
    return [Finding("remote", "ok", f"{name}: {url}")]


def check_prefect(machine: Machine) -> list[Finding]:
    """Ask Prefect's server whether it is well, where PREFECT_API_URL names one."""
    url = machine.environ.get("PREFECT_API_URL")
    if not url:
        return [Finding("prefect", "absent", "PREFECT_API_URL is not set; flows start a server of their own")]
    mend = "start it (prefect server start), or unset PREFECT_API_URL"
    if urlsplit(url).scheme not in ("http", "https"):
        return [Finding("prefect", "error", f"PREFECT_API_URL {url} is no address of HTTP", mend)]
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=SECONDS) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            text = f"{url} asks for a key"
            return [Finding("prefect", "error", text, "set PREFECT_API_AUTH_STRING or PREFECT_API_KEY")]
        return [Finding("prefect", "error", f"{url}: answers {error.code}", mend)]
    except (OSError, ValueError) as error:
        return [Finding("prefect", "error", f"{url}: {getattr(error, 'reason', error)}", mend)]
    return [Finding("prefect", "ok", url)]


def check_database(machine: Machine) -> list[Finding]:
    """Check that Prefect's database can be reached, and that its driver is installed."""
    url = machine.environ.get(DATABASE)
    if not url:
        return [Finding("database", "absent", f"{DATABASE} is not set; Prefect uses SQLite")]
    parts = urlsplit(url)
    kind, _, driver = parts.scheme.partition("+")
    if driver and importlib.util.find_spec(driver) is None:
        return [
            Finding("database", "error", f"its driver {driver} is not installed", "pip install 'ostinato[postgres]'")
        ]
    if kind in PORTS:
        try:
            host, port = parts.hostname or "localhost", parts.port or PORTS[kind]
        except ValueError as error:
            return [Finding("database", "error", f"{DATABASE}: {error}", "write HOST:PORT with a number")]
        if reason := find_unreachable(host, port):
            return [Finding("database", "error", f"{host}:{port}: {reason}", f"start it, or correct {DATABASE}")]
        return [Finding("database", "ok", f"{kind} at {host}:{port}")]
    folder = Path(parts.path.removeprefix("/") or ".").parent
    if kind == "sqlite" and not folder.is_dir():
        return [Finding("database", "error", f"{folder} is not there", f"make it, or correct {DATABASE}")]
    return [Finding("database", "ok", kind)]


def find_unreachable(host: str, port: int) -> str | None:
    """Return why a port cannot be connected to; None if it can."""
    try:
        with socket.create_connection((host, port), timeout=SECONDS):
            return None
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__


def check_key(machine: Machine) -> list[Finding]:
    """Check that the service's key is one that nobody guesses."""
    key = machine.environ.get(KEY)
    if key is None:
        return [Finding("key", "absent", f"{KEY} is not set; the service answers this machine alone")]
    if len(key) < MIN_KEY_LENGTH or not key.isascii() or any(c.isspace() for c in key):
        text = f"{KEY} is short, or has spaces or characters beyond ASCII"
        return [Finding("key", "error", text, 'python -c "import secrets; print(secrets.token_urlsafe(32))"')]
    return [Finding("key", "ok", f"{len(key)} characters")]


def check_models(machine: Machine) -> list[Finding]:
    """Open every released model, and compare its files with their hashes."""
    if not machine.models.exists():
        return [Finding("models", "absent", f"{machine.models} is not there; try --model musicnn")]
    try:
        tasks = find_tasks(machine.models)
    except OstinatoError as error:
        return [Finding("models", "error", str(error), "ostinato release --rollback, or bring the release back")]
    findings = [_check_model(task, folder) for task, folder in tasks.items()]
    return findings or [Finding("models", "absent", f"{machine.models} holds none")]


def _check_model(task: str, folder: Path) -> Finding:
    from ostinato.inference.model import ReleasedModel

    try:
        version = find_current(folder)
        model = ReleasedModel(version, threads=1)
    except OstinatoError as error:
        return Finding(
            "models", "error", f"{task}: {error}", "bring its files back (dvc checkout), or release --rollback"
        )
    return Finding("models", "ok", f"{task}: {model.name}, version {version.name}")


def check_catalog(machine: Machine) -> list[Finding]:
    """Open the released catalog, and compare its files with their hashes."""
    folder = machine.models / CATALOG
    if not folder.is_dir():
        return [Finding("catalog", "absent", f"{folder} is not there")]
    from ostinato.recommendation.catalog import open_whole

    try:
        check_digests(find_current(folder))
        catalog = open_whole(find_current(folder))
    except (OstinatoError, OSError, ValueError) as error:
        mend = "bring its files back (dvc checkout), or ostinato release --rollback --task catalog"
        return [Finding("catalog", "error", str(error), mend)]
    return [Finding("catalog", "ok", format_count(len(catalog), "track"))]
