"""Augmentation of sound: each changes what its name says and leaves the rest."""

from fractions import Fraction
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.core.params.training import Train
from ostinato.errors import ParamsError
from ostinato.training import augment
from ostinato.training.settings import _train

RATE = 22050
RATIOS = sorted({*augment.SPEEDS, *augment.PITCHES})


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def tone(hertz, seconds=2.0):
    return 0.3 * torch.sin(2 * torch.pi * hertz * torch.arange(int(seconds * RATE)) / RATE)[None]


def noise(n_examples=4, seconds=1.0):
    return 0.1 * torch.randn(n_examples, int(seconds * RATE), generator=generator(1))


def power_db(x):
    return 10 * x.double().square().mean(-1).log10()


def peak_hertz(x):
    spectrum = torch.fft.rfft(x[0] * torch.hann_window(x.shape[1])).abs()
    return int(spectrum.argmax()) * RATE / x.shape[1]


def band_db(x, low, high):
    """Sum the power between two frequencies, in dB."""
    power = torch.fft.rfft(x.double() * torch.hann_window(x.shape[1])).abs().square()
    hertz = torch.fft.rfftfreq(x.shape[1], 1 / RATE)
    inside = (hertz >= low) & (hertz < high)
    return 10 * power[:, inside].sum(1).log10()


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(-40, 20), min_size=4, max_size=4))
def test_level_changes_by_as_many_decibels_as_asked_for(decibels):
    x, wanted = noise(), torch.tensor(decibels)
    changed = power_db(augment.change_level(x, wanted)) - power_db(x)
    torch.testing.assert_close(changed, wanted.double(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("ratio", RATIOS, ids=str)
def test_speed_scales_the_duration_and_the_pitch(ratio):
    x = tone(1000)
    faster = augment.change_speed(x, ratio)
    assert abs(faster.shape[1] * ratio - x.shape[1]) <= ratio
    assert abs(peak_hertz(faster) - 1000 * ratio) < 1
    assert abs(power_db(faster) - power_db(x)) < 0.1


@pytest.mark.parametrize("ratio", RATIOS, ids=str)
@pytest.mark.parametrize("hertz", [220, 1234])
def test_pitch_scales_the_frequency_and_keeps_duration_and_level(ratio, hertz):
    x = tone(hertz)
    shifted = augment.shift_pitch(x, ratio)
    assert shifted.shape == x.shape
    assert abs(peak_hertz(shifted) / (hertz * ratio) - 1) < 0.005
    assert abs(power_db(shifted) - power_db(x)) < 0.01


def test_pitch_bears_silence_and_few_samples():
    assert not augment.shift_pitch(torch.zeros(2, RATE), Fraction(9, 8)).any()
    assert augment.shift_pitch(noise()[:, :50], Fraction(8, 9)).isfinite().all()


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(2000, 10000), min_size=4, max_size=4))
def test_bandwidth_empties_the_bands_above_and_keeps_those_below(cutoffs):
    x, cutoff = noise(), torch.tensor(cutoffs)
    limited = augment.limit_bandwidth(x, cutoff, RATE)
    for i, hertz in enumerate(cutoffs):
        y, clean = limited[i : i + 1], x[i : i + 1]
        assert band_db(y, 1.02 * hertz, RATE) - band_db(y, 0, RATE) < -80
        below = augment.ROLL_OFF * hertz
        assert abs(band_db(y, 0, below) - band_db(clean, 0, below)) < 0.01


def test_bandwidth_from_half_the_rate_on_changes_nothing():
    x = noise()
    limited = augment.limit_bandwidth(x, torch.tensor([RATE / 2, RATE, 1e5, float("inf")]), RATE)
    torch.testing.assert_close(limited, x)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(0, 60), min_size=4, max_size=4), st.integers(0, 2**32))
def test_noise_is_as_far_below_the_sound_as_asked_for(ratios, seed):
    x = noise()
    added = augment.add_noise(x, torch.tensor(ratios), generator(seed)) - x
    torch.testing.assert_close(power_db(x) - power_db(added), torch.tensor(ratios).double(), atol=0.1, rtol=0)


def test_noise_leaves_silence_silent_and_an_infinite_ratio_adds_none():
    assert not augment.add_noise(torch.zeros(1, 100), torch.tensor([10.0]), generator()).any()
    x = noise(1)
    assert torch.equal(augment.add_noise(x, torch.tensor([float("inf")]), generator()), x)


@pytest.mark.parametrize("name", augment.AUGMENTATIONS)
def test_examples_of_a_batch_get_values_of_their_own_from_the_generator_alone(name):
    x = noise(1).expand(64, -1)
    once, again, other = (augment.augment(x, [name], RATE, generator(seed)) for seed in (3, 3, 4))
    torch.manual_seed(1)
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert len({tuple(row[:400].tolist()) for row in once}) >= (5 if name in ("speed", "pitch") else 16)
    same = [torch.allclose(row, x[0, : len(row)], atol=1e-5) for row in once]
    assert 0.05 < sum(same) / len(same) < 0.75
    assert once.shape[1] == int(x.shape[1] / augment.reach([name]))


def test_drawn_cutoffs_and_levels_stay_in_their_range():
    x = noise(1).expand(256, -1)
    limited = augment.draw_bandwidth(x, RATE, generator())
    lowest = 10 * torch.tensor(0.9 * augment.LOWEST_CUTOFF / (RATE / 2)).log10()
    assert (power_db(limited) - power_db(x) > lowest).all()
    assert (power_db(limited) - power_db(x)).min() < lowest + 1
    changed = power_db(augment.draw_level(x, RATE, generator())) - power_db(x)
    assert changed.min() < -9
    assert changed.max() > 3
    assert (changed >= -12.01).all()
    assert (changed <= 6.01).all()


def test_they_apply_in_the_order_of_the_names():
    x = noise()
    orders = ["noise", "bandwidth"], ["bandwidth", "noise"]
    one, other = (augment.augment(x, names, RATE, generator()) for names in orders)
    assert not torch.allclose(one, other)


def test_params_know_the_augmentations():
    assert get_args(get_args(Train.model_fields["augment"].annotation)[0]) == tuple(augment.AUGMENTATIONS)


def test_an_unknown_augmentation_is_refused_with_the_known_ones():
    with pytest.raises(ParamsError, match=r"a: train\.augment\.0: .*'speed', 'pitch', 'bandwidth', 'level' or 'noise'"):
        _train("a", {}, {"augment": ["reverb"]})
