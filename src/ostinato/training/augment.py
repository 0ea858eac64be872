"""Augmentation of waveforms: a batch is changed on its device, before the feature is computed.

Each augmentation draws its values from the generator and leaves a share of the
examples unchanged, so that the network still sees unaltered audio.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeAlias

import torch
import torchaudio.functional as F
from torch import Tensor

Augmentation: TypeAlias = Callable[[Tensor, int, torch.Generator], Tensor]

UNCHANGED_SHARE = 0.5
"""Share of examples that bandwidth, level and noise leave unchanged."""
SPEEDS = tuple(Fraction(n, 20) for n in (18, 19, 20, 21, 22))
PITCHES = (Fraction(8, 9), Fraction(17, 18), Fraction(1), Fraction(18, 17), Fraction(9, 8))
"""Two semitones down to two up, within 4 cents; simple ratios keep the resampling filters small."""
LOWEST_CUTOFF = 4000.0
LEVELS = -12.0, 6.0
SIGNAL_TO_NOISE = 10.0, 40.0
ROLL_OFF = 0.92
"""Start of the roll-off, as a share of the cut-off; typical of resamplers."""
N_FFT = 2048


def change_speed(x: Tensor, factor: Fraction) -> Tensor:
    """Change speed and pitch together, by resampling.

    Parameters
    ----------
    x : Tensor [shape=(batch, n_samples)]
    factor : Fraction
        Above 1: faster, shorter, higher.

    Returns
    -------
    Tensor [shape=(batch, ceil(n_samples / factor))]
    """
    return F.resample(x, factor.numerator, factor.denominator)


def shift_pitch(x: Tensor, ratio: Fraction) -> Tensor:
    """Shift the pitch at constant speed and level: stretch by a phase vocoder, then resample.

    Parameters
    ----------
    x : Tensor [shape=(batch, n_samples)]
    ratio : Fraction
        Frequency ratio; 9/8 is two semitones up.

    Returns
    -------
    Tensor [shape=(batch, n_samples)]
    """
    hop, window = N_FFT // 4, torch.hann_window(N_FFT, device=x.device)
    pad = max(N_FFT // 2 + 1 - x.shape[1], 0)
    spectrum = torch.stft(torch.nn.functional.pad(x, (0, pad)), N_FFT, hop, window=window, return_complex=True)
    advance = torch.linspace(0, torch.pi * hop, N_FFT // 2 + 1, device=x.device)[:, None]
    stretched = F.phase_vocoder(spectrum, float(1 / ratio), advance)
    longer = torch.istft(stretched, N_FFT, hop, window=window, length=-int(-x.shape[1] * ratio // 1))
    shifted = F.resample(longer, ratio.numerator, ratio.denominator)[:, : x.shape[1]]
    rms_in, rms_out = (y.square().mean(1, keepdim=True).sqrt() for y in (x, shifted))
    return shifted * rms_in / rms_out.clamp(min=torch.finfo(x.dtype).tiny)


def limit_bandwidth(x: Tensor, cutoff: Tensor, sample_rate: int) -> Tensor:
    """Remove frequencies above a cut-off, like resampling to twice that rate and back.

    Parameters
    ----------
    x : Tensor [shape=(batch, n_samples)]
    cutoff : Tensor [shape=(batch,)]
        In Hz; from half the sample rate there is no change.
    sample_rate : int
        In Hz.

    Returns
    -------
    Tensor [shape=(batch, n_samples)]
    """
    frequencies = torch.fft.rfftfreq(x.shape[1], 1 / sample_rate, device=x.device)
    excess = (frequencies / cutoff[:, None] - ROLL_OFF) / (1 - ROLL_OFF)
    response = 0.5 + 0.5 * torch.cos(torch.pi * excess.clamp(0, 1))
    response = torch.where(cutoff[:, None] >= sample_rate / 2, 1.0, response)
    return torch.fft.irfft(torch.fft.rfft(x) * response, n=x.shape[1])


def change_level(x: Tensor, decibels: Tensor) -> Tensor:
    """Change the level of waveforms, without clipping.

    Parameters
    ----------
    x : Tensor [shape=(batch, n_samples)]
    decibels : Tensor [shape=(batch,)]
    """
    return x * 10 ** (decibels[:, None] / 20)


def add_noise(x: Tensor, ratio: Tensor, generator: torch.Generator) -> Tensor:
    """Add white noise; silence stays silent.

    Parameters
    ----------
    x : Tensor [shape=(batch, n_samples)]
    ratio : Tensor [shape=(batch,)]
        Signal to noise in dB; infinite: none.
    generator : torch.Generator
        CPU generator; it seeds one on the device of `x`.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    noise = torch.randn(x.shape, generator=torch.Generator(x.device).manual_seed(seed), device=x.device)
    return F.add_noise(x, noise, ratio)


