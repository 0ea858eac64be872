"""The page in a real browser: by mouse, by keyboard, on a desktop and on a phone."""

import shutil
from collections.abc import Iterator

import pytest
import soundfile

from serving.served_project import Served, listen, play

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = next((b for b in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if b), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt install chromium")
COLOURS = """id => {
    const canvas = document.getElementById(id), pen = canvas.getContext("2d");
    return new Set(pen.getImageData(0, 0, canvas.width, canvas.height).data).size;
}"""
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def service_address(tmp_path_factory) -> Iterator[str]:
    project = Served(tmp_path_factory.mktemp("served"))
    project.catalog()
    with listen(project.app) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=arguments)
        yield opened
        opened.close()


@pytest.fixture(params=SIZES)
def page(request, browser, service_address):
    width, height = SIZES[request.param]
    page = browser.new_page(viewport={"width": width, "height": height}, bypass_csp=True)  # waiting evaluates text
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.goto(service_address)
    page.wait_for_selector("#tracks li")
    yield page
    assert page.evaluate("document.documentElement.scrollWidth") == width, "nothing sticks out"
    assert broken == []
    page.close()


@pytest.fixture(params=["made", "real"])
def song(request, tmp_path):
    if request.param == "real":
        return sorted((request.getfixturevalue("shared_data") / "fma_000").glob("*.mp3"))[0]
    samples, rate = soundfile.read(play(tmp_path / "a.wav", 4.0, rate=22050))
    soundfile.write(tmp_path / "a song.mp3", samples, rate)
    return tmp_path / "a song.mp3"


def wait_for_playback(page, selector: str) -> None:
    page.wait_for_function(f"document.querySelector('{selector}')?.currentTime > 0.05")


def test_an_mp3_is_heard_seen_and_leads_on(page, song):
    page.set_input_files("#file", song)
    page.wait_for_selector("#recommended li")
    assert page.inner_text("#track-title") == song.name
    assert page.inner_text("#scores h3:first-child").startswith("Genre: ")
    assert page.locator("#scores meter").count() == 7
    assert page.locator(".strip").count() == 7
    page.wait_for_function(f"({COLOURS})('spectrum') > 50")
    assert page.evaluate(f"({COLOURS})('wave')") > 3
    page.evaluate("document.getElementById('player').play()")
    wait_for_playback(page, "#player")
    page.click("#recommended li:first-child button:text('Hear')")
    wait_for_playback(page, "#recommended audio")
    assert page.evaluate("document.getElementById('player').paused"), "one at a time"


def test_the_page_keeps_to_its_own_policy(browser, service_address, tmp_path):
    page, said = browser.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.goto(service_address)
    soundfile.write(tmp_path / "a.flac", *soundfile.read(play(tmp_path / "a.wav", 4.0, rate=22050)))
    page.set_input_files("#file", tmp_path / "a.flac")
    page.click("#recommended li:first-child button:text('Hear')")
    page.wait_for_selector("#recommended audio")
    assert page.locator(".strip").count() == 7
    assert page.evaluate("document.getElementById('player').error") is None
    assert [text for text in said if "Policy" in text] == []
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))")
    assert page.evaluate("window.ran") is None
    page.close()


def test_the_keyboard_is_enough(page):
    page.focus("#search")
    page.keyboard.type("Tone 3")
    page.wait_for_function("document.querySelectorAll('#tracks li').length === 1")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#recommended li")
    assert page.inner_text("#track-title") == "Tone 3"
    page.focus("#picture")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.getElementById('player').currentTime >= 1.9")
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    wait_for_playback(page, "#player")
    assert page.get_attribute("#picture", "aria-valuetext").endswith("of 3 seconds")


def test_the_map_leads_to_tracks_by_arrow_keys_and_by_pointing(page):
    page.wait_for_selector("#map:not([hidden])")
    assert page.evaluate(f"({COLOURS})('chart')") > 10
    assert page.locator("#legend li").all_inner_texts() == ["blues", "jazz", "rock"]
    page.focus("#chart")
    page.keyboard.press("ArrowRight")
    first = page.inner_text("#pointed")
    assert first.startswith("Tone ")
    seen = {first}
    for key in ["ArrowLeft"] * 6 + ["ArrowRight"] * 6 + ["ArrowUp", "ArrowDown"] * 3:
        page.keyboard.press(key)
        seen.add(page.inner_text("#pointed"))
    assert len(seen) > 3
    title = page.inner_text("#pointed").split(" · ")[0]
    page.keyboard.press("Enter")
    page.wait_for_selector("#recommended li")
    assert page.inner_text("#track-title") == title
    point = page.request.get(f"{page.url}v1/map").json()["points"][4]
    box, margin = page.locator("#chart").bounding_box(), 14
    at = [
        box[side] / 2 + sign * place * (box[side] / 2 - margin)
        for side, sign, place in zip(("width", "height"), (1, -1), point["place"], strict=True)
    ]
    page.locator("#chart").click(position={"x": at[0], "y": at[1]})
    page.wait_for_function("title => document.getElementById('track-title').innerText === title", arg=point["title"])


