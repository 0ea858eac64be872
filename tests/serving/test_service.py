"""The routes, their limits, and releases that change while requests run."""

import errno
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient

from ostinato import audio
from ostinato.audio.context import AudioContext
from ostinato.inference.answers import audio_warnings
from ostinato.inference.model import REFERENCE, ReleasedModel
from ostinato.io import versions
from ostinato.io.files import read_json, write_json
from ostinato.recommendation.catalog import SKIPPED, Catalog
from ostinato.serving import app
from ostinato.serving import models as serving_models
from ostinato.serving.app import Limits
from serving.served_project import GENRES, KEY, Served, play, release


@pytest.fixture
def service_project(tmp_path, monkeypatch):
    monkeypatch.setattr(serving_models, "LOOK_SECONDS", 0.0)
    return Served(tmp_path)


@pytest.fixture
def client(service_project):
    with TestClient(service_project.app, raise_server_exceptions=False) as client:
        yield client


def upload(client, path, **query):
    return client.post("/v1/predict", params={"name": path.name, **query}, content=path.read_bytes())


def test_a_file_gets_the_scores_that_predict_gives(service_project, client, tmp_path):
    path = play(tmp_path / "a.wav")
    heard = ReleasedModel(service_project.genre).predict(AudioContext(*audio.load(path)))
    answer = upload(client, path, over_time=True).json()
    assert answer["name"] == "a.wav"
    assert [p["task"] for p in answer["predictions"]] == ["genre", "tags"]
    genre = answer["predictions"][0]
    np.testing.assert_allclose([genre["scores"][c] for c in GENRES], heard.scores, atol=1e-6)
    over_time = genre["over_time"]
    assert over_time["starts"] == sorted(over_time["starts"])
    assert over_time["seconds"] == pytest.approx(16 * 256 / 8000, abs=1e-3)
    mean = np.mean([over_time["scores"][c] for c in GENRES], axis=1)
    np.testing.assert_allclose(mean, heard.scores, atol=1e-3)
    assert "embedding" not in upload(client, path, embedding=True).json(), "there is no catalog to place it in"
    assert [p["task"] for p in upload(client, path, task="tags").json()["predictions"]] == ["tags"]
    assert upload(client, path, task="mood").status_code == 404


def test_a_file_unlike_those_of_training_is_unsure_with_the_reason(tmp_path):
    served = Served(tmp_path)
    bounds = {"min_seconds": 1.0, "max_silence_share": 0.5, "max_mono_loss_db": 6.0, "max_nonfinite": 0}
    write_json(served.genre / REFERENCE, {"bounds": bounds, "sound": {"bandwidth": [3900.0, 4000.0]}})
    path, rng = tmp_path / "a.wav", np.random.default_rng(0)
    y = 0.1 * rng.standard_normal(16_000)
    cases = {
        "fine": (y, 8_000, []),
        "narrow": (y, 4_000, ["bandwidth 2.0 kHz, trained on 3.9 to 4.0 kHz"]),
        "silence": (0 * y, 8_000, ["silent: silence share 1, at most 0.5"]),
        "short": (y[:4_000], 8_000, ["too short: duration 0.5 s, at least 1 s"]),
    }
    with TestClient(served.app) as client:
        for y, rate, reasons in cases.values():
            soundfile.write(path, y, rate)
            genre, tags = upload(client, path).json()["predictions"]
            assert audio_warnings(genre) == reasons
            assert audio_warnings(tags) == [], "a model without a reference says nothing"
            for answer in (genre, tags):
                assert answer["unsure"] == bool(answer["reasons"]), "what is unsure says why"
        soundfile.write(path, np.stack([y, -y], axis=1), 8_000)
        (opposite,) = upload(client, path, task="genre").json()["predictions"]
        assert opposite["unsure"]
        assert audio_warnings(opposite)[-1].startswith("channels in opposite phase: mono loss ")
        path.write_bytes(play(tmp_path / "whole.wav").read_bytes()[:30_000])
        for cut in upload(client, path).json()["predictions"]:
            assert cut["unsure"], "whatever is known of the training tracks"
            assert cut["reasons"][0].startswith("is cut off: its header says 3.00 s")


