"""The report: one self-contained page that shows every candidate, and tables for `dvc plots`."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from ostinato.core import registry
from ostinato.io import tables
from ostinato.io.files import write_json
from ostinato.release.release import release
from ostinato.report import pictures, plots
from ostinato.report.page import ORDER


class Page(HTMLParser):
    """Collect text, tags and what a browser would fetch; unbalanced tags raise."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open, self.fetched, self.rows, self.tags = [], [], [], set()
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in ("meta", "wbr"):
            self.open.append(tag)
        self.fetched += [
            v
            for k, v in attributes
            if k in ("src", "href", "xlink:href") and not v.startswith(("#", "data:image/png;"))
        ]
        if tag == "tr":
            self.rows.append("")

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "tr" in self.open:
            self.rows[-1] += f" {data.strip()}"


def with_figures(project):
    project.make_candidates(good=0.7, poor=0.1, tagger=0.6, svm=0.5)
    project.watch("good", n_folds=2)
    project.watch("poor")
    project.quarantine(too_short=2, silent=1)


@pytest.fixture
def full_project(copy_prepared, tmp_path):
    """Return a project with networks, tags, an estimator, and a stack that was skipped."""
    return copy_prepared(tmp_path, with_figures)


def test_the_page_is_whole_and_needs_no_other_file(full_project):
    page = Page(full_project.report())
    assert page.fetched == []
    assert "script" not in page.tags
    assert {"table", "svg", "main", "h1"} <= page.tags


def test_a_second_page_of_the_same_figures_draws_nothing_and_is_the_same(full_project, monkeypatch):
    first = full_project.report()

    def refuse(*given):
        raise AssertionError("a picture was drawn")

    for module in (plots, pictures):
        monkeypatch.setattr(module, "render_svg", refuse)
    assert full_project.report() == first


def test_every_section_has_its_place_on_the_page_and_in_its_navigation(full_project):
    html = full_project.report()
    assert sorted(ORDER) == list(registry.names("ostinato.report.sections"))
    shown = [name for name in ORDER if f'<div id="{name}">' in html]
    navigation = html[html.index("<nav") : html.index("</nav>")]
    assert re.findall(r'<a href="#(\w+)">', navigation) == re.findall(r'<div id="(\w+)">', html) == shown
    assert {"verdict", "leaderboard", "classes", "curves", "data"} <= set(shown)
    assert "tuning" not in shown  # nothing was tuned here


def test_candidates_stand_in_the_order_of_the_leading_metric_with_their_figures(full_project):
    html = full_project.report()
    rows = [r for r in Page(html).rows if re.search(r"accepted|rejected|skipped", r)]
    assert [r.split()[0] for r in rows] == ["good", "svm", "poor", "stack", "tagger"]
    value = full_project.evaluate("good")["test"]["f1_micro"]["value"]
    assert f"accepted {value:.3f}" in re.sub(r"\s+", " ", rows[0])
    assert "rejected" in rows[2]
    assert "the dataset has no lyrics" in rows[3]
    assert 'class="skipped"' in html


def test_the_best_figure_of_a_column_is_bold_whichever_way_is_better(full_project):
    html = full_project.report()
    best = {m: full_project.evaluate("good")["test"][m]["value"] for m in ("map_macro", "hamming_loss")}
    worse = full_project.evaluate("poor")["test"]
    for metric, value in best.items():
        assert f"<b>{value:.3f}</b>" in html
        assert f"<b>{worse[metric]['value']:.3f}</b>" not in html


def test_scarce_classes_and_the_ceiling_are_stated(full_project):
    full_project.tables(folds=4, not_evaluable=6)
    full_project.make_candidates(good=0.7, tagger=0.6)
    text = re.sub(r"\s+", " ", full_project.report())
    assert "30 of 120 tracks cannot be evaluated" in text
    assert "no candidate can exceed 0.75" in text


def test_quarantine_reasons_are_counted(full_project):
    rows = [re.sub(r"\s+", " ", r).strip() for r in Page(full_project.report()).rows]
    assert "silent 1 such as silent0.wav" in rows
    assert "too short 2 such as too_short0.wav" in rows


def test_a_heading_keeps_the_case_of_its_words(full_project):
    full_project.quarantine(**{"NaN or infinite samples": 1, "silent": 1})
    html = full_project.report()
    assert "<h3>NaN or infinite samples</h3>" in html
    assert "<h3>Silent</h3>" in html


