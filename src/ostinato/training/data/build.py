"""Network inputs from kinds of the cache: their specs and their arrays."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ostinato.cache.store import Store
from ostinato.core.chunks import match_length
from ostinato.core.counts import format_count
from ostinato.core.inputs import Input
from ostinato.core.params.kinds import SAMPLES
from ostinato.core.params.training import Train
from ostinato.errors import DataError
from ostinato.training.data.sources import Features, FeatureSource, Joined, Source
from ostinato.training.data.text import Images, Scalars, Text

AUDIO = "audio"
SOURCES: Mapping[str, Any] = {"lyrics": Text, "cover": Images, "table": Scalars, "attributes": Scalars}


def describe_inputs(stores: Mapping[str, Store], train: Train) -> dict[str, Input]:
    """Describe how each input is computed from a track.

    Parameters
    ----------
    stores : mapping of str to Store
        By kind, in the order the network reads them; the waveform is skipped.
    train : Train
        `chunk_frames` counts frames of the first audio kind; chunks of the others have
        the same duration.

    Returns
    -------
    dict of str to Input
    """
    stores = {kind: store for kind, store in stores.items() if store.meta.get("module", kind) != SAMPLES}
    audio = [store.meta["parameters"] for store in stores.values() if _source(store) == AUDIO]
    inputs = {}
    for kind, store in stores.items():
        source, tail, parameters = _source(store), store.tail, store.meta["parameters"]
        fields: dict[str, Any] = {"feature": store.meta.get("module", kind), "source": source, "parameters": parameters}
        if source == AUDIO:
            first = parameters is audio[0]
            length = train.chunk_frames if first else match_length(train.chunk_frames, audio[0], parameters)
            fields |= {"bins": tail[0], "normalise": train.normalise, "chunk_frames": length}
        else:
            fields |= SOURCES[source].describe(tail, train)
        inputs[kind] = Input(**fields)
    return inputs


def open_inputs(
    stores: Mapping[str, Store],
    inputs: Mapping[str, Input],
    track_ids: Sequence[str],
    subsample_threshold: float | None = None,
) -> FeatureSource | Joined:
    """Open the cache as described by an artefact's inputs.

    Parameters
    ----------
    stores : mapping of str to Store
    inputs : mapping of str to Input
        By kind, in the order the network reads them.
    track_ids : sequence of str
    subsample_threshold : float, optional
        Threshold of the subsampling of frequent words in training.

    Returns
    -------
    Kind or Joined

    Raises
    ------
    DataError
        If a track is not in the cache.
    """
    kinds: list[FeatureSource] = []
    for kind, spec in inputs.items():
        store, length = stores[kind], spec.chunk_frames or 1
        if spec.source == AUDIO:
            kinds.append(Features.of(kind, store, track_ids, length, spec.normalise))
            continue
        rows = _rows(kind, store, track_ids)
        kinds.append(SOURCES[spec.source].of(kind, rows, spec, subsample_threshold))
    return kinds[0] if len(kinds) == 1 else Joined(tuple(kinds))


def open_source(
    stores: Mapping[str, Store], inputs: Mapping[str, Input], track_ids: Sequence[str], train: Train
) -> Source:
    """Open what a network is trained on: the cache, or the waveform beside it where training has that front end."""
    source = open_inputs(stores, inputs, track_ids, train.subsample_threshold)
    if train.front_end == "waveform":
        from ostinato.training.data.waveforms import open_waveforms

        return open_waveforms(source, stores, train, track_ids)
    return source


def _source(store: Store) -> str:
    return str(store.meta.get("source", AUDIO))


def _rows(kind: str, store: Store, track_ids: Sequence[str]) -> list[np.ndarray]:
    missing = [i for i in track_ids if i not in store]
    if missing:
        n = format_count(len(missing), "track")
        raise DataError(f"data/features/{kind}: missing {n}, such as {missing[0]!r}; run featurize")
    return [store.read(i) for i in track_ids]