def test_a_label_whose_score_is_too_low_says_so(tmp_path):
    reasons = {}
    for below in (0.99, None, 0.1):
        served = Served(tmp_path / str(below))
        about = read_json(served.genre / "model.json")
        write_json(served.genre / "model.json", about | {"unsure_below": below})
        with TestClient(served.app) as client:
            (genre,) = upload(client, play(tmp_path / "a.wav"), task="genre").json()["predictions"]
        reasons[below] = genre["reasons"]
        assert genre["unsure"] == bool(genre["reasons"])
    best = max(genre["scores"].values())
    assert reasons[0.99] == [f"score {best:.3f}, sure from 0.990 on"]
    assert "cannot be guaranteed" in reasons[None][0]
    assert reasons[0.1] == []


def test_recommendations_for_a_file_that_cannot_be_placed_well_say_so(service_project, client, tmp_path):
    service_project.catalog()
    write_json(service_project.root / "catalog" / REFERENCE, {"bounds": {"max_silence_share": 0.5}})
    path = play(tmp_path / "a.wav")
    y = audio.load(path)[0]
    for tone, words in ((y, []), (np.concatenate([y, 0 * y, 0 * y]), ["silent: silence share"])):
        soundfile.write(path, tone, 8_000)
        said = upload(client, path, embedding=True).json()
        assert [reason[: len(words[0])] for reason in said["reasons"]] == words
        body = {"embedding": said["embedding"], "version": said["version"], "reasons": said["reasons"]}
        assert client.post("/v1/recommend", json=body).json()["reasons"] == said["reasons"]
    assert client.post("/v1/recommend", json={"tracks": ["tone1"]}).json()["reasons"] == []


def test_what_cannot_be_heard_is_refused_in_words(client, tmp_path):
    (tmp_path / "no music.mp3").write_text("this is no music" * 100)
    answer = upload(client, tmp_path / "no music.mp3")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("cannot be decoded")
    assert answer.json()["detail"].endswith("; send another file")
    assert "/tmp" not in answer.json()["detail"]
    assert client.post("/v1/predict").status_code == 400


def test_a_file_that_breaks_the_decoder_is_refused_and_the_next_is_answered(client, tmp_path, monkeypatch):
    path = play(tmp_path / "a.wav")
    with monkeypatch.context() as broken:
        broken.setattr("ostinato.serving.app.decode_and_measure", lambda *_, **__: bytearray(-1))
        answer = upload(client, path)
    assert answer.status_code == 422
    assert answer.json()["detail"] == "cannot be processed (ValueError); send another file"
    assert upload(client, path).status_code == 200


def test_the_sound_of_a_linked_folder_is_given(service_project, client):
    service_project.catalog()
    (service_project.sounds / "tone 1.wav").rename(service_project.root / "elsewhere.wav")
    (service_project.sounds / "tone 1.wav").symlink_to(service_project.root / "elsewhere.wav")
    assert client.get("/v1/audio?track=tone1").status_code == 200
    assert client.get("/v1/audio?track=tone5").status_code == 404, "its path leads out of the folder"


def test_a_form_is_told_from_a_file(client, tmp_path):
    with open(play(tmp_path / "a.wav"), "rb") as file:
        answer = client.post("/v1/predict", files={"file": file})
    assert answer.status_code == 415
    assert "send the file itself as the body" in answer.json()["detail"]


def test_a_file_that_is_too_large_or_too_long_is_refused(tmp_path):
    served = Served(tmp_path, Limits(max_bytes=40_000, max_seconds=1.5))
    with TestClient(served.app) as client:
        long, large = play(tmp_path / "long.wav", 2.0), play(tmp_path / "large.wav", 4.0)
        assert upload(client, long).status_code == 422
        assert "longer than 2 s" in upload(client, long).json()["detail"]
        assert upload(client, large).status_code == 413
        parts = (b"0" * 10_000 for _ in range(100))
        answer = client.post("/v1/predict", content=parts)
        assert answer.status_code == 413
        assert "larger than 0.04 MB" in answer.json()["detail"]
        assert upload(client, play(tmp_path / "short.wav", 1.0)).status_code == 200


def test_many_samples_in_a_few_seconds_are_refused(tmp_path):
    path = play(tmp_path / "a.wav", 1.4, rate=192_000)
    served = Served(tmp_path, Limits(max_seconds=1.5))
    with TestClient(served.app) as client:
        assert "lower its sample rate" in upload(client, path).json()["detail"]


