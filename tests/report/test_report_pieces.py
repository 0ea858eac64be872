"""Pieces of the page: computed once for their data and code, and never a wrong one."""

import importlib
import sys

import numpy as np
import pandas as pd
import pytest

from ostinato.core import code_hash
from ostinato.report import pictures, pieces, plots

MODULE = """from ostinato.report.pieces import cache_piece

@cache_piece
def draw(values):
    return f'{factor} {values}'
"""


@pytest.fixture
def count(monkeypatch):
    """Count what is drawn."""
    drawn, real = [], plots.render_svg
    for module in (plots, pictures):
        monkeypatch.setattr(module, "render_svg", lambda *given: drawn.append(given) or real(*given))
    return drawn


def test_a_picture_is_drawn_once_for_its_data_and_removed_when_no_page_shows_it(tmp_path, count):
    values = np.arange(9.0)
    with pieces.cache_pieces(tmp_path):
        first = plots.plot_histogram(values, "s")
    with pieces.cache_pieces(tmp_path):
        assert plots.plot_histogram(values.copy(), "s") == first
    assert len(count) == 1
    with pieces.cache_pieces(tmp_path):
        assert plots.plot_histogram(values + 1, "s") != first
    assert len(count) == 2
    assert len(list(tmp_path.iterdir())) == 1
    assert plots.plot_histogram(values, "s") == first  # outside nothing is read or written
    assert len(count) == 3


def test_the_order_of_candidates_is_part_of_a_picture(tmp_path, count):
    curve = pd.DataFrame({"epoch": [1, 2], "val_loss": [1.0, 0.5], "val_score": [0.1, 0.2]})
    named = {"a": curve, "b": curve + 1}
    with pieces.cache_pieces(tmp_path):
        plots.plot_curves(named, ["a"])
        plots.plot_curves(dict(reversed(named.items())), ["a"])
        plots.plot_curves(named, ["a"], legend=True)
        plots.plot_curves(named, ["b"])
    assert len(count) == 4


def test_other_code_or_another_version_of_a_library_draws_anew(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    (tmp_path / "code").mkdir()

    def draw(factor):
        (tmp_path / "code" / "pieces_probe.py").write_text(MODULE.replace("{factor}", str(factor)))
        sys.modules.pop("pieces_probe", None)
        importlib.invalidate_caches()
        code_hash.parse.cache_clear()
        pieces._hash_code.cache_clear()
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        try:
            with pieces.cache_pieces(tmp_path / "pieces"):
                return importlib.import_module("pieces_probe").draw((1, 2))
        finally:
            sys.dont_write_bytecode = before

    assert draw(1) == "1 (1, 2)"
    assert draw(2) == "2 (1, 2)"
    before = pieces._hash_code("ostinato.report.plots")
    pieces._hash_code.cache_clear()
    monkeypatch.setattr(pieces, "version", lambda name: "0")
    assert pieces._hash_code("ostinato.report.plots") != before


def test_the_key_holds_the_code_of_modules_that_a_module_imports(monkeypatch):
    read, real = [], code_hash.parse
    pieces._hash_code.cache_clear()
    monkeypatch.setattr(code_hash, "parse", lambda name: read.append(name) or real(name))
    pieces._hash_code("ostinato.report.pictures")
    assert {"ostinato.report.pictures", "ostinato.report.plots"} <= set(read)


def test_an_array_comes_back_as_it_was(tmp_path):
    def place(values):
        calls.append(values)
        return values / 3

    calls = []
    cache_piece = pieces.cache_piece(place)
    for _ in range(2):
        with pieces.cache_pieces(tmp_path):
            placed = cache_piece(np.arange(6.0).reshape(3, 2))
    np.testing.assert_array_equal(placed, np.arange(6.0).reshape(3, 2) / 3)
    assert placed.dtype == np.float64
    assert len(calls) == 1