def test_what_was_warned_of_and_passed_over_is_named(full_project):
    warned = [("a", "a.flac", "less bandwidth than its sample rate promises", "bandwidth_share = 0.4")]
    tables.write(full_project.paths.warnings, pd.DataFrame(warned, columns=tables.QUARANTINE.names), tables.QUARANTINE)
    skipped = {"reason": "with the suffix .mid", "n": 3, "example": "x.mid"}
    write_json(full_project.paths.receipt("ingest"), {"passed_over": [skipped]})
    unnamed = {"reason": "files without a track", "column": "unnamed", "success": False, "n_broken": 7}
    unnamed["example"] = "jazz/a.wav"
    write_json(full_project.paths.receipt("tracks"), {"expectations": [unnamed, {**unnamed, "success": True}]})
    rows = [re.sub(r"\s+", " ", r).strip() for r in Page(full_project.report()).rows]
    assert "less bandwidth than its sample rate promises 1 such as a.flac" in rows
    assert "with the suffix .mid 3 such as x.mid" in rows
    assert rows.count("files without a track 7 such as jazz/a.wav") == 1


def test_names_cannot_inject_markup(full_project):
    full_project.quarantine(**{"<script>alert(1)</script>": 1})
    html = full_project.report()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_the_same_inputs_give_the_same_bytes(full_project):
    def files():
        full_project.report()
        return {
            p.relative_to(full_project.paths.report): p.read_bytes()
            for p in full_project.paths.report.rglob("*")
            if p.is_file()
        }

    first = files()
    assert files() == first
    assert not re.search(rb"20\d\d-\d\d-\d\d", first.pop(next(p for p in first if p.name == "index.html")))


def test_tables_for_plots_hold_the_figures(full_project):
    full_project.report()
    folder = full_project.paths.report / "plots"
    leaderboard = pd.read_csv(folder / "leaderboard.csv")
    assert leaderboard[["candidate", "metric"]].to_numpy().tolist() == [
        ["poor", "f1_micro"],
        ["svm", "f1_micro"],
        ["good", "f1_micro"],
        ["tagger", "map_macro"],
    ]
    board = pd.read_csv(folder / "metrics.csv").set_index(["candidate", "metric"])
    metrics = full_project.evaluate("good")
    assert board.loc[("good", "f1_micro"), "value"] == pytest.approx(metrics["test"]["f1_micro"]["value"], abs=1e-5)
    assert "stack" not in board.index.get_level_values(0)
    pairs = pd.read_csv(folder / "confusion" / "good.csv")
    classes = list(metrics["per_class"])
    counts = pd.crosstab(pairs["actual"], pairs["predicted"]).reindex(index=classes, columns=classes, fill_value=0)
    assert counts.to_numpy().tolist() == metrics["confusion"]
    assert not (folder / "confusion" / "tagger.csv").exists()
    assert (folder / "curves.svg").read_text().count(">good</text>") == 1


def test_curves_are_means_over_the_folds_that_reached_an_epoch():
    curve = pd.DataFrame(
        {
            "fold": ["0", "0", "1", "final"],
            "epoch": [0, 1, 0, 0],
            "train_loss": [2.0, 1.0, 4.0, 9.0],
            "val_loss": [2.0, 1.0, 4.0, np.nan],
            "val_score": [0.2, 0.6, 0.4, np.nan],
        }
    )
    mean = plots.mean_curve(curve)
    assert mean["val_score"].tolist() == pytest.approx([0.3, 0.6])
    assert mean["train_loss"].tolist() == pytest.approx([3.0, 1.0])


def test_only_the_best_curves_are_in_colour():
    curve = pd.DataFrame({"epoch": [0, 1], "train_loss": 1.0, "val_loss": [2.0, 1.0], "val_score": [0.1, 0.5]})
    every = {name: curve for name in "abcdefg"}
    svg = plots.plot_curves(every, ["c", "a"], legend=True)
    assert [name for name in every if f">{name}</text>" in svg] == ["a", "c"]
    drawn = {colour: svg.count(f"stroke: {colour}") for colour in (*plots.SERIES[:3],)}
    assert drawn == {plots.SERIES[0]: 3, plots.SERIES[1]: 3, plots.SERIES[2]: 0}  # two panels and the legend


def test_pictures_leave_no_fixed_colour_and_no_date_in_the_page():
    svg = plots.plot_histogram(np.arange(30.0), "duration (s)")
    assert "dc:date" not in svg
    assert plots.SERIES[0] in svg
    themed = plots.apply_theme(svg)
    assert not any(colour in themed for colour in (*plots.SERIES, plots.INK, plots.FAINT))
    assert themed.startswith("<svg")


def test_a_report_without_any_network_has_no_curves(project):
    project.make_candidates(svm=0.5)
    project.quarantine()
    html = project.report()
    assert 'id="curves"' not in html
    assert "No track was left out." in html