def test_nothing_released_is_said(tmp_path):
    served = Served(tmp_path)
    shutil.rmtree(served.releases)
    with TestClient(served.app) as client:
        answer = upload(client, play(tmp_path / "a.wav"))
        assert (answer.status_code, client.get("/healthz").status_code) == (503, 503)
        assert "no model is released" in answer.json()["detail"]
        release(served.genre)
        assert upload(client, play(tmp_path / "a.wav")).status_code == 200


def test_more_requests_than_places_are_turned_away(tmp_path, monkeypatch):
    served = Served(tmp_path, Limits(workers=1, waiting=1))
    path, go = play(tmp_path / "a.wav"), threading.Event()
    decode = app.decode_and_measure
    monkeypatch.setattr(app, "decode_and_measure", lambda *a, **k: (go.wait(120), decode(*a, **k))[1])
    with TestClient(served.app) as client, ThreadPoolExecutor(3) as pool:
        running = [pool.submit(upload, client, path) for _ in range(3)]
        while not any(r.done() for r in running):
            time.sleep(0.01)
        go.set()
        answers = [r.result() for r in running]
        assert sorted(a.status_code for a in answers) == [200, 200, 503]
        assert next(a for a in answers if a.status_code == 503).headers["retry-after"] == "1"
        assert upload(client, path).status_code == 200


def test_a_release_takes_over_without_a_dropped_request(service_project, client, tmp_path, monkeypatch):
    monkeypatch.setattr(serving_models, "LOOK_SECONDS", 0.2)
    path = play(tmp_path / "a.wav")
    release(service_project.genre / "2", weight=-0.05, name="newer")
    names, done = [], threading.Event()

    def ask():
        while not done.is_set():
            answer = upload(client, path, task="genre")
            assert answer.status_code == 200
            said = answer.json()["predictions"][0]
            names.append((said["model"], said["version"], max(said["scores"], key=said["scores"].get)))

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(ask) for _ in range(2)]

        def until(met):
            while not met() and not any(r.done() for r in running):
                time.sleep(0.01)

        until(lambda: len(names) >= 4)
        versions.set_pointer(service_project.genre, versions.Pointer(2, 2))
        until(lambda: names[-1][0] == "newer")
        done.set()
        for r in running:
            r.result()
    assert len(set(names)) == 2, "each model with its own version and answer"
    assert names[0][0] == "tiny"
    assert names[-1][0] == "newer"


def test_a_model_is_gone_only_if_it_still_is_at_the_next_look(service_project, client, tmp_path):
    """A version that was in service a moment ago may have been removed since."""
    path, away = play(tmp_path / "a.wav"), tmp_path / "away"
    assert upload(client, path, task="genre").status_code == 200
    service_project.genre.rename(away)
    assert upload(client, path, task="genre").status_code == 200
    away.rename(service_project.genre)
    assert upload(client, path, task="genre").status_code == 200
    service_project.genre.rename(away)
    assert [upload(client, path, task="genre").status_code for _ in range(3)] == [200, 404, 404]
    away.rename(service_project.genre)
    assert upload(client, path, task="genre").status_code == 200


def test_a_broken_release_leaves_the_old_one_in_service(service_project, client, tmp_path):
    path = play(tmp_path / "a.wav")
    assert upload(client, path).status_code == 200
    (service_project.genre / "network.onnx").write_bytes(b"no network")
    assert upload(client, path).status_code == 200
    errors = client.get("/v1/models").json()["errors"]
    assert len(errors) == 1
    assert "is not a readable network" in errors[0]
    assert "ostinato_release_errors 1.0" in client.get("/metrics").text


