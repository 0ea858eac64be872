"""Beats, tuning and sections of a song, by librosa.

A section begins where timbre, harmony and loudness, averaged over beats, change for good: at a peak of Foote's novelty,
a checkerboard slid along the diagonal of the self-similarity. Sections that sound alike share a letter.

References
----------
J. Foote, "Automatic audio segmentation using a measure of audio novelty", ICME 2000.
D. P. W. Ellis, "Beat tracking by dynamic programming", Journal of New Music Research 36(1), 2007.
"""

from dataclasses import dataclass

import numpy as np

from ostinato.audio.lazy_librosa import import_librosa

SAMPLE_RATE, N_FFT, HOP_LENGTH = 22050, 2048, 512
MAX_SECONDS = 3600.0
KERNEL = 16
"""Beats on either side that a boundary is judged by."""
SMOOTHING = 2.0
"""Standard deviation in beats of what features are smoothed by."""
PEAK = 0.2
"""Of the highest novelty: what a peak must rise above the mean of its surroundings."""
MIN_BEATS = 12
"""Between two boundaries."""
FEW_BEATS = 8
"""Fewer are no tempo."""
SAME = 0.8
"""Distance between the mean features of sections of one letter, at most; chosen on songs of planted form."""
GRID = 0.5
"""Seconds that stand for a beat where there are none."""
MIN_LEVEL = 1e-4
"""Peak below which a file is silent: it has neither beats nor sections."""


@dataclass(frozen=True)
class Section:
    """A part of a song.

    Parameters
    ----------
    start, end : float
        In seconds.
    label : str
        A letter; sections of the same letter sound alike.
    loudness : float
        Mean RMS in dB, relative to the loudest section.
    """

    start: float
    end: float
    label: str
    loudness: float


@dataclass(frozen=True)
class Structure:
    """What a song is made of.

    Parameters
    ----------
    seconds : float
    tempo : float or None
        Beats a minute; None where fewer than `FEW_BEATS` were found.
    tuning : float or None
        Deviation from A = 440 Hz, in cents; None of silence.
    beats : tuple of float
        In seconds.
    sections : tuple of Section
        In order and without gaps.
    """

    seconds: float
    tempo: float | None
    tuning: float | None
    beats: tuple[float, ...]
    sections: tuple[Section, ...]


def analyze(y: np.ndarray, sample_rate: int) -> Structure:
    """Analyze the structure of a song.

    Parameters
    ----------
    y : np.ndarray [shape=(n_samples,)]
    sample_rate : int
        In hertz; another one than `SAMPLE_RATE` is resampled to it.

    Returns
    -------
    Structure
        Of silence one section without beats.
    """
    librosa = import_librosa()

    seconds = len(y) / sample_rate
    peak = float(np.abs(y).max(initial=0))
    if peak < MIN_LEVEL:
        return Structure(seconds, None, None, (), (Section(0.0, seconds, "A", 0.0),))
    y = np.asarray(y / peak, np.float32)  # the same answer at any level
    y = librosa.resample(y, orig_sr=sample_rate, target_sr=SAMPLE_RATE, res_type="soxr_hq")
    magnitude = np.abs(librosa.stft(y, n_fft=N_FFT, hop_length=HOP_LENGTH))
    mel = librosa.power_to_db(librosa.feature.melspectrogram(S=magnitude**2, sr=SAMPLE_RATE), ref=np.max)
    onsets = librosa.onset.onset_strength(S=mel, sr=SAMPLE_RATE, hop_length=HOP_LENGTH)
    tempo, frames = librosa.beat.beat_track(onset_envelope=onsets, sr=SAMPLE_RATE, hop_length=HOP_LENGTH, trim=False)
    tuning = float(librosa.estimate_tuning(S=magnitude, sr=SAMPLE_RATE, n_fft=N_FFT))
    beats = librosa.frames_to_time(frames, sr=SAMPLE_RATE, hop_length=HOP_LENGTH)
    edges = _choose_edges(frames, mel.shape[1])
    features, loudness = _compute_features(magnitude, mel, tuning, edges)
    starts = np.array([0, *find_boundaries(features)])
    labels = label_sections(features, starts)
    times = np.append(librosa.frames_to_time(edges[starts], sr=SAMPLE_RATE, hop_length=HOP_LENGTH), seconds)
    times[0] = 0.0
    levels = [float(np.mean(part)) for part in np.split(loudness, starts[1:])]
    return Structure(
        seconds,
        float(np.atleast_1d(tempo)[0]) if len(frames) >= FEW_BEATS else None,
        100 * tuning,
        tuple(beats.round(3).tolist()) if len(frames) >= FEW_BEATS else (),
        tuple(
            Section(round(float(a), 3), round(float(b), 3), label, round(level - max(levels), 2))
            for a, b, label, level in zip(times, times[1:], labels, levels, strict=False)
        ),
    )


def describe(structure: Structure) -> str:
    """Describe a structure in one line: ``120.2 bpm, tuning +3 cents, A 0:00, B 0:21, A 0:42``."""
    tempo = "no beat" if structure.tempo is None else f"{structure.tempo:.1f} bpm"
    tuning = [] if structure.tuning is None else [f"tuning {structure.tuning:+.0f} cents"]
    sections = [f"{s.label} {int(s.start) // 60}:{int(s.start) % 60:02}" for s in structure.sections]
    return ", ".join([tempo, *tuning, *sections])


