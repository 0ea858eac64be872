"""Release what a run of the graph produced."""

import sys
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from _dvc import stream
from ostinato.errors import OstinatoError

REJECTED = 3  # exit status of `ostinato release` when it refuses a candidate


@task(cache_policy=NO_CACHE, persist_result=False)
def release(project: Path, only: str | None = None) -> str | None:
    """Run ``ostinato release`` for one task or all; return its last line if it refused one, else None."""
    command = [sys.executable, "-m", "ostinato", "release", *(["--task", only] if only else [])]
    status, tail = stream(command, project)
    if status not in (0, REJECTED):
        raise OstinatoError(f"ostinato release: {tail[-1] if tail else f'exit status {status}'}")
    return (tail[-1] if tail else "see models/verdict.json") if status == REJECTED else None
