"""Audio fingerprints, robust to level, format, sample rate and offset.

A sub-fingerprint has 32 bits every 51 ms: for each pair of neighbours among 33 bands
between 300 and 2000 Hz, whether their difference in energy grew since the last frame.
Frames are eight times as long as their hop, so a copy that starts between two frames
has nearly the same bits.

Paper: J. Haitsma, T. Kalker: A Highly Robust Audio Fingerprinting System. ISMIR 2002.
"""

import numpy as np

from ostinato.audio.fourier import compute_power

SAMPLE_RATE = 5_000
WINDOW = 2_048
HOP = 256
SECONDS = HOP / SAMPLE_RATE
ENOUGH = WINDOW + 63 * HOP  # samples per batch
MAX_FRAMES = int(180 / SECONDS)
EDGES = np.round(np.geomspace(300, 2_000, 34) * WINDOW / SAMPLE_RATE).astype(int)
QUIET = 1e-7  # mean power below which a frame counts as silent
BITS = (1 << np.arange(32, dtype=np.uint64)).astype(np.uint32)


class Fingerprinter:
    """Computes 4 bytes for every 51 ms of the first three minutes of a recording, block by block."""

    def __init__(self) -> None:
        self._window = np.hanning(WINDOW).astype(np.float32)
        self._pending = np.zeros(0, np.float32)
        self._before: np.ndarray | None = None
        self._parts: list[np.ndarray] = []
        self._n_frames = 0

    def add(self, y: np.ndarray) -> None:
        """Add the next block.

        Parameters
        ----------
        y : np.ndarray [shape=(n,), dtype=float32]
            One channel at `SAMPLE_RATE`.
        """
        if self._n_frames >= MAX_FRAMES:
            return
        self._pending = np.concatenate([self._pending, y])
        if len(self._pending) >= ENOUGH:
            self._take()

    def value(self) -> np.ndarray:
        """Return the fingerprint of all blocks so far.

        Returns
        -------
        np.ndarray [shape=(n_frames,), dtype=uint32]
            0 in silence; empty if the recording is shorter than half a second.
        """
        self._take()
        return np.concatenate([np.zeros(0, np.uint32), *self._parts])[:MAX_FRAMES]

    def _take(self) -> None:
        """Process pending samples in full frames; keep the remainder."""
        n = (len(self._pending) - WINDOW) // HOP + 1
        if n > 0:
            self._frames(np.lib.stride_tricks.sliding_window_view(self._pending, WINDOW)[: n * HOP : HOP])
            self._pending = self._pending[n * HOP :].copy()

    def _frames(self, frames: np.ndarray) -> None:
        power = compute_power(frames, self._window, bins=slice(EDGES[0], EDGES[-1]))
        bands = np.add.reduceat(power, EDGES[:-1] - EDGES[0], axis=1)
        slope = bands[:, :-1] - bands[:, 1:]
        before = slope[:1] if self._before is None else self._before
        grew = np.diff(np.concatenate([before, slope]), axis=0) > 0
        is_audible = bands.sum(axis=1) > QUIET * WINDOW**2
        self._parts.append(np.where(is_audible, grew.astype(np.uint32) @ BITS, 0).astype(np.uint32))
        self._before = slope[-1:]
        self._n_frames += len(frames)