def find_boundaries(features: np.ndarray) -> np.ndarray:
    """Find where sections begin.

    Parameters
    ----------
    features : np.ndarray [shape=(n_features, n_beats)]

    Returns
    -------
    np.ndarray [shape=(n_boundaries,), dtype=int64]
        Beats, ascending, without the first.
    """
    librosa = import_librosa()

    novelty = compute_novelty(features, KERNEL)
    if novelty.max(initial=0) <= 0:
        return np.zeros(0, np.int64)
    half = MIN_BEATS // 2
    peaks = librosa.util.peak_pick(
        novelty / novelty.max(),
        pre_max=half, post_max=half + 1, pre_avg=KERNEL, post_avg=KERNEL, delta=PEAK, wait=MIN_BEATS,
    )  # fmt: skip
    return peaks[(peaks > 4) & (peaks < len(novelty) - 4)]


def compute_novelty(features: np.ndarray, kernel: int) -> np.ndarray:
    """Compute Foote's novelty: how like themselves and unlike each other the beats before and after a beat are.

    Parameters
    ----------
    features : np.ndarray [shape=(n_features, n_beats)]
    kernel : int
        Beats on either side. Memory grows with n_beats * kernel, not with the square of n_beats.

    Returns
    -------
    np.ndarray [shape=(n_beats,)]
        0 and above.
    """
    n_beats = features.shape[1]
    sample = features[:, np.linspace(0, n_beats - 1, min(n_beats, 500)).astype(int)]
    scale = float(np.median(_square_distances(sample))) or 1.0
    taper = np.exp(-0.5 * np.linspace(-2, 2, 2 * kernel) ** 2) * np.sign(np.arange(2 * kernel) - kernel + 0.5)
    checkerboard = np.outer(taper, taper) / np.outer(taper, taper).clip(0).sum() / 2
    padded = np.pad(features, ((0, 0), (kernel, kernel)), mode="edge")
    blocks = (padded[:, i : i + 2 * kernel] for i in range(n_beats))
    novelty = [(np.exp(-_square_distances(block) / scale) * checkerboard).sum() for block in blocks]
    return np.maximum(novelty, 0)


def label_sections(features: np.ndarray, starts: np.ndarray) -> list[str]:
    """Give sections that sound alike the same letter, in the order in which they first occur.

    Parameters
    ----------
    features : np.ndarray [shape=(n_features, n_beats)]
    starts : np.ndarray [shape=(n_sections,)]
        First beats.

    Returns
    -------
    list of str
        "A" to "Z", then "A1" and so on.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(starts) < 2:
        return ["A"]
    means = np.stack([part.mean(axis=1) for part in np.split(features, starts[1:], axis=1)])
    clusters = fcluster(linkage(means, "average"), SAME, "distance")
    order = {cluster: n for n, cluster in enumerate(dict.fromkeys(clusters.tolist()))}
    return [chr(65 + order[c] % 26) + (str(order[c] // 26) if order[c] >= 26 else "") for c in clusters.tolist()]


def _choose_edges(frames: np.ndarray, n_frames: int) -> np.ndarray:
    """Return the frames at which beats begin and the last one ends; of a file with few beats those of a grid."""
    librosa = import_librosa()

    if len(frames) < 2 * MIN_BEATS:
        step = max(round(GRID * SAMPLE_RATE / HOP_LENGTH), 1)
        frames = np.arange(0, n_frames, step)
    return np.asarray(librosa.util.fix_frames(frames, x_min=0, x_max=n_frames))


def _compute_features(
    magnitude: np.ndarray, mel: np.ndarray, tuning: float, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute smooth features of beats, (n_features, n_beats), and their loudness in dB, (n_beats,)."""
    librosa = import_librosa()
    from scipy.ndimage import gaussian_filter1d

    beats = edges.tolist()
    timbre = librosa.util.sync(librosa.feature.mfcc(S=mel, n_mfcc=20)[1:], beats)
    chroma = librosa.feature.chroma_stft(S=magnitude**2, sr=SAMPLE_RATE, tuning=tuning)
    chroma = librosa.util.sync(chroma, beats, aggregate=np.median)
    rms = librosa.util.sync(librosa.feature.rms(S=magnitude, frame_length=N_FFT), beats)
    loudness = librosa.amplitude_to_db(rms, ref=np.max)
    parts = [
        _standardize(timbre) / np.sqrt(len(timbre)),
        2 * librosa.util.normalize(chroma, norm=2),
        _standardize(loudness),
    ]
    n_beats = len(edges) - 1
    features = np.vstack(parts)[:, :n_beats]
    return gaussian_filter1d(features, SMOOTHING, axis=1), loudness[0, :n_beats]


def _standardize(rows: np.ndarray) -> np.ndarray:
    deviation = rows.std(axis=1, keepdims=True)
    return (rows - rows.mean(axis=1, keepdims=True)) / np.where(deviation > 0, deviation, 1)


def _square_distances(columns: np.ndarray) -> np.ndarray:
    """Return the squared distances between columns, (n, n)."""
    length = (columns**2).sum(axis=0)
    return np.maximum(length[:, np.newaxis] + length - 2 * columns.T @ columns, 0)
