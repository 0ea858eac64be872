"""Specification of the cache: its tracks, and its kinds with everything their rows depend on."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ostinato import features
from ostinato.cache import store
from ostinato.core import registry
from ostinato.curation.side_inputs import SideInput

READERS = {"audio": "ostinato.audio.decode", "attributes": "ostinato.curation.attributes"}
"""Module that reads a source, if not `ostinato.curation.side_inputs`."""

SHARDS_PER_LEVEL = 1024
"""Consecutive shards with the same number of ordinals."""


def assign_shard(ordinal: int, shard_tracks: int) -> int:
    """Return the shard of an ordinal: after every 1024 shards the number of ordinals per shard doubles.

    A million tracks thus need a few thousand files, and a growing collection changes only its last shard.

    Parameters
    ----------
    ordinal : int
    shard_tracks : int
        Ordinals in each of the first 1024 shards.

    Returns
    -------
    int

    Examples
    --------
    >>> [assign_shard(i, 32) for i in (0, 31, 32, 32767, 32768, 32831, 32832)]
    [0, 0, 1, 1023, 1024, 1024, 1025]
    """
    level = (ordinal // (SHARDS_PER_LEVEL * shard_tracks) + 1).bit_length() - 1
    first = SHARDS_PER_LEVEL * shard_tracks * ((1 << level) - 1)
    return SHARDS_PER_LEVEL * level + (ordinal - first) // (shard_tracks << level)


class Track(NamedTuple):
    """A track of the cache.

    Parameters
    ----------
    ordinal : int
    track_id : str
    content_hash : str
        SHA-256 of the audio file.
    path : str or None
        Audio file, relative to the dataset's root; None without audio.
    side_inputs : mapping of str to SideInput
        Inputs beside audio, by source.
    """

    ordinal: int
    track_id: str
    content_hash: str
    path: str | None
    side_inputs: Mapping[str, SideInput] = {}

    def entry(self, source: str, shard: int, start: int, n_rows: int) -> store.Entry:
        """Return the index entry of the rows computed from a source."""
        return store.Entry(self.ordinal, self.track_id, self.content(source), shard, start, n_rows)

    def content(self, source: str) -> str:
        """Return the hash of a source."""
        return self.content_hash if source == "audio" else self.side_inputs[source].content_hash


@dataclass(frozen=True)
class Kind:
    """A kind of the cache.

    Parameters
    ----------
    name : str
    parameters : mapping
        Keyword arguments of its module's ``compute``.
    key : str
        Hash of everything its rows depend on except the tracks.
    module : str
        Module of `ostinato.features`.
    source : str
        Data of a track it is computed from.
    """

    name: str
    parameters: Mapping[str, Any]
    key: str
    module: str
    source: str


def describe(name: str, departures: Mapping[str, Any], *, sample_rate: int, shard_tracks: int) -> Kind:
    """Describe a kind and everything its rows depend on.

    Parameters
    ----------
    name : str
        Its name in the cache.
    departures : mapping
        Its parameters in params.yaml.
    sample_rate : int
        In Hz, unless the kind sets its own.
    shard_tracks : int
        Ordinals in each of the first shards.

    Returns
    -------
    Kind

    Raises
    ------
    OstinatoError
        If the kind or a parameter is unknown.
    """
    parameters, module = features.parameters(name, departures, sample_rate), features.module(name, departures)
    source = registry.load("ostinato.features", module).SOURCE
    reader = READERS.get(source, "ostinato.curation.side_inputs")
    code = [features.fingerprint(f"ostinato.features.{module}"), features.fingerprint(reader)]
    features.check(name, module, parameters)
    identity = json.dumps([name, features.identify(module, parameters), code, shard_tracks], sort_keys=True)
    return Kind(name, parameters, hashlib.sha256(identity.encode()).hexdigest(), module, source)