def test_what_a_removed_candidate_left_is_not_shown(full_project):
    full_project.report()
    del full_project.params.candidates["poor"]
    full_project.gate()
    full_project.report()
    assert "poor" not in (full_project.paths.report / "index.html").read_text()
    assert not (full_project.paths.report / "plots" / "confusion" / "poor.csv").exists()


def test_markdown_ranks_as_the_page_does(full_project):
    full_project.report()
    text = (full_project.paths.report / "report.md").read_text()
    genre = text.split("## tags")[0]
    rows = [line.split(" | ") for line in genre.splitlines() if line.startswith(("| good", "| svm", "| poor"))]
    assert [r[0] for r in rows] == ["| good", "| svm", "| poor"]
    figures = json.loads(full_project.paths.metrics("good").read_text())["test"]
    assert rows[0][1] == f"{figures['f1_micro']['value']:.4f}"
    assert rows[0][3] == "–"  # the leader has nobody to be compared with
    assert re.fullmatch(r"-0\.\d{4} \[-0\.\d{4}, [+-]0\.\d{4}\], p \S+", rows[2][3])
    assert rows[0][4] == f"{figures['calibration_error']['value']:.4f}"
    assert rows[2][6] == "not accepted |"


def test_every_candidate_is_compared_with_the_leader_and_with_what_is_released(full_project):
    full_project.report()
    table = pd.read_csv(full_project.paths.report / "plots" / "significance.csv")
    assert table[["candidate", "against", "name"]].to_numpy().tolist() == [
        ["svm", "leader", "good"],
        ["poor", "leader", "good"],
    ]
    value = {n: full_project.evaluate(n)["test"]["f1_micro"]["value"] for n in ("good", "poor")}
    poor = table.set_index("candidate").loc["poor"]
    assert poor["difference"] == pytest.approx(value["poor"] - value["good"], abs=1e-5)
    assert poor["low"] <= poor["difference"] <= poor["high"] < 0
    release(full_project.paths, full_project.params)
    html = full_project.report()
    assert "in service: good, version 1" in html
    assert "against the released" not in html  # the leader is what is released, so that one column says both
    assert "against good, version 1 |" in (full_project.paths.report / "report.md").read_text()
    again = pd.read_csv(full_project.paths.report / "plots" / "significance.csv").set_index(["candidate", "against"])
    assert again.loc[("good", "released"), ["difference", "low", "high", "p"]].tolist() == [0, 0, 0, 1]


def test_the_page_begins_with_what_serves_what_it_beats_and_what_was_rejected(full_project):
    figure = full_project.evaluate("good")["test"]["f1_micro"]
    text = re.sub(r"<[^>]+>|\s+", " ", full_project.report())
    first = re.sub(r" +", " ", text.split("In short")[2])  # after the style sheet, the navigation names it first
    assert "nothing was in service when this page was written" in first
    assert f"{figure['value']:.3f}" in first[:400]
    assert "f1_micro below 0.4: poor" in first
    assert "Rejected: 1 of 3" in first


def test_a_baseline_that_is_a_candidate_too_stands_once(full_project):
    rows = [r.split()[0] for r in Page(full_project.report()).rows if "class shares of the training tracks" in r]
    assert rows == ["majority", "majority"]  # of genre and of tags
    full_project.params.estimators["most"] = full_project.params.estimators["svm"].__class__(
        estimator="majority", feature="mfcc", task="genre"
    )
    full_project.make_candidates(good=0.7, poor=0.1, tagger=0.6, svm=0.5, most=0.2)
    rows = [r.split()[0] for r in Page(full_project.report()).rows if "class shares of the training tracks" in r]
    assert rows == ["majority"]


def test_the_papers_figure_stands_beside_ours(full_project):
    assert '<th scope="col" class="n">paper</th>' not in full_project.report()
    full_project.params.paper = {"good": {"f1_micro": 0.6543, "accuracy": 0.1}}
    (row,) = [r for r in Page(full_project.report()).rows if r.split()[0] == "good" and "accepted" in r]
    assert "0.654" in row.split()


def test_slices_show_the_best_candidates_side_by_side(full_project):
    html = full_project.report()
    first = html.index('<div id="slices">')
    section = html[first : html.index("</section>", first)]
    assert section.index("good") < section.index("svm") < section.index("poor")
    rock = next(s for s in full_project.evaluate("good")["slices"]["by"]["genre"] if s["slice"] == "rock")
    row = next(r for r in Page(html).rows if re.match(r"\s*rock\s+\d+\s+\d+\s+0\.", r))
    assert row.split()[1:4] == [str(rock["n_tracks"]), str(rock["n_groups"]), f"{rock['value']:.2f}"]


