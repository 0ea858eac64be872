"""Copies: found through what a copy may have gone through, and only they."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from memory import trace_peak
from ostinato.audio.fingerprint import HOP, SAMPLE_RATE, SECONDS, Fingerprinter
from ostinato.curation import duplicates


def tune(seed, seconds=12.0, start=0.0):
    """Play notes that come every quarter of a second, from a second of the tune on."""
    rng = np.random.default_rng(seed)
    t = np.arange(int((start + seconds) * SAMPLE_RATE)) / SAMPLE_RATE
    y = np.zeros(len(t))
    for onset in np.arange(0, start + seconds, 0.25):
        live = np.exp(-4 * np.clip(t - onset, 0, None)) * (t >= onset)
        y += live * np.sin(2 * np.pi * rng.uniform(300, 1_900) * t) * rng.uniform(0.3, 1)
    return (0.2 * y[int(start * SAMPLE_RATE) :]).astype(np.float32)


def compute_fingerprint(y, block=7_000):
    prints = Fingerprinter()
    for at in range(0, len(y), block):
        prints.add(y[at : at + block])
    return prints.value()


def table(**sounds):
    rows = [
        (name, hashlib.sha256(y.tobytes()).hexdigest(), compute_fingerprint(y).tobytes()) for name, y in sounds.items()
    ]
    return pd.DataFrame(rows, columns=["track_id", "audio_hash", "fingerprint"])


def test_a_fingerprint_does_not_depend_on_blocks_or_level():
    y = tune(1)
    np.testing.assert_array_equal(compute_fingerprint(y), compute_fingerprint(y, block=311))
    np.testing.assert_array_equal(compute_fingerprint(y), compute_fingerprint(y / 8))
    assert len(compute_fingerprint(y)) == (len(y) - 2_048) // HOP + 1


def test_silence_and_less_than_a_frame_say_nothing():
    assert not compute_fingerprint(np.zeros(9_000, np.float32)).any()
    assert len(compute_fingerprint(tune(1)[:2_000])) == 0


def test_two_recordings_differ_in_half_of_their_bits():
    a, b = compute_fingerprint(tune(1)), compute_fingerprint(tune(2))
    assert np.bitwise_count(a ^ b).mean() / 32 == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("start", [0.5, 1.2345, 3.0, 5.0])
def test_a_copy_that_starts_later_is_found_with_its_shift(start):
    (match,) = duplicates.find_matches(
        [compute_fingerprint(tune(3)), compute_fingerprint(tune(4)), compute_fingerprint(tune(4, 12.0, start))]
    )
    assert (match.first, match.second) == (1, 2)
    assert match.shift * SECONDS == pytest.approx(start, abs=2 * SECONDS)


def test_exact_and_near_copies_point_to_the_first_of_their_recording(rng):
    a, noise = tune(5), rng.normal(0, 2e-3, len(tune(5))).astype(np.float32)
    files = table(a=a, b=tune(6), c=a.copy(), d=a + noise, e=0.3 * a[5_000:])
    files.loc[len(files)] = ["broken", None, None]
    found = duplicates.find(files).set_index("track_id")
    assert found["copy_of"].to_dict() == {"c": "a", "d": "a", "e": "a"}
    assert found["kind"].to_dict() == {"c": "exact", "d": "near", "e": "near"}
    assert found.loc["c", "evidence"] == "the samples of a"
    assert found.loc["e", "evidence"].startswith("starts +1.0 s into a;")


def test_a_recording_known_only_through_a_copy_of_its_copy_is_one_group():
    files = table(a=tune(7, 8.0), b=tune(7, 10.0, 4.0), c=tune(7, 8.0, 8.0))
    assert duplicates.find(files)["copy_of"].tolist() == ["a", "a"]


def test_no_track_and_no_copy_give_an_empty_table():
    assert duplicates.find(table(a=tune(8), b=tune(9))).empty
    assert duplicates.find(table(a=tune(8)).iloc[:0]).empty
    assert duplicates.find_matches([np.zeros(0, np.uint32), np.zeros(400, np.uint32)]) == []


def test_what_many_recordings_share_is_no_evidence(rng):
    common = rng.integers(1, 2**32, 20, dtype=np.uint32)
    prints = [
        np.concatenate([common, rng.integers(1, 2**32, 200, dtype=np.uint32)]) for _ in range(duplicates.MAX_RUN + 1)
    ]
    assert duplicates.find_matches(prints) == []


def test_a_copy_is_found_among_many_tracks(rng):
    """The number of a pair and its shift together need more than 64 bits from 46,341 tracks on if shifts take 32."""
    others = list(rng.integers(1, 2**32, (47_000, 1), dtype=np.uint32))
    recording = rng.integers(1, 2**32, 100, dtype=np.uint32)
    (match,) = duplicates.find_matches([*others, recording, recording[7:]])
    assert (match.first, match.second, match.shift) == (47_000, 47_001, 7)


def test_matches_do_not_depend_on_how_much_is_looked_at_at_once(monkeypatch, rng):
    recordings = [rng.integers(1, 2**32, 120, dtype=np.uint32) for _ in range(12)]
    prints = [
        *recordings,
        *(r[i:] for i, r in enumerate(recordings)),
        *(r[2 * i : 90] for i, r in enumerate(recordings)),
    ]
    whole = duplicates.find_matches(prints)
    assert len(whole) == 36 - sum(2 * i > 24 for i in range(12))
    monkeypatch.setattr(duplicates, "VALUES", 100)
    monkeypatch.setattr(duplicates, "COLLISIONS", 100)
    assert duplicates.find_matches(prints) == whole


def find_colliding_tracks(prints):
    duplicates.VALUES, duplicates.COLLISIONS = 1 << 13, 1 << 16
    duplicates.find_matches(prints)


def test_memory_does_not_grow_with_the_collisions(rng):
    """All tracks are drawn from few values, so that nearly all collide."""
    prints = list(rng.integers(1, 1_500, (150, 300), dtype=np.uint32) << 16)
    assert trace_peak(find_colliding_tracks, prints) < 15e6
