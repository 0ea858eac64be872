"""Planted listeners of a world without sound files: vectors are a noisy view of the tracks' style."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ostinato.datasets._synthesis.world import artist
from ostinato.listening.experiment import Outcome, run_experiment
from ostinato.listening.factors import FactorSettings
from ostinato.listening.planted import Habits, plant_plays

OPTIONS = tuple(FactorSettings(n_factors=n) for n in (8, 16, 32))


@dataclass(frozen=True)
class ListenersWorld:
    """Plays, and what is known of the tracks' sound."""

    plays: pd.DataFrame
    vectors: pd.DataFrame

    def run(self, options=OPTIONS, **changes) -> Outcome:
        settings = {"date": None, "held_out": 0.2, "k": 20, "confidence": 0.95, "seed": 0, **changes}
        return run_experiment(self.plays, self.vectors, options, **settings)

    def shuffle(self, seed: int) -> "ListenersWorld":
        """Exchange the tracks of all plays before the date for others, one for one."""
        date = self.plays["at"].sort_values().iloc[int(0.8 * (len(self.plays) - 1))]
        ids = self.vectors.index.to_numpy()
        other = dict(zip(ids, np.random.default_rng(seed).permutation(ids), strict=True))
        is_before = self.plays["at"] < date
        track_id = self.plays["track_id"].mask(is_before, self.plays["track_id"].map(other))
        return ListenersWorld(self.plays.assign(track_id=track_id), self.vectors)


def make_world(
    seed: int, *, n_listeners: int = 500, n_artists: int = 300, noise: float = 0.15, plays: float = 60.0
) -> ListenersWorld:
    """Plant listeners in a world of four tracks per artist."""
    rng = np.random.default_rng(seed)
    styles = np.stack([artist(seed, i, 10).style for i in range(n_artists)]).repeat(4, axis=0)
    styles = styles + 0.4 * rng.normal(size=styles.shape)
    ids = [f"track{i:04d}" for i in range(len(styles))]
    sound = np.tanh(styles @ (rng.normal(size=(styles.shape[1], 24)) / 3))
    sound += noise * rng.normal(size=sound.shape)
    sound = (sound - sound.mean(axis=0)) / sound.std(axis=0)
    table = plant_plays(ids, styles, Habits(n_listeners=n_listeners, plays=plays), seed)
    return ListenersWorld(table, pd.DataFrame(sound, index=pd.Index(ids, name="track_id")))
