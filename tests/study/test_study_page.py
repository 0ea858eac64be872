"""The page of a study: its service behind the guards, and the page in a real browser, on a desk and on a phone."""

import shutil

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from ostinato.cli import app
from ostinato.serving import study as serving
from ostinato.study.answers import Answers, read_answers
from ostinato.study.folder import ANSWERS, Study
from serving.served_project import KEY, NAMES, listen
from study.study_project import write_study

BROWSER = next((b for b in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if b), None)
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
ANN = "a" * 16


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    write_study(root, n_tracks=4, k=2)
    return root


@pytest.fixture
def study(original, tmp_path):
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    return Study.open(tmp_path / "study")


@pytest.fixture
def client(study):
    return TestClient(serving.application(Answers(study), None, NAMES))


def test_a_study_is_answered_over_http(client, study):
    given = client.get("/v1/next", params={"listener": ANN}).json()
    for n in range(4):
        assert (given["n_answered"], given["n_questions"]) == (n, 4)
        assert set(given["next"]) == {"question", "track", "first", "second"}
        for name in (given["next"]["track"], *given["next"]["first"], *given["next"]["second"]):
            clip = client.get("/v1/clip", params={"name": name})
            assert clip.content[:4] == b"fLaC"
            assert not {"near", "far", "track"} & set(str(clip.headers).split('"'))
        answer = {"listener": ANN, "question": given["next"]["question"], "choice": "first"}
        given = client.post("/v1/answer", json=answer).json()
        assert client.post("/v1/answer", json=answer | {"choice": "second"}).json() == given
    assert given == {"n_answered": 4, "n_questions": 4, "next": None}
    assert [a["choice"] for a in read_answers(study)] == ["first"] * 4


@pytest.mark.parametrize("route", ["/study.json", "/answers.jsonl", "/../study.json", "/v1/clip?name=../study.json"])
def test_nothing_but_clips_can_be_fetched(client, route):
    client.post("/v1/answer", json={"listener": ANN, "question": 0, "choice": "first"})
    assert client.get(route).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b'{"listener": "aaaaaaaaaaaaaaaa", "question": 0}',
        b'{"listener": "ann", "question": 0, "choice": "first"}',
        b'{"listener": "aaaaaaaaaaaaaaaa", "question": "0", "choice": "first"}',
        b'{"listener": "aaaaaaaaaaaaaaaa", "question": 0, "choice": "near"}',
        b'{"listener": "aaaaaaaaaaaaaaaa", "question": 0, "choice": "first", "name": "Ann"}',
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(client, study, body):
    assert client.post("/v1/answer", content=body).status_code == 422
    assert client.post("/v1/answer", content=b"x" * 2_000).status_code == 413
    assert not (study.folder / ANSWERS).exists()


def test_strangers_are_refused(client, study):
    answer = {"listener": ANN, "question": 0, "choice": "first"}
    assert client.post("/v1/answer", json=answer, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    keyed = TestClient(serving.application(Answers(study), KEY, NAMES))
    for method, route in (("GET", "next?listener=" + ANN), ("GET", "clip?name=0000.flac"), ("POST", "answer")):
        assert keyed.request(method, f"/v1/{route}", json=answer).status_code == 401
    assert keyed.get(f"/v1/next?listener={ANN}", headers={"X-API-Key": KEY}).status_code == 200
    assert not (study.folder / ANSWERS).exists()


def test_one_process_serves_a_study(study, monkeypatch):
    said = []

    def serve_again(*_):
        said.append(CliRunner().invoke(app, ["serve", "--study", str(study.folder), "--port", "0"]).exception)

    monkeypatch.setattr(serving, "serve", serve_again)
    assert CliRunner().invoke(app, ["serve", "--study", str(study.folder), "--port", "0"]).exit_code == 0
    assert str(said[0]) == f"{study.folder}: another process serves this study; stop it first"


def test_a_study_is_not_served_to_other_machines_without_a_key(study):
    refused = CliRunner().invoke(app, ["serve", "--study", str(study.folder), "--host", "0.0.0.0"])
    assert "other machines can reach it, and there is no API key" in str(refused.exception)


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
def page(request, browser, study):
    width, height = SIZES[request.param]
    page = browser.new_page(viewport={"width": width, "height": height}, bypass_csp=True)  # waiting evaluates text
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    with listen(serving.application(Answers(study), None, NAMES)) as address:
        page.goto(address)
        wait_for_progress(page, 0)
        yield page
        assert page.evaluate("document.documentElement.scrollWidth") == width, "nothing sticks out"
        page.close()
    assert broken == []


def wait_for_progress(page, n):
    page.wait_for_function("n => document.getElementById('progress').textContent === `${n} of 4 answered`", arg=n)


def hear_all(page):
    page.wait_for_function("[...document.querySelectorAll('audio')].filter(a => a.readyState >= 3).length === 5")
    for key, side, n in (("0", "track", 1), ("1", "first", 2), ("2", "second", 2)):
        for i in range(n):
            page.keyboard.press(key)
            page.wait_for_function(f"document.querySelectorAll('#{side} audio')[{i}].dataset.heard")
            assert page.evaluate("[...document.querySelectorAll('audio')].filter(a => !a.paused).length") <= 1
    page.wait_for_selector("[data-choice=first]:enabled")


def test_a_study_is_answered_by_keyboard_and_goes_on_after_a_reload(page, study):
    page.keyboard.press("ArrowLeft")
    assert page.is_disabled("[data-choice=first]"), "nothing has been heard yet"
    for n, key in enumerate(("ArrowLeft", "ArrowRight", "ArrowDown"), 1):
        hear_all(page)
        page.keyboard.press(key)
        wait_for_progress(page, n)
        page.reload()
        wait_for_progress(page, n)
    hear_all(page)
    page.click("[data-choice=second]")
    page.wait_for_selector("#done", state="visible")
    answers = list(read_answers(study))
    assert [answer["choice"] for answer in answers] == ["first", "second", "same", "second"]
    (listener,) = {answer["listener"] for answer in answers}
    assert [answer["question"] for answer in answers] == [p.question for p in study.order(listener)]
    page.click("#next-listener")
    wait_for_progress(page, 0)
    assert page.evaluate("localStorage.getItem('listener')") != listener


def test_the_page_names_neither_spaces_nor_tracks(page, study):
    hear_all(page)
    text = page.content()
    assert not [name for name in ("near", "far", "track0", "track1", "Title", "Artist") if name in text]


def test_an_answer_that_does_not_arrive_can_be_given_again(page, study):
    hear_all(page)
    page.route("**/v1/answer", lambda route: route.abort())
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("#message", state="visible")
    assert "cannot be reached" in page.inner_text("#message")
    page.unroute("**/v1/answer")
    page.keyboard.press("ArrowLeft")
    wait_for_progress(page, 1)
    assert len(list(read_answers(study))) == 1


def test_a_key_is_asked_for_and_used(browser, study):
    page = browser.new_page(bypass_csp=True)
    with listen(serving.application(Answers(study), KEY, NAMES)) as address:
        page.goto(address)
        page.fill("#api-key", "another-key-another-key")
        page.click("#key button")
        page.wait_for_selector("#message", state="visible")
        page.fill("#api-key", KEY)
        page.click("#key button")
        wait_for_progress(page, 0)
        page.wait_for_function("[...document.querySelectorAll('audio')].filter(a => a.readyState >= 3).length === 5")
        assert page.is_hidden("#key")
        page.close()