def test_cost_shows_what_export_wrote_and_how_long_training_went_on(full_project):
    full_project.watch("good", n_folds=3, n_epochs=29)
    full_project.export("good", multiply_adds=1_234_567, bytes=4321, tagger={"bytes": 9876})
    (row,) = [r for r in Page(full_project.report()).rows if "1,234,567" in r]
    assert row.split()[0] == "good"
    assert {"1,234", "87", "4,321", "9,876"} <= set(row.split())


def test_calibration_is_drawn_for_each_judged_candidate(full_project):
    html = full_project.report()
    temperature = json.loads(full_project.paths.metrics("good").read_text())["calibration"]["temperature"]
    assert html.count("Logits divided by") == 4
    assert f"Logits divided by {temperature:.2f}" in html


def test_a_study_shows_every_trial_with_few_digits(full_project):
    params = [{}, {"lr": 0.00123456789}, {"lr": 0.5}]
    values, states = [0.9, 0.44444444, None], ["complete", "complete", "pruned"]
    trials = [
        {"number": i, "params": p, "value": v, "epochs": 4 * i, "state": s}
        for i, (p, v, s) in enumerate(zip(params, values, states, strict=True))
    ]
    choice = {"network": {}, "train": params[1]}
    study = {"choice": choice, "value": values[1], "n_trials": 3, "importance": {"lr": 1.0}, "trials": trials}
    gain = {"mean": 0.123456, "low": 0.01, "high": 0.2, "n_tracks": 9, "n_groups": 3}
    full_project.paths.tuning_result("good").parent.mkdir(parents=True, exist_ok=True)
    full_project.paths.tuning_result("good").write_text(json.dumps({**choice, **study, "gain": gain}))
    lost = {"network": {}, "train": {}, **study, "gain": {**gain, "mean": -0.2, "low": -0.3}}
    full_project.paths.tuning_result("poor").write_text(json.dumps(lost))
    html = full_project.report()
    shown = html[html.index('<div id="tuning">') :]
    shown = shown[: shown.index("</section>")]
    rows = [re.sub(r"\s+", " ", row).strip() for row in Page(f"<main><details>{shown}</main>").rows]
    assert shown.count("<circle") == 4
    assert shown.count("<rect") == 2
    assert rows[1] == "good 3 0.444 lr 0.001235 lr 100 % 0.123 0.010 to 0.200 the choice"
    assert rows[2] == "poor 3 0.444 lr 0.001235 lr 100 % -0.200 -0.300 to 0.200 the defaults"
    assert rows[4:7] == [
        "0 the defaults – 0.900 complete",
        "1 lr 0.001235 4 0.444 complete",
        "2 lr 0.5 8 – pruned",
    ]


def test_regressions_stand_by_number_with_their_baseline_and_why_they_were_rejected(full_project):
    def figure(value):
        return {"value": value, "low": value - 0.1, "high": value + 0.1}

    metrics = {"r2": figure(0.3), "spearman": figure(0.5), "mae": figure(12.25), "mae_ratio": figure(0.9)}
    found = {
        "column": "popularity", "regressor": "ridge", "input": "feature mel", "test": metrics,
        "n_test": 1234, "n_unknown": 5,
        "baseline": {"r2": figure(-0.01), "mae": figure(13.75)}, "accepted": True,
        "reasons": ["sure_r2 0.2000 is at least 0"],
        "target": {"mean": 40.0, "deviation": 20.0, "min": 0.0, "max": 99.0},
    }  # fmt: skip
    poor = {**found, "accepted": False, "reasons": ["sure_r2 -0.1000 is below 0"]}
    skipped = {"column": "year", "regressor": "mlp", "input": "feature mel", "skipped": "the dataset has no audio"}
    results = {"loud": found, "poor": poor, "absent": skipped}
    assert '<div id="regressions">' not in full_project.report()
    write_json(full_project.paths.regressions, results)
    html = full_project.report()
    rows = [re.sub(r"\s+", " ", row).strip() for row in Page(html).rows]
    cells = "0.300 0.200 to 0.400 0.500 0.400 to 0.600 12.25 12.15 to 12.35 0.900 0.800 to 1.000 1,234 5 yes"
    assert f"loud feature mel {cells}" in rows
    assert "mean -0.010 -0.110 to 0.090 – 13.75 13.65 to 13.85 1" in rows
    assert "absent feature mel skipped: the dataset has no audio" in rows
    assert "poor was rejected: sure_r2 -0.1000 is below 0." in html