def test_recommendations_from_a_track_and_from_an_upload(service_project, client):
    catalog = service_project.catalog()
    near = client.post("/v1/recommend", json={"tracks": ["tone2"], "k": 3}).json()
    assert len(near["recommendations"]) == 3
    assert "tone2" not in [r["id"] for r in near["recommendations"]]
    scores = [r["score"] for r in near["recommendations"]]
    assert scores == sorted(scores, reverse=True)
    same_artist = next(r for r in near["recommendations"] if r["id"] == "tone3")
    assert same_artist["because"] == ["the same artist"]
    said = upload(client, service_project.sounds / "tone 2.wav", embedding=True).json()
    wanted = {"embedding": said["embedding"], "version": said["version"], "k": 1}
    (best,) = client.post("/v1/recommend", json=wanted).json()["recommendations"]
    assert best["id"] == near["recommendations"][0]["id"]  # the recording itself is left out by either way
    assert best["score"] == pytest.approx(near["recommendations"][0]["score"], abs=1e-5)
    assert best["because"] == []
    heard = catalog.metadata[catalog.row(best["id"])]["genre"]
    (best,) = client.post("/v1/recommend", json=wanted | {"heard": [heard, "loud"]}).json()["recommendations"]
    assert best["because"] == [f"as heard: {heard}"]
    assert near["version"] == catalog.version == said["version"]


def test_recommendations_keep_filters_and_take_dislikes_weights_and_a_history(service_project, client):
    service_project.catalog()

    def call(**request) -> list[str]:
        answer = client.post("/v1/recommend", json={"tracks": ["tone1"], "k": 6} | request)
        assert answer.status_code == 200, answer.text
        return [r["id"] for r in answer.json()["recommendations"]]

    assert set(call(genres=["ROCK"])) == {"tone2", "tone5"}
    assert call(years=[1990, 2000]) == []
    assert call(tracks=[], history=[{"track": "tone1", "plays": 2}]) == call()
    assert "tone3" not in call(history=[{"track": "tone3", "plays": 0, "skips": 1}])
    assert "tone3" not in call(dislikes=["tone3"])
    assert call(tracks=["tone0", "tone5"], weights=[99, 1], k=1) == call(tracks=["tone0"], exclude=["tone5"], k=1)
    for wrong in (
        {"years": [2000, 1990]},
        {"near": [99, 0, 1]},
        {"weights": [1, 2]},
        {"history": [{"track": "a", "plays": -1}]},
    ):
        assert client.post("/v1/recommend", json={"tracks": ["tone1"]} | wrong).status_code == 422


def test_every_reference_of_the_description_leads_somewhere(client):
    """A schema of a body in the description has no place for definitions of its own."""
    text = client.get("/openapi.json").text
    assert "#/$defs/" not in text
    assert '"plays"' in text


@pytest.mark.parametrize("task", ["genre", "catalog"])
def test_what_is_in_service_stays_while_the_pointer_to_it_is_damaged(service_project, client, tmp_path, task):
    service_project.catalog()
    path, wish = play(tmp_path / "a.wav"), {"tracks": ["tone1"]}
    before = upload(client, path).json()
    near = client.post("/v1/recommend", json=wish).json()
    assert near["recommendations"]
    pointer = (
        service_project.releases / "genre" if task == "genre" else service_project.root / "catalog"
    ) / "current.json"
    pointer.write_text('{"version": 1, "new')
    for _ in range(3):
        assert upload(client, path).json() == before
        assert client.post("/v1/recommend", json=wish).json() == near
    (error,) = client.get("/v1/models").json()["errors"]
    assert "current.json: is damaged" in error


def test_without_a_catalog_the_true_reason_and_its_mend_are_given(service_project, client):
    folder = service_project.root / "catalog"

    def reason():
        answer = client.get("/v1/tracks")
        assert answer.status_code == 503
        assert str(service_project.root) not in answer.json()["detail"]
        return answer.json()["detail"]

    assert reason().startswith("holds no catalog; run `dvc repro catalog`")
    reasons = "; ".join(f"net{i}: sure_gain -0.1490 is below 0" for i in range(9))
    write_json(folder / SKIPPED, {"skipped": reasons, "mend": "lower gate.space"})
    assert reason() == (
        "no space is accepted for recommendations: "
        + "; ".join(f"net{i}: sure_gain -0.1490 is below 0" for i in range(5))
        + "; 4 more; lower gate.space"
    )
    (folder / SKIPPED).unlink()
    service_project.catalog()
    release(service_project.root / "other", weight=0.07)
    shutil.copyfile(service_project.root / "other" / "network.onnx", folder / "network.onnx")
    assert reason().startswith("its tracks were embedded by another network than the one in the folder; run `dvc repro")
    Catalog([], np.zeros((0, 8)), version="0").save(folder)
    (folder / "network.onnx").unlink()
    assert reason().startswith("the catalog is empty; run `dvc repro catalog`")