def draw_speed(x: Tensor, sample_rate: int, generator: torch.Generator) -> Tensor:
    """Change the speed of each example by a factor of `SPEEDS`; all are cut to the length of the fastest."""
    return _draw_ratio(x, SPEEDS, change_speed, int(x.shape[1] / max(SPEEDS)), generator)


def draw_pitch(x: Tensor, sample_rate: int, generator: torch.Generator) -> Tensor:
    """Shift the pitch of each example by a ratio of `PITCHES`."""
    return _draw_ratio(x, PITCHES, shift_pitch, x.shape[1], generator)


def draw_bandwidth(x: Tensor, sample_rate: int, generator: torch.Generator) -> Tensor:
    """Limit the bandwidth to a cut-off that is uniform in octaves, from 4 kHz to half the sample rate."""
    highest = sample_rate / 2
    share = _draw_uniform(x, 0.0, 1.0, generator)
    cutoff = highest * (min(LOWEST_CUTOFF, highest) / highest) ** share
    return limit_bandwidth(x, _leave_some(cutoff, highest, generator), sample_rate)


def draw_level(x: Tensor, sample_rate: int, generator: torch.Generator) -> Tensor:
    """Change the level by -12 to 6 dB."""
    return change_level(x, _leave_some(_draw_uniform(x, *LEVELS, generator), 0.0, generator))


def draw_noise(x: Tensor, sample_rate: int, generator: torch.Generator) -> Tensor:
    """Add white noise 10 to 40 dB below the sound."""
    ratio = _draw_uniform(x, *SIGNAL_TO_NOISE, generator)
    return add_noise(x, _leave_some(ratio, float("inf"), generator), generator)


AUGMENTATIONS: dict[str, Augmentation] = {
    "speed": draw_speed,
    "pitch": draw_pitch,
    "bandwidth": draw_bandwidth,
    "level": draw_level,
    "noise": draw_noise,
}


def reach(names: Sequence[str]) -> float:
    """Return the ratio of input to output length."""
    return float(max(SPEEDS)) if "speed" in names else 1.0


def augment(x: Tensor, names: Sequence[str], sample_rate: int, generator: torch.Generator) -> Tensor:
    """Apply augmentations in their order.

    Parameters
    ----------
    x : Tensor [shape=(batch, n_samples)]
    names : sequence of str
        Keys of `AUGMENTATIONS`.
    sample_rate : int
        In Hz.
    generator : torch.Generator
        CPU generator.

    Returns
    -------
    Tensor [shape=(batch, n_samples')]
        Shorter by `reach`.
    """
    for name in names:
        x = AUGMENTATIONS[name](x, sample_rate, generator)
    return x


def _draw_ratio(
    x: Tensor,
    ratios: Sequence[Fraction],
    function: Callable[[Tensor, Fraction], Tensor],
    length: int,
    generator: torch.Generator,
) -> Tensor:
    """Apply one of several ratios to each example, batched by ratio."""
    choice = torch.randint(len(ratios), (len(x),), generator=generator)
    result = x.new_empty(len(x), length)
    for i, ratio in enumerate(ratios):
        rows = (choice == i).nonzero()[:, 0].to(x.device)
        if len(rows):
            result[rows] = (x[rows] if ratio == 1 else function(x[rows], ratio))[:, :length]
    return result


def _draw_uniform(x: Tensor, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Draw a value for each example."""
    return (low + (high - low) * torch.rand(len(x), generator=generator)).to(x.device)


def _leave_some(values: Tensor, neutral: float, generator: torch.Generator) -> Tensor:
    """Replace some values by the neutral one."""
    draws = torch.rand(len(values), generator=generator).to(values.device)
    return torch.where(draws < UNCHANGED_SHARE, neutral, values)
