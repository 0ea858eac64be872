"""Specification of the cache: its tracks, and its kinds with all that their rows depend on."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ostinato import features
from ostinato.cache import store
from ostinato.core import registry
from ostinato.curation.side_inputs import SideInput

DOORS = {"audio": "ostinato.audio.decode", "attributes": "ostinato.curation.attributes"}
"""Where a source is read, if not in `ostinato.curation.side_inputs`."""

SAME_SIZE = 1024
"""Shards in a row that hold as many ordinals each."""


def assign_shard(ordinal: int, shard_tracks: int) -> int:
    """Return the shard of an ordinal: after each 1024 shards the next ones hold twice as many ordinals.

    A million tracks are thus some thousand files, and no shard changes when a collection grows.

    Parameters
    ----------
    ordinal : int
    shard_tracks : int
        Ordinals of each of the first shards.

    Returns
    -------
    int

    Examples
    --------
    >>> [assign_shard(i, 32) for i in (0, 31, 32, 32767, 32768, 32831, 32832)]
    [0, 0, 1, 1023, 1024, 1024, 1025]
    """
    level = (ordinal // (SAME_SIZE * shard_tracks) + 1).bit_length() - 1
    first = SAME_SIZE * shard_tracks * ((1 << level) - 1)
    return SAME_SIZE * level + (ordinal - first) // (shard_tracks << level)


class Track(NamedTuple):
    """A track whose rows shall stand in the cache; `path` is relative to the dataset's root.

    `others` holds what it has beside audio, by source.
    """

    ordinal: int
    track_id: str
    content_hash: str
    path: str | None
    others: Mapping[str, SideInput] = {}

    def entry(self, source: str, shard: int, start: int, n_rows: int) -> store.Entry:
        """Return where the rows made of a source lie."""
        return store.Entry(self.ordinal, self.track_id, self.content(source), shard, start, n_rows)

    def content(self, source: str) -> str:
        """Return the hash of a source."""
        return self.content_hash if source == "audio" else self.others[source].content_hash


@dataclass(frozen=True)
class Kind:
    """A kind that shall stand in the cache.

    Parameters
    ----------
    name : str
    parameters : mapping
        Keyword arguments of its ``compute``.
    key : str
        Changes when anything that its rows depend on changes, the tracks aside.
    module : str
        Of `ostinato.features`.
    source : str
        What of a track it is made of.
    """

    name: str
    parameters: Mapping[str, Any]
    key: str
    module: str
    source: str


def describe(name: str, departures: Mapping[str, Any], *, sample_rate: int, shard_tracks: int) -> Kind:
    """Describe a kind and all that its rows depend on.

    Parameters
    ----------
    name : str
        What the cache calls it.
    departures : mapping
        What params.yaml says of it.
    sample_rate : int
        In Hz, where the kind does not set its own.
    shard_tracks : int
        Ordinals of a shard.

    Returns
    -------
    Kind

    Raises
    ------
    OstinatoError
        If the kind or a parameter is not known.
    """
    parameters, module = features.parameters(name, departures, sample_rate), features.module(name, departures)
    source = registry.load("ostinato.features", module).SOURCE
    door = DOORS.get(source, "ostinato.curation.side_inputs")
    code = [features.fingerprint(f"ostinato.features.{module}"), features.fingerprint(door)]
    features.check(name, module, parameters)
    described = json.dumps([name, features.identify(module, parameters), code, shard_tracks], sort_keys=True)
    return Kind(name, parameters, hashlib.sha256(described.encode()).hexdigest(), module, source)
