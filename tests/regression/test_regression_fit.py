"""A planted share of a number is found by every regressor, and nothing where there is nothing."""

import numpy as np
import pandas as pd
import pytest

from ostinato.errors import DataError, ParamsError
from ostinato.regression.fit import REGRESSORS, fit_all, fit_folds, make_regressor
from ostinato.regression.inputs import Inputs
from regression.planted import fit, judge, make_entry, plant


@pytest.mark.parametrize("regressor", ["ridge", "huber", "mlp"])
@pytest.mark.parametrize("folds", [1, 5])
def test_a_planted_share_of_the_variance_lies_in_the_interval(regressor, folds):
    figures, baseline = judge(fit(regressor, *plant(1, folds=folds)))
    assert figures["r2"]["low"] <= 0.3 <= figures["r2"]["high"]
    assert figures["sure_r2"]["value"] > 0.1
    assert figures["mae_ratio"]["high"] < 1
    assert figures["spearman"]["low"] > 0.3
    assert baseline["r2"]["value"] == 0
    assert baseline["spearman"]["value"] is None


def test_trees_find_most_of_what_a_line_finds():
    figures, _ = judge(fit("gradient_boosting", *plant(1, folds=5)))
    assert 0.15 < figures["r2"]["low"] < figures["r2"]["value"] < 0.3


@pytest.mark.parametrize("regressor", list(REGRESSORS))
def test_a_shuffled_number_leaves_an_interval_around_0(regressor):
    figures, _ = judge(fit(regressor, *plant(2, folds=5, shuffled=True)))
    assert figures["sure_r2"]["value"] <= 0
    assert figures["r2"]["high"] >= 0
    assert abs(figures["r2"]["value"]) < 0.02
    if figures["spearman"]["value"] is not None:
        assert figures["spearman"]["low"] <= 0 <= figures["spearman"]["high"]


@pytest.mark.parametrize("regressor", list(REGRESSORS))
def test_no_test_track_changes_the_fit(regressor):
    inputs, number = plant(3, n_artists=60)
    tested = inputs.table.loc[inputs.table["split"] == "test", "track_id"]
    before = fit(regressor, inputs, number).table
    changed = number.copy()
    changed[tested] = np.random.default_rng(0).normal(size=len(tested))
    after = fit(regressor, inputs, changed).table
    assert (before["prediction"] == after["prediction"]).all()
    assert (before["target"] != after["target"]).all()


@pytest.mark.parametrize("regressor", list(REGRESSORS))
def test_the_same_seed_gives_the_same_predictions(regressor):
    data = plant(4, n_artists=40)
    first, second = (fit(regressor, *data, seed=5).table for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_huber_is_moved_less_by_a_few_odd_numbers():
    inputs, number = plant(5, n_artists=100)
    odd = number.copy()
    trained = inputs.table.loc[inputs.table["split"] == "train", "track_id"]
    odd[trained.iloc[::25]] += 2000
    errors = {
        name: np.abs(fit(name, inputs, odd).table.eval("target - prediction")).mean() for name in ("ridge", "huber")
    }
    assert errors["huber"] < 0.5 * errors["ridge"]


def test_unknown_numbers_are_left_out_and_counted():
    inputs, number = plant(6, n_artists=60)
    number.iloc[::7] = np.nan
    predictions = fit("ridge", inputs, number)
    assert predictions.n_unknown == number.isna().sum() > 0
    assert predictions.table["target"].notna().all()
    assert not set(predictions.table["track_id"]) & set(number.index[number.isna()])


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_part_without_numbers_is_refused(part):
    inputs, number = plant(7, n_artists=20, folds=5)
    table = inputs.table
    number[table.loc[(table["fold"] == 2) & (table["split"] == part), "track_id"]] = np.nan
    with pytest.raises(
        DataError, match=r"no (train|validation|test) track of fold \d has popularity; fewer split.folds"
    ):
        fit("ridge", inputs, number)


def test_too_few_artists_are_refused():
    with pytest.raises(
        DataError, match=r"popularity are by 3 artists, and 4 are needed for an interval; fewer split.folds"
    ):
        fit("ridge", *plant(8, n_artists=15))


def test_a_number_that_is_constant_in_training_is_refused():
    inputs, number = plant(9, n_artists=20)
    number[inputs.table.loc[inputs.table["split"] == "train", "track_id"]] = 7.0
    with pytest.raises(DataError, match="popularity is 7 for all training tracks of fold 0"):
        fit("ridge", inputs, number)


@pytest.mark.parametrize("scale", [1.0, -250.0])
def test_a_number_among_its_own_inputs_is_refused_in_any_unit(scale):
    inputs, number = plant(10, n_artists=40)
    own = (scale * number.reindex(inputs.table["track_id"]).to_numpy() + 3)[:, np.newaxis]
    leaky = Inputs(inputs.table, np.hstack([inputs.x, own]).astype(np.float32), {})
    with pytest.raises(DataError, match="value 6 of mel is popularity itself"):
        fit("ridge", leaky, number)


def test_unknown_options_are_named():
    with pytest.raises(ParamsError, match=r"regressions.popular: options.hiden: .*did you mean 'hidden'"):
        make_regressor(make_entry("mlp", options={"hiden": 3}), "popular")


def test_the_final_fit_is_of_every_track_once():
    inputs, number = plant(11, n_artists=20, folds=5)
    entry = make_entry("ridge")
    settings = fit_folds(inputs, number, entry, "popular", 0).settings
    first = Inputs(inputs.table.query("fold == 0"), inputs.x[: len(number)], {})
    one, five = (fit_all(i, number, entry, "popular", 0, settings) for i in (first, inputs))
    assert one.predict(inputs.x) == pytest.approx(five.predict(inputs.x))
