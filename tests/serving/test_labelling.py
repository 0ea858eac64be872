"""The page to label by ear: its service behind the guards, and the page in a real browser, on a desk and on a phone."""

import shutil

import pandas as pd
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from ostinato.cli import app
from ostinato.errors import DataError
from ostinato.inference.model import ReleasedModel
from ostinato.labelling.answers import Answers
from ostinato.serving.labelling import application, read_learned
from serving.served_project import KEY, NAMES, listen, play, release

BROWSER = next((b for b in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if b), None)
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
PATHS = [f"{i}.wav" for i in range(4)]


@pytest.fixture
def folder(tmp_path):
    for i, path in enumerate(PATHS):
        play(tmp_path / "music" / path, 3.0, 220.0 * (i + 1))
    return tmp_path / "music"


@pytest.fixture
def answers(folder, tmp_path):
    return Answers(folder, tmp_path / "labels.csv", ["jazz", "rock"])


@pytest.fixture
def client(answers, tmp_path):
    model = ReleasedModel(release(tmp_path / "released" / "genre"))
    return TestClient(application(answers, ["2.wav"], model, None, NAMES))


def test_files_to_label_first_come_first(client):
    said = client.get("/v1/state", params={"person": "ann"}).json()
    assert [t["path"] for t in said["tracks"]] == ["2.wav", "0.wav", "1.wav", "3.wav"]
    assert said["classes"] == ["jazz", "rock"]


def test_files_with_a_label_come_last(answers):
    answers.set("bob", "0.wav", "jazz")
    said = TestClient(application(answers, ["2.wav"], None, None, NAMES)).get("/v1/state?person=ann").json()
    assert [t["path"] for t in said["tracks"]] == ["2.wav", "1.wav", "3.wav", "0.wav"]


def test_an_answer_is_written_and_taken_back(client, answers):
    change = {"person": "ann", "path": "1.wav", "label": "rock"}
    assert client.put("/v1/answer", json=change).json()["summary"]["labelled"] == 1
    assert pd.read_csv(answers.table)["by_ann"].tolist() == ["rock"]
    undone = client.post("/v1/undo", params={"person": "ann"}).json()
    assert (undone["path"], undone["label"]) == ("1.wav", None)
    assert pd.read_csv(answers.table).empty
    assert client.post("/v1/undo", params={"person": "ann"}).json()["path"] is None


def test_the_model_suggests(client):
    said = client.get("/v1/suggestion", params={"path": "0.wav"}).json()
    assert said["label"] in ("blues", "jazz", "rock")
    assert 0 < said["score"] <= 1


def test_no_other_file_can_be_heard(client, tmp_path):
    (tmp_path / "secret.wav").write_bytes(b"x")
    for path in ("../secret.wav", str(tmp_path / "secret.wav"), "9.wav"):
        for route in ("/v1/audio", "/v1/suggestion"):
            assert client.get(route, params={"path": path}).status_code == 404
    assert client.get("/v1/audio", params={"path": "0.wav"}).content[:4] == b"RIFF"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"person": "ann", "path": "0.wav"}', b'{"person": "..", "path": "0.wav", "label": "a"}']
)
def test_what_cannot_be_read_is_refused(client, answers, body):
    assert client.put("/v1/answer", content=body).status_code == 422
    assert client.put("/v1/answer", content=b"x" * 20_000).status_code == 413
    assert not answers.table.exists()


def test_strangers_are_refused(client, answers, tmp_path):
    change = {"person": "ann", "path": "1.wav", "label": "rock"}
    assert client.put("/v1/answer", json=change, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    keyed = TestClient(application(answers, api_key=KEY, allowed_hosts=NAMES))
    for method, route in (("GET", "state?person=a"), ("GET", "audio?path=0.wav"), ("GET", "suggestion?path=0.wav"),
                          ("PUT", "answer"), ("POST", "undo?person=a")):  # fmt: skip
        assert keyed.request(method, f"/v1/{route}", json=change).status_code == 401
    assert keyed.get("/v1/state?person=a", headers={"X-API-Key": KEY}).status_code == 200
    assert not answers.table.exists()


def test_a_folder_that_nothing_was_learned_in_is_named(tmp_path):
    with pytest.raises(DataError, match=r"next\.csv: is not there; give --learned a folder"):
        read_learned(tmp_path)


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if BROWSER is None:
        pytest.skip("needs Chromium: apt install chromium")
    arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=arguments)
        yield opened
        opened.close()


@pytest.fixture(params=SIZES)
def page(request, browser, answers, tmp_path):
    width, height = SIZES[request.param]
    model = ReleasedModel(release(tmp_path / "released" / "genre"))
    page = browser.new_page(viewport={"width": width, "height": height}, bypass_csp=True)  # waiting evaluates text
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    with listen(application(answers, [], model, None, NAMES)) as address:
        page.goto(address)
        page.fill("#person", "ann")
        page.click("#who button")
        page.wait_for_selector("#classes button")
        yield page
        assert page.evaluate("document.documentElement.scrollWidth") == width, "nothing sticks out"
        page.close()
    assert broken == []


def wait_for_title(page, path):
    page.wait_for_function("path => document.getElementById('title').textContent === path", arg=path)


def test_a_folder_is_labelled_by_keyboard(page, answers):
    page.wait_for_function("document.getElementById('suggestion').textContent.startsWith('Suggested: ')")
    suggestion = page.text_content("#suggestion").split(" ")[1]
    page.keyboard.press("Enter")
    wait_for_title(page, "1.wav")
    page.keyboard.press("2")
    wait_for_title(page, "2.wav")
    page.keyboard.press("s")
    wait_for_title(page, "3.wav")
    page.keyboard.press("u")
    wait_for_title(page, "1.wav")
    assert answers.get("0.wav") == {"ann": suggestion}
    assert answers.get("1.wav") == answers.get("2.wav") == {}
    page.keyboard.press("1")
    wait_for_title(page, "2.wav")
    assert answers.get("1.wav")["ann"] in ("jazz", "rock")


def test_the_wave_is_drawn_and_the_track_plays(page):
    drawn = "document.getElementById('wave').getContext('2d').getImageData(0, 0, 1600, 200).data.some(v => v)"
    page.wait_for_function(drawn)
    page.wait_for_function("document.getElementById('player').currentTime > 0.1")
    page.keyboard.press(" ")
    page.wait_for_function("document.getElementById('player').paused")
    box = page.locator("#wave").bounding_box()
    before = page.evaluate("document.getElementById('player').currentTime")
    page.mouse.click(box["x"] + box["width"] * 0.9, box["y"] + 20)
    page.wait_for_function("document.getElementById('player').currentTime > 2.5")
    assert 0.1 < before < 2.5, "the click moved it, not the time that passed"


def test_a_label_of_ones_own_and_the_end(page, answers):
    for path in PATHS:
        wait_for_title(page, path)
        page.fill("#other", "drone")
        page.click("#add button")
    page.wait_for_selector("#done", state="visible")
    assert {path: answers.get(path) for path in PATHS} == {path: {"ann": "drone"} for path in PATHS}
    assert "4 of 4 files labelled" in page.text_content("#progress")


def test_a_folder_that_a_refused_learn_left_is_no_learned_one(folder, tmp_path, monkeypatch):
    (tmp_path / "runs" / "learn_music" / ".ostinato").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    served = []
    monkeypatch.setattr("ostinato.serving.labelling.serve", lambda *given: served.append(given))
    said = CliRunner().invoke(app, ["label", str(folder), "--labels", "labels.csv", "--classes", "jazz,rock"])
    assert said.exit_code == 0, said.output
    assert len(served) == 1
