"""Popularity on the real tables of attributes, where they are."""

import pandas as pd
import pytest

from ostinato.curation.attributes import encode, is_complete
from ostinato.datasets.spotify_attributes import ATTRIBUTES, Options, tracks
from ostinato.regression.inputs import Inputs
from regression.planted import fit, judge

N_ARTISTS = 600


@pytest.mark.parametrize(("name", "least"), [("SpotifyFeatures_19829", 0.2), ("machinehack_music_genre", 0.2)])
def test_attributes_rank_the_popularity_of_unheard_artists(name, least, shared_data):
    listed = tracks(shared_data / "tables", Options(table=f"{name}.csv"))
    listed = listed[is_complete(listed[list(ATTRIBUTES)]) & listed["artist"].notna()]
    chosen = listed["artist"].drop_duplicates().sample(N_ARTISTS, random_state=0)
    listed = listed[listed["artist"].isin(chosen)].reset_index(drop=True)
    turn = listed["artist"].map({artist: i % 5 for i, artist in enumerate(chosen)})
    part = turn.map({0: "test", 1: "validation", 2: "train", 3: "train", 4: "train"})
    table = pd.DataFrame({"track_id": listed["track_id"], "fold": 0, "split": part, "group": listed["artist"]})
    popularity = listed.set_index("track_id")["popularity"]
    figures, _ = judge(fit("huber", Inputs(table, encode(listed), {}), popularity))
    assert figures["spearman"]["low"] > 0
    assert figures["spearman"]["value"] > least / 2
    assert figures["r2"]["value"] < 0.5
    assert figures["mae_ratio"]["value"] < 1