def test_seeds_that_do_not_fit_are_refused(service_project, client):
    assert client.post("/v1/recommend", json={"tracks": ["a"]}).status_code == 503
    service_project.catalog()
    for wanted, reason in (
        ({"tracks": ["tone99"]}, "not in the catalog"),
        ({}, "there is no seed"),
        ({"embedding": [1.0, 2.0]}, "do not fit a catalog of dimension 8"),
        ({"embedding": [1.0] * 8, "version": "other"}, "is from network 'other'"),
        ({"tracks": ["tone1"], "k": 0}, None),
        ({"trakcs": ["tone1"]}, None),
    ):
        answer = client.post("/v1/recommend", json=wanted)
        assert answer.status_code == 422, wanted
        assert reason is None or reason in answer.json()["detail"]


def test_a_request_of_another_form_is_refused_in_words(client):
    sound = client.post("/v1/recommend", content=b"\xff\xfb\x90\x00")
    other = client.post("/v1/recommend", json={"seeds": ["a"]})
    for answer in (sound, other):
        assert answer.status_code == 422
        assert answer.json()["detail"].endswith("see /openapi.json")
    assert "body.seeds: unknown key" in other.json()["detail"]


def test_a_request_that_is_no_upload_is_small(tmp_path):
    """It is held in memory, and nobody without the key has it read."""
    served = Served(tmp_path, api_key=KEY)
    served.catalog()
    with TestClient(served.app) as client:
        large = b'{"tracks": ["' + b"a" * 5 * 2**20 + b'"]}'
        assert client.post("/v1/recommend", content=large).status_code == 401
        client.headers["X-API-Key"] = KEY
        assert client.post("/v1/recommend", content=large).status_code == 413
        parts = (large[i : i + 2**16] for i in range(0, len(large), 2**16))
        assert client.post("/v1/recommend", content=parts).status_code == 413


def test_a_slow_sender_is_cut_off(tmp_path):
    served = Served(tmp_path, Limits(upload_seconds=0.1))

    def send_slowly():
        for _ in range(20):
            yield b"0"
            time.sleep(0.05)

    with TestClient(served.app) as client:
        for route in ("/v1/predict", "/v1/recommend"):
            answer = client.post(route, content=send_slowly())
            assert answer.status_code == 408
            assert "did not arrive within 0.1 s" in answer.json()["detail"]


