"""Power of short-time spectra, by NumPy alone: SciPy's transform takes half a second to import."""

import numpy as np

BLOCK = 16
"""Frames transformed at once: so many stay in the processor's cache, which halves the time of a spectrum."""


def compute_power(
    frames: np.ndarray, window: np.ndarray, n_fft: int | None = None, bins: slice = slice(None)
) -> np.ndarray:
    """Compute the squared magnitude of the Fourier transform of each frame.

    Parameters
    ----------
    frames : np.ndarray [shape=(n_frames, length), dtype=float32]
    window : np.ndarray [shape=(length,), dtype=float32]
        Each frame is multiplied with it.
    n_fft : int, optional
        Pad frames with zeros to so many samples; default: their length.
    bins : slice
        Bins to return, of 1 + n_fft // 2.

    Returns
    -------
    np.ndarray [shape=(n_frames, n_bins), dtype=float32]

    Examples
    --------
    >>> compute_power(np.ones((1, 4), np.float32), np.ones(4, np.float32)).tolist()
    [[16.0, 0.0, 0.0]]
    >>> compute_power(np.ones((1, 4), np.float32), np.ones(4, np.float32), bins=slice(0, 2)).tolist()
    [[16.0, 0.0]]
    """
    n_bins = 1 + (n_fft or frames.shape[1]) // 2
    power = np.empty((len(frames), len(range(n_bins)[bins])), np.float32)
    spectrum = np.empty((min(BLOCK, len(frames)), n_bins), np.complex64)
    for start in range(0, len(frames), BLOCK):
        part = power[start : start + BLOCK]
        block = np.fft.rfft(frames[start : start + BLOCK] * window, n_fft, out=spectrum[: len(part)])  # type: ignore[arg-type]
        np.square(block.real[:, bins], out=part)
        part += np.square(block.imag[:, bins])
    return power
