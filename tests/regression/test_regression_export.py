"""The ONNX file of a regression gives its numbers, and the card says what it must not be used for."""

import json

import onnx
import pytest

from ostinato.errors import OstinatoError
from ostinato.export.graphs import session
from ostinato.regression.card import write_card
from ostinato.regression.export import convert
from ostinato.regression.fit import REGRESSORS, fit_all
from regression.planted import fit, judge, make_entry, plant

SETTINGS = {"ridge": 0.01, "huber": 0.01, "gradient_boosting": 12, "mlp": 3}


@pytest.mark.parametrize("regressor", list(REGRESSORS))
def test_the_file_gives_the_numbers_of_the_regression_with_its_metadata(regressor):
    inputs, number = plant(0, n_artists=40)
    fits = [fit_all(inputs, number, make_entry(regressor), "popular", 0, (SETTINGS[regressor],)) for _ in range(2)]
    content, again = (convert(fitted, inputs.x, float(number.std()), {"column": "popularity"}) for fitted in fits)
    assert content == again
    (numbers,) = session(content).run(["number"], {"features": inputs.x[:7]})
    assert numbers[:, 0] == pytest.approx(fits[0].predict(inputs.x[:7]), abs=1e-3)
    assert numbers.std() > 0.5
    (metadata,) = onnx.load_from_string(content).metadata_props
    assert json.loads(metadata.value) == {"column": "popularity"}


def test_a_file_that_differs_is_refused():
    inputs, number = plant(0, n_artists=40)
    fitted = fit_all(inputs, number, make_entry(), "popular", 0, (0.01,))
    before = fitted.predict
    fitted.predict = lambda x: before(x) + 1
    with pytest.raises(OstinatoError, match="differs from the regression by"):
        convert(fitted, inputs.x, float(number.std()), {})


def card_of(r2, n_artists=200):
    inputs, number = plant(1, r2=r2, n_artists=n_artists)
    test, baseline = judge(fit("ridge", inputs, number))
    sizes = {
        "n_tracks": 1000,
        "n_unknown": 12,
        "n_test": 200,
        "n_groups": 40,
        "target": dict.fromkeys(("mean", "deviation", "min", "max"), 1.0),
    }
    about = {"column": "popularity", "regressor": "ridge", "input": "feature mel"}
    return write_card("popular", about | sizes | {"test": test, "baseline": baseline}), test


def test_the_card_has_the_figures_and_what_the_regression_must_not_be_used_for():
    card, test = card_of(0.3)
    assert "## What it must not be used for" in card
    for misuse in ("Decisions about people", "Ranking or filtering recommendations", "worth of music"):
        assert misuse in card
    assert f"{test['r2']['value']:.4f} | {test['r2']['low']:.4f} to {test['r2']['high']:.4f}" in card
    assert "12 more have no number and were left out" in card
    assert "of the variance; the rest is not in its input" in card


def test_the_card_of_a_regression_without_skill_says_so():
    assert "not surely better than the mean" in card_of(0.0)[0]
    assert "next to nothing about a single track" in card_of(0.06, 600)[0]