def test_a_full_disk_is_said(client, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr("ostinato.serving.upload.open", fail, raising=False)
    answer = client.post("/v1/predict", content=b"0" * 100)
    assert (answer.status_code, "no room" in answer.json()["detail"]) == (503, True)


@pytest.mark.parametrize(
    ("method", "route", "allowed"),
    [("GET", "/v1/predict", "POST"), ("DELETE", "/v1/recommend", "POST"), ("POST", "/v1/tracks", "GET")],
)
def test_another_method_is_told_the_right_one(client, method, route, allowed):
    answer = client.request(method, route)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_the_page_lies_beside_the_routes(client):
    assert client.get("/").headers["content-type"].startswith("text/html")
    assert client.get("/page.js").status_code == client.head("/").status_code == 200
    for absent in ("/v1/other", "/../app.py", "/%2e%2e/app.py"):
        assert client.get(absent).status_code == 404


@pytest.mark.parametrize("file", ["vectors.npy", "catalog.json"])
def test_a_broken_catalog_leaves_the_old_one_in_service(service_project, client, file):
    service_project.catalog()
    assert client.get("/v1/tracks").json()["n_tracks"] == 6
    (service_project.root / "catalog" / file).write_bytes(b"\xff no catalog")
    assert client.get("/v1/tracks").json()["n_tracks"] == 6
    (error,) = client.get("/v1/models").json()["errors"]
    assert "run `dvc repro" in error
    assert client.get("/healthz").json()["catalog"] == 6


def test_every_route_that_works_needs_a_place(tmp_path, monkeypatch):
    served = Served(tmp_path, Limits(workers=1, waiting=0))
    served.catalog()
    entered, go = threading.Event(), threading.Event()
    routes = ["/v1/models", "/v1/tracks", "/v1/map", "/v1/audio?track=tone1"]
    with TestClient(served.app) as client, ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(serving_models.ModelStore, "models", lambda _: (entered.set(), go.wait(10), {})[2])
        held = pool.submit(client.get, routes[0])
        assert entered.wait(10)
        assert [client.get(route).status_code for route in routes] == [503] * 4
        go.set()
        assert held.result(10).status_code == 200


def test_tracks_are_found_and_heard_and_nothing_else_is(service_project, client):
    service_project.catalog()
    found = client.get("/v1/tracks", params={"search": "artist 1"}).json()
    assert (found["n_tracks"], [t["id"] for t in found["tracks"]]) == (2, ["tone2", "tone3"])
    sound = client.get("/" + found["tracks"][0]["audio"], headers={"Range": "bytes=0-3"})
    assert (sound.status_code, sound.content) == (206, b"RIFF")
    assert client.get("/v1/audio", params={"track": "tone5"}).status_code == 404, "its path leaves the folder"
    assert client.get("/v1/audio", params={"track": "../outside.wav"}).status_code == 404


def test_the_map_shows_what_differs_most_and_places_an_upload(service_project, client):
    catalog = service_project.catalog()
    shown = client.get("/v1/map").json()
    assert (shown["version"], shown["n_tracks"]) == (catalog.version, 6)
    assert [p["id"] for p in shown["points"]] == catalog.ids
    places = np.array([p["place"] for p in shown["points"]])
    centred = catalog.vectors - catalog.vectors.mean(axis=0)
    spread = np.linalg.svd(centred, compute_uv=False)
    assert np.abs(places).max() == pytest.approx(1)
    np.testing.assert_allclose(
        np.linalg.svd(places, compute_uv=False) / np.linalg.norm(places),
        spread[:2] / np.linalg.norm(spread[:2]),
        atol=1e-3,
    )
    assert shown["share"] == pytest.approx((spread[:2] ** 2).sum() / (spread**2).sum(), abs=1e-3)
    said = upload(client, service_project.sounds / "tone 2.wav", embedding=True).json()
    assert said["place"] == pytest.approx(shown["points"][2]["place"], abs=1e-3)


def test_a_map_of_one_track_is_a_point(service_project, client):
    service_project.catalog(1)
    (point,) = client.get("/v1/map").json()["points"]
    assert point["place"] == [0, 0]


def test_the_key_guards_v1_alone(tmp_path):
    served = Served(tmp_path, api_key=KEY)
    with TestClient(served.app) as client:
        assert client.get("/v1/models").status_code == 401
        assert client.get("/v1/models", headers={"X-API-Key": KEY[:-1]}).status_code == 401
        assert client.get("/v1/models", headers={"X-API-Key": KEY}).status_code == 200
        assert client.get("/healthz").status_code == 200
        assert client.get("/").status_code == 200


def test_counters_count(service_project, client, tmp_path):
    upload(client, play(tmp_path / "a.wav"))
    upload(client, play(tmp_path / "a.wav"), task="mood")
    client.get("/nothing/here")
    text = client.get("/metrics").text
    assert 'ostinato_requests_total{method="POST",route="/v1/predict",status="200"} 1.0' in text
    assert 'ostinato_requests_total{method="POST",route="/v1/predict",status="404"} 1.0' in text
    assert "ostinato_models 2.0" in text
    assert 'route="none",status="404"} 1.0' in text


def test_the_description_names_every_route_and_problem(client):
    described = client.get("/openapi.json").json()
    assert set(described["paths"]) == {
        "/v1/predict", "/v1/recommend", "/v1/models", "/v1/tracks", "/v1/map", "/v1/audio", "/healthz",
    }  # fmt: skip
    predict = described["paths"]["/v1/predict"]["post"]
    assert set(predict["responses"]) == {
        "200",
        "400",
        "401",
        "403",
        "404",
        "408",
        "413",
        "414",
        "415",
        "422",
        "431",
        "503",
    }
    assert "application/octet-stream" in predict["requestBody"]["content"]


def test_serving_imports_neither_network_libraries_nor_tables():
    libraries = {"torch", "pandas", "pytorch_lightning", "matplotlib"}
    code = f"import sys, ostinato.serving.run; print({libraries} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
