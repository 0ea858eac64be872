"""Requirements of a run besides time and disk: memory, open files and memory maps.

The memory figures are from ``python -m bench.scale``, rounded up; docs/measurements.md has the table.
"""

import math
import resource
from dataclasses import dataclass
from pathlib import Path

import psutil

from ostinato.cache.spec import assign_shard
from ostinato.core import parallel
from ostinato.core.params.kinds import parts
from ostinato.core.params.schema import Params
from ostinato.errors import OstinatoError

STAGE_BYTES, WORKER_BYTES = 600e6, 250e6
"""Memory of a stage with the libraries of training, and of a process of featurize, for any collection."""
TRACK_BYTES, SPACE_BYTES = 6_000, 2_000
"""Memory per track in the largest stage, and per track and candidate in rank."""
OPEN_FILES = 256
"""More than any stage has open, for any number of tracks."""
MAPS = Path("/proc/sys/vm/max_map_count")
CONTROL_GROUP = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Limits:
    """Needs of the largest stage and limits of this machine; by default none.

    Parameters
    ----------
    memory, available : float
        Bytes needed and available.
    open_files : float
        Maximum per process.
    n_maps, max_maps : float
        Memory maps of training, and their maximum.
    """

    memory: float = 0
    available: float = math.inf
    open_files: float = math.inf
    n_maps: float = 0
    max_maps: float = math.inf

    def check(self) -> None:
        """Refuse a run that cannot fit.

        Raises
        ------
        OstinatoError
            Naming what is missing.
        """
        if self.memory > self.available:
            raise OstinatoError(
                f"the largest stage needs about {self.memory / 1e9:.1f} GB of memory, "
                f"{self.available / 1e9:.1f} GB is available: close other programs, lower compute.workers, "
                "or keep fewer genres with dataset.classes"
            )
        if self.open_files < OPEN_FILES:
            raise OstinatoError(
                f"a process needs {OPEN_FILES} open files, {self.open_files:.0f} are allowed: run `ulimit -n 1024`"
            )
        if self.n_maps > self.max_maps:
            raise OstinatoError(
                f"training maps {self.n_maps:.0f} files into memory, {self.max_maps:.0f} are allowed: "
                "raise features.shard_tracks in params.yaml, or vm.max_map_count of the system"
            )


def find_limits(n_tracks: int, params: Params) -> Limits:
    """Estimate the needs of a collection, and read the limits of this machine.

    Parameters
    ----------
    n_tracks : int
    params : Params
        Sections `compute`, `features`, `candidates`, `estimators` and `stacked`.

    Returns
    -------
    Limits
    """
    n_spaces = len(params.candidates) + len(params.estimators) + len(params.stacked)
    workers = params.compute.workers or parallel.cores()
    memory = max(STAGE_BYTES + n_tracks * (TRACK_BYTES + n_spaces * SPACE_BYTES), workers * WORKER_BYTES)
    shards = assign_shard(max(n_tracks - 1, 0), params.features.shard_tracks) + 1
    max_parts = max([len(parts(kind)) for kind in params.features.kinds], default=1)
    max_maps = int(MAPS.read_text()) if MAPS.exists() else math.inf
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_files = math.inf if soft == resource.RLIM_INFINITY else soft
    return Limits(memory, _read_available(), open_files, shards * max_parts, max_maps)


def _read_available() -> float:
    """Return the bytes of available memory, within the limit of a container."""
    limit = CONTROL_GROUP.read_text().strip() if CONTROL_GROUP.exists() else "max"
    return min(psutil.virtual_memory().available, math.inf if limit == "max" else int(limit))
