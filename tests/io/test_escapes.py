"""Names of files, labels and titles that a terminal, a spreadsheet, a player or a browser would obey."""

import csv
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml

from ostinato.core.params import load
from ostinato.errors import ParamsError
from ostinato.expectations import _session
from ostinato.inference import formats, resume
from ostinato.io import delimited
from ostinato.recommendation.catalog import Catalog
from ostinato.recommendation.playlist import m3u
from ostinato.report.page import _environment

FORMULAS = ["=1+1.wav", "+1.wav", "-1.wav", "@a.wav", "'=1.wav", "plain.wav", "'tis.wav"]
MARKUP = "<svg onload=document.title='ran'></svg><a href='//elsewhere.example'>a</a><meta http-equiv=refresh content=9>"
BROWSER = next((b for b in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if b), None)


def answer(path, label="jazz"):
    scores = {label: 0.9, "rock": 0.1}
    return {
        "path": path,
        "task": "genre",
        "model": "a",
        "label": label,
        "unsure": False,
        "scores": scores,
        "reasons": [],
    }


@pytest.mark.parametrize("control", ["\x1b[2J", "\x9b2J", "\r", "\n", "\x07", "\u202e", "\u2028"])
def test_no_control_character_reaches_a_terminal(control):
    shown = [
        *formats.Text().lines(answer(f"a{control}b.wav", f"jazz{control}")),
        *formats.Text().lines({"path": f"a{control}b.wav", "error": f"broken {control}"}),
        *formats.Json().lines(answer(f"a{control}b.wav")),
    ]
    assert not any(control in line for line in shown)
    assert formats.Json().read(shown[-1]).path == f"a{control}b.wav"
    assert f"a\\u{ord(control[0]):04x}" in shown[0]


def test_an_error_obeys_nothing_that_a_name_holds(tmp_path):
    shutil.copyfile("params.yaml", tmp_path / "params.yaml")
    command = [sys.executable, "-m", "ostinato", "predict", "a\x1b]0;b\x07.wav"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stderr
    assert "\x1b" not in done.stderr + done.stdout
    assert "\x07" not in done.stderr + done.stdout


@pytest.mark.parametrize("name", FORMULAS)
def test_a_row_computes_nothing_and_is_read_back(name):
    (line,) = formats.Csv().lines(answer(name, "=jazz"))
    row = next(csv.reader([line]))
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)
    assert formats.Csv().read(line).path == name


def test_a_table_to_review_computes_nothing_and_is_read_back(tmp_path):
    doubtful = [answer(str(tmp_path / name), "-jazz") for name in FORMULAS]
    resume.write_review(tmp_path / "review.csv", [tmp_path], doubtful)
    cells = [cell for row in csv.reader((tmp_path / "review.csv").open(encoding="utf-8")) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    table = delimited.read_table(tmp_path / "review.csv")
    assert sorted(table["path"]) == sorted(FORMULAS)
    assert set(table["predicted_genre"]) == {"-jazz"}


def test_a_playlist_holds_one_line_per_line(tmp_path):
    known = [
        {"title": "a\r\n/etc/motd", "path": "a.wav"},
        {"title": "b", "path": "b\r\nc.wav"},
        {"title": "c\x1b[2J", "path": "#d.wav"},
    ]
    catalog = Catalog(["a", "b\nx", "c"], np.eye(3), known, version="0")
    assert m3u(catalog, ["a", "b\nx", "c"]).split("\n") == [
        "#EXTM3U",
        "#EXTINF:-1,a /etc/motd",
        "a.wav",
        "#EXTINF:-1,b",
        r"# b\u000ax: its file is unknown",
        r"#EXTINF:-1,c\u001b[2J",
        "./#d.wav",
        "",
    ]


@pytest.mark.parametrize("section", ["candidates", "estimators", "stacked", "members", "numbers", "features.kinds"])
@pytest.mark.parametrize("name", ["a; b", "$(a)", "-a", "a/b", "../a", "a b", "<b>", "a\nb", "", "a" * 101])
def test_a_name_in_params_is_a_name(tmp_path, section, name):
    """It becomes part of commands that a shell runs, of folders and of pages."""
    with open("params.yaml", encoding="utf-8") as file:
        given = yaml.safe_load(file)
    entries = given["features"]["kinds"] if section == "features.kinds" else given[section]
    entries[name] = next(iter(entries.values()))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(given))
    with pytest.raises(ParamsError, match=section.partition(".")[0] + r"(?s:.*) is not a name: use up to 100"):
        load(tmp_path / "params.yaml")


@pytest.fixture(scope="module")
def docs(tmp_path_factory):
    """Write Data Docs of a table whose ids and values are markup."""
    folder = tmp_path_factory.mktemp("docs")
    frame = pd.DataFrame({"track_id": [f"{MARKUP} {i}" for i in range(3)], "path": [MARKUP] * 3})
    session = _session.Session(folder / "docs")
    from great_expectations.expectations import ExpectColumnValuesToBeInSet

    suite = [ExpectColumnValuesToBeInSet(column="path", value_set=["a"], meta={"reason": "another path"})]
    _, faults = session.check("files", frame, suite)
    assert faults["track_id"].tolist() == frame["track_id"].tolist()
    session.write_docs()
    return folder / "docs"


def test_data_docs_run_load_and_send_nothing(docs):
    pages = [page.read_text(encoding="utf-8") for page in docs.rglob("*.html")]
    assert len(pages) == 3
    for page in pages:
        head = page.partition("<head>")[2].partition("</head>")[0]
        assert "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'" in head
        assert "http-equiv=refresh" not in page
    assert any("onload" in page for page in pages), "the name stands in a page"


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt install chromium")
def test_a_browser_obeys_nothing_in_data_docs(docs):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page()
        for file in docs.rglob("*.html"):
            page.goto(file.as_uri())
            page.wait_for_load_state("load")
            assert page.title() != "ran"
        browser.close()


def test_pages_of_the_report_escape_and_load_nothing():
    environment = _environment()
    assert environment.from_string("{{ name }}").render(name=MARKUP) == environment.filters["e"](MARKUP)
    source, *_ = environment.loader.get_source(environment, "base.html.j2")
    assert "default-src 'none'" in source
