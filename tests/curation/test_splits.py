"""No artist, album or copy on two sides: on random collections, at once and in several steps."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.curation import splits
from ostinato.curation.splits import SplitPlan
from ostinato.errors import DataError, ParamsError
from ostinato.expectations import parts

COLUMNS = ["ordinal", "track_id", "genre", "tags", "artist", "album", "content_hash", "split"]


def collection(rows):
    """Build a tracks table of (genre, artist, album, hash) rows."""
    records = [(i, f"t{i}", g, [], a, b, c or f"own{i}", None) for i, (g, a, b, c) in enumerate(rows)]
    return pd.DataFrame(records, columns=COLUMNS)


def make_collection(n_genres=4, artists=9, each=3):
    return collection(
        [
            (f"g{g}", f"g{g} artist {a}", None, None)
            for g in range(n_genres)
            for a in range(artists)
            for _ in range(each)
        ]
    )


def leaks(tracks, drawn):
    """Count the artists, albums and copies that stand in two splits of one fold."""
    rows = drawn.merge(tracks, on="track_id", suffixes=("", "_official"))
    n = 0
    for by in (["artist"], ["artist", "album"], ["content_hash"], ["group"]):
        sides = rows.dropna(subset=by).groupby(["fold", *by])["split"].nunique()
        n += int((sides > 1).sum())
    unknown = rows[rows["artist"].isna() & rows["album"].notna()]
    return n + int((unknown.groupby(["fold", "album"])["split"].nunique() > 1).sum())


maybe = lambda values: st.one_of(st.none(), st.sampled_from(values))  # noqa: E731
row = st.tuples(st.sampled_from("abc"), maybe("ABCDEFGH"), maybe("xyz"), maybe("123456"))
plans = st.builds(
    SplitPlan,
    folds=st.sampled_from([0, 3, 5]),
    scarce=st.sampled_from(["train", "test"]),
    seed=st.integers(0, 99),
)


@given(st.lists(st.lists(row, min_size=1, max_size=25), min_size=1, max_size=4), plans)
@settings(max_examples=80, deadline=None)
def test_nothing_leaks_and_nothing_moves_however_a_collection_grows(steps, plan):
    old, so_far = None, []
    for step in steps:
        so_far += step
        tracks = collection(so_far)
        drawn = splits.assign_splits(tracks, plan, old)
        assert leaks(tracks, drawn.splits) == 0
        assert set(drawn.splits["track_id"]) | set(drawn.excluded) == set(tracks["track_id"])
        assert not set(drawn.splits["track_id"]) & set(drawn.excluded)
        if old is None:
            assert not drawn.excluded
        else:
            stays = old.merge(drawn.splits, on=["track_id", "fold"], suffixes=("_old", ""))
            assert len(stays) == len(old)
            assert (stays["split"] == stays["split_old"]).all()
        if plan.folds:
            tests = drawn.splits[drawn.splits["split"] == "test"]["track_id"]
            assert not tests.duplicated().any()
        old = drawn.splits


@given(st.lists(row, min_size=1, max_size=40), plans, st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_the_order_of_rows_does_not_matter(rows, plan, random):
    tracks = collection(rows)
    shuffled = tracks.iloc[random.sample(range(len(tracks)), len(tracks))]
    pd.testing.assert_frame_equal(
        splits.assign_splits(tracks, plan).splits, splits.assign_splits(shuffled, plan).splits
    )


@given(st.lists(row, min_size=1, max_size=40), plans)
@settings(max_examples=25, deadline=None)
def test_an_evaluable_genre_is_trained_wherever_it_is_tested(rows, plan):
    tracks = collection(rows)
    drawn = splits.assign_splits(tracks, plan).splits.merge(tracks[["track_id", "genre"]], on="track_id")
    for genre, mine in drawn.groupby("genre"):
        tested = set(mine["fold"][mine["split"] == "test"])
        trained = set(mine["fold"][mine["split"] == "train"])
        assert mine["evaluable"].all() == (bool(tested) and tested <= trained), genre
        assert mine["evaluable"].nunique() == 1


def test_test_parts_tile_the_set_with_equal_shares():
    tracks = make_collection()
    drawn = splits.assign_splits(tracks, SplitPlan(folds=3)).splits
    shares = drawn.merge(tracks[["track_id", "genre"]]).groupby(["fold", "split", "genre"]).size()
    assert (shares == 9).all()
    assert len(shares) == 3 * 3 * 4
    assert sorted(drawn[drawn["split"] == "test"]["track_id"]) == sorted(tracks["track_id"])


def test_a_holdout_keeps_its_shares_in_every_genre():
    tracks = make_collection(artists=20, each=2)
    drawn = splits.assign_splits(tracks, SplitPlan(validation=0.1, test=0.25)).splits.merge(
        tracks[["track_id", "genre"]]
    )
    counts = pd.crosstab(drawn["genre"], drawn["split"])
    assert (counts["validation"] == 4).all()
    assert (counts["test"] == 10).all()


@pytest.mark.parametrize("folds", [0, 3])
def test_three_artists_of_equal_size_are_enough_to_judge_a_genre(folds):
    drawn = splits.assign_splits(make_collection(n_genres=2, artists=3, each=10), SplitPlan(folds=folds)).splits
    assert set(drawn["split"]) == {"train", "validation", "test"}
    assert (drawn.groupby(["fold", "split"]).size() == 20).all()
    assert drawn["evaluable"].all()


def test_greedy_beats_chance_on_artists_of_unequal_size(rng):
    sizes = rng.geometric(0.2, size=60)
    tracks = collection([(f"g{a % 5}", f"artist {a}", None, None) for a, n in enumerate(sizes) for _ in range(n)])
    drawn = splits.assign_splits(tracks, SplitPlan(folds=5)).splits
    rows = drawn[drawn["split"] == "test"].merge(tracks[["track_id", "genre"]])
    ours = np.abs(pd.crosstab(rows["genre"], rows["fold"], normalize="index").to_numpy() - 0.2).mean()
    by_chance = []
    for _ in range(20):
        fold = np.repeat(rng.integers(5, size=60), sizes)
        by_chance.append(np.abs(pd.crosstab(tracks["genre"], fold, normalize="index").to_numpy() - 0.2).mean())
    assert ours < min(by_chance) / 1.5


def draw_collection(rng):
    """Artists of unequal size, each with a genre, a decade and a place drawn apart."""
    tracks = collection(
        [(f"g{a % 4}", f"artist {a}", None, None) for a in range(80) for _ in range(rng.integers(1, 9))]
    )
    of = tracks["artist"].str.split().str[1].astype(int)
    known = {"year": rng.choice([1965.0, 1975.0, 1985.0, 1995.0, np.nan], 80)}
    known |= {"latitude": rng.choice([-40.0, 10.0, 50.0], 80), "longitude": rng.choice([-100.0, 10.0, 130.0], 80)}
    return tracks.assign(**{name: values[of] for name, values in known.items()})


@pytest.mark.parametrize("folds", [0, 5])
def test_decades_and_places_are_evened_out_beside_genres(rng, folds):
    worst = {balance: [] for balance in ((), ("decade", "place"))}
    for _ in range(5):
        tracks = draw_collection(rng)
        for balance, found in worst.items():
            drawn = splits.assign_splits(tracks, SplitPlan(folds=folds, balance=balance)).splits
            assert leaks(tracks, drawn) == 0
            measured = parts.prepare(tracks, drawn, ("decade", "place"))
            small = measured[measured["split"] != "train"]
            found.append(small[["class_deviation", "decade_deviation", "place_deviation"]].mean())
    plainly, evenly = (pd.DataFrame(found).mean() for found in worst.values())
    assert evenly["decade_deviation"] < plainly["decade_deviation"] / 1.5
    assert evenly["place_deviation"] < plainly["place_deviation"] / 1.5
    assert evenly["class_deviation"] < plainly["class_deviation"] + 0.1


def test_what_is_unknown_is_no_stratum():
    tracks = make_collection().assign(year=np.nan)
    evenly = splits.assign_splits(tracks, SplitPlan(balance=("decade", "place"))).splits
    pd.testing.assert_frame_equal(evenly, splits.assign_splits(tracks, SplitPlan()).splits)


def test_another_seed_is_another_split_and_the_same_the_same():
    one, same, other = (splits.assign_splits(make_collection(), SplitPlan(seed=s)).splits for s in (1, 1, 2))
    pd.testing.assert_frame_equal(one, same)
    assert (one["split"] != other["split"]).any()


@pytest.mark.parametrize("folds", [0, 5])
def test_a_genre_of_two_artists_stays_in_training(folds):
    scarce = [("rare", f"rare {a}", None, None) for a in range(2) for _ in range(5)]
    tracks = collection(
        [*scarce, *make_collection()[["genre", "artist", "album", "content_hash"]].itertuples(index=False)]
    )
    drawn = splits.assign_splits(tracks, SplitPlan(folds=folds)).splits.merge(tracks[["track_id", "genre"]])
    rare = drawn[drawn["genre"] == "rare"]
    assert set(rare["split"]) == {"train"}
    assert not rare["evaluable"].any()
    assert drawn["evaluable"][drawn["genre"] != "rare"].all()


def test_a_scarce_genre_may_be_tested_below_a_ceiling():
    single = [("rare", "the only one", None, None)] * 4
    rows = [
        *single,
        *make_collection(n_genres=2, artists=6, each=1)[["genre", "artist", "album", "content_hash"]].to_numpy(),
    ]
    tracks = collection(rows)
    plan = SplitPlan(folds=3, scarce="test")
    drawn = splits.assign_splits(tracks, plan).splits
    tested = drawn[drawn["split"] == "test"]
    assert len(tested) == 16
    said = splits.describe(tracks, drawn, splits.make_title(plan, tracks), 1)
    assert said["ceiling"] == 0.75
    assert said["not_evaluable"] == ["rare"]
    assert (said["n_tracks"], said["n_evaluable"]) == (16, 12)


def test_by_track_only_copies_are_kept_together():
    tracks = collection([("a", "same", "same", f"copy{i // 2}") for i in range(40)])
    drawn = splits.assign_splits(tracks, SplitPlan(group_by="track")).splits
    assert set(drawn["split"]) == {"train", "validation", "test"}
    rows = drawn.merge(tracks[["track_id", "content_hash"]])
    assert (rows.groupby("content_hash")["split"].nunique() == 1).all()
    assert splits.make_title(SplitPlan(group_by="track"), tracks) == "holdout by track (artists leak)"


def test_names_say_when_artists_are_unknown():
    assert splits.make_title(SplitPlan(folds=5), make_collection()) == "5 folds by artist"
    assert (
        splits.make_title(SplitPlan(compilations="apart"), make_collection()) == "holdout by artist (compilations leak)"
    )
    assert (
        splits.make_title(SplitPlan(), make_collection().assign(artist=None)) == "holdout by artist (artists unknown)"
    )


def test_a_newcomer_that_ties_two_parts_is_left_out_and_named():
    tracks = make_collection(n_genres=1, artists=3, each=1)
    old = splits.assign_splits(tracks, SplitPlan()).splits
    assert old["split"].nunique() == 3
    bridge = tracks.iloc[[0]].assign(ordinal=9, track_id="bridge", artist="g0 artist 1")
    follower = tracks.iloc[[2]].assign(ordinal=10, track_id="follower", content_hash="new")
    grown = pd.concat([tracks, bridge, follower])
    drawn = splits.assign_splits(grown, SplitPlan(), old)
    assert list(drawn.excluded) == ["bridge"]
    assert "different parts" in drawn.excluded["bridge"]
    assert leaks(grown, drawn.splits) == 0
    assert drawn.splits.set_index("track_id")["split"]["follower"] == old.set_index("track_id")["split"]["t2"]


def test_an_artist_corrected_later_cannot_leak_either():
    tracks = make_collection(n_genres=1, artists=3, each=2).assign(artist=None)
    old = splits.assign_splits(tracks, SplitPlan()).splits
    known = make_collection(n_genres=1, artists=3, each=2).assign(artist=["one"] * 6)
    drawn = splits.assign_splits(known, SplitPlan(), old)
    assert leaks(known, drawn.splits) == 0
    assert drawn.splits["split"].nunique() == 1
    assert drawn.excluded


def test_a_genre_that_grows_becomes_evaluable():
    two = collection(
        [("rare", f"rare {a}", None, None) for a in range(2)] + [("b", f"b{a}", None, None) for a in range(6)]
    )
    old = splits.assign_splits(two, SplitPlan(folds=3)).splits
    more = pd.concat([two, two.iloc[[0]].assign(ordinal=99, track_id="t99", artist="rare 9", content_hash="own99")])
    drawn = splits.assign_splits(more, SplitPlan(folds=3), old).splits.set_index("track_id")
    assert not old.set_index("track_id").loc["t0", "evaluable"].any()
    assert set(drawn.loc["t0", "split"]) == {"train"}
    assert set(drawn.loc["t99", "split"]) == {"train", "validation", "test"}
    assert drawn.loc["t99", "evaluable"].all()


def test_tags_are_stratified_where_there_is_no_genre():
    tracks = make_collection(n_genres=1, artists=40, each=1).assign(genre=None)
    tracks["tags"] = [["loud", "fast"] if i % 4 == 0 else ["slow"] for i in range(40)]
    drawn = splits.assign_splits(tracks, SplitPlan(folds=5)).splits
    tested = drawn[drawn["split"] == "test"].merge(tracks[["track_id", "tags"]]).explode("tags")
    assert (pd.crosstab(tested["tags"], tested["fold"]).loc[["loud", "fast"]] == 2).all(axis=None)
    assert drawn["evaluable"].all()
    said = splits.describe(tracks, drawn, "x", 11)
    assert (said["genre"], said["tags"]) == ([], ["slow"])


def test_the_hash_follows_the_split_alone():
    tracks = make_collection()
    drawn = splits.assign_splits(tracks, SplitPlan()).splits
    one = splits.describe(tracks, drawn, "x", 1)["hash"]
    assert splits.describe(tracks.assign(genre="other"), drawn, "y", 2)["hash"] == one
    moved = drawn.assign(split=["train" if i == 0 else s for i, s in enumerate(drawn["split"])])
    other = drawn.assign(split=["test" if i == 0 else s for i, s in enumerate(drawn["split"])])
    assert (
        len({one, splits.describe(tracks, moved, "x", 1)["hash"], splits.describe(tracks, other, "x", 1)["hash"]}) == 2
    )


def test_an_official_split_is_taken_as_it_is_and_its_leaks_counted():
    tracks = make_collection(n_genres=1, artists=4, each=1)
    tracks["split"] = ["train", "validation", "test", None]
    rows, n_leaks = splits.use_official(tracks, splits.SplitPlan())
    assert rows["split"].tolist() == ["train", "validation", "test"]
    assert n_leaks == 0
    _, n_leaks = splits.use_official(tracks.assign(artist="the same"), splits.SplitPlan())
    assert n_leaks == 1
    with pytest.raises(DataError, match="no track is in validation"):
        splits.use_official(tracks[tracks["split"] != "validation"], splits.SplitPlan())


def test_plans_that_leave_nothing_to_train_on_are_refused():
    with pytest.raises(ParamsError, match=r"split\.folds"):
        SplitPlan(folds=2)
    with pytest.raises(ParamsError, match=r"split\.validation"):
        SplitPlan(validation=0.5, test=0.5)