def test_a_bad_file_is_refused_in_words(page, tmp_path):
    (tmp_path / "notes.mp3").write_text("this is no music " * 50)
    page.set_input_files("#file", tmp_path / "notes.mp3")
    page.wait_for_selector("#message:not([hidden])")
    assert page.inner_text("#message").startswith("notes.mp3: cannot be decoded")
    assert page.locator("#said").is_hidden()
    (tmp_path / "empty.mp3").touch()
    page.set_input_files("#file", tmp_path / "empty.mp3")
    page.wait_for_function("document.getElementById('message').innerText == 'empty.mp3 is empty; choose another file.'")


def test_a_search_that_finds_nothing_says_so(page):
    page.fill("#search", "zzzz")
    page.wait_for_function("document.getElementById('tracks').innerText == 'Nothing in the catalog is called so.'")
    assert page.locator("#tracks button").count() == 0
    page.fill("#search", "")
    page.wait_for_selector("#tracks button")


def test_more_variety_gives_another_list(page):
    page.click("#tracks li:first-child button")
    page.wait_for_selector("#recommended li")
    before = page.inner_text("#recommended")
    turn = "d => { d.value = 1; d.dispatchEvent(new Event('change', {bubbles: true})); }"
    page.evaluate(turn, page.query_selector("#diversity"))
    page.wait_for_function("before => document.getElementById('recommended').innerText !== before", arg=before)
    after = page.inner_text("#recommended")
    assert after
    assert after != before


def wait_for_another_list(page, before: str) -> str:
    page.wait_for_function("before => document.getElementById('recommended').innerText !== before", arg=before)
    return page.inner_text("#recommended")


def test_filters_and_dislikes_change_the_list(page):
    page.click("#tracks li:first-child button")
    page.wait_for_selector("#recommended li")
    before = page.inner_text("#recommended")
    page.select_option("#genre", "rock")
    rock = wait_for_another_list(page, before)
    assert rock.count("rock") == page.locator("#recommended li").count() == 2
    page.select_option("#genre", "")
    assert wait_for_another_list(page, rock) == before
    first = page.inner_text("#recommended li:first-child .name")
    page.click("#recommended li:first-child button:text('Less like this')")
    assert first not in wait_for_another_list(page, before)
    page.fill("#first-year", "1999")
    page.dispatch_event("#first-year", "change")
    page.wait_for_selector("#recommended li:text('No track of the catalog passes these filters.')")


def test_what_was_played_and_skipped_stays_in_the_browser(page):
    page.click("#tracks li:first-child button")
    page.wait_for_selector("#recommended li")
    names = page.locator("#recommended .name").all_inner_texts()
    page.click("#recommended li:nth-child(1) button:text('Hear')")
    page.wait_for_function("document.querySelector('#recommended li:nth-child(1) audio')?.ended", timeout=20_000)
    page.click("#recommended li:nth-child(2) button:text('Hear')")
    wait_for_playback(page, "#recommended li:nth-child(2) audio")
    page.click("#recommended li:nth-child(3) button:text('Hear')")
    page.wait_for_function("document.getElementById('history-size').value == 2")
    counts = page.evaluate("JSON.parse(localStorage.getItem('history'))")
    ids = [name.lower().replace(" ", "") for name in names]
    assert counts == {ids[0]: {"plays": 1, "skips": 0}, ids[1]: {"plays": 0, "skips": 1}}
    before = page.inner_text("#recommended")
    page.check("#use-history")
    after = wait_for_another_list(page, before)
    assert not {names[0], names[1]} & set(page.locator("#recommended .name").all_inner_texts())
    page.click("#forget")
    assert wait_for_another_list(page, after)
    assert page.evaluate("localStorage.getItem('history')") is None
