"""The report's section on neighbours, over a small catalog of four artists."""

import base64
import io
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import soundfile

from ostinato.core.paths import Paths
from ostinato.errors import ReadError
from ostinato.evaluation.similarity.leaderboard import evaluate_spaces, to_table
from ostinato.evaluation.similarity.projection import project_pca, project_tsne
from ostinato.evaluation.similarity.queries import build_queries
from ostinato.io.files import write_json
from ostinato.recommendation.catalog import Catalog
from ostinato.report.listening import choose_distant, encode_clip
from ostinato.report.material import Material
from ostinato.report.page import _environment, _section
from ostinato.report.sections import neighbours

ARTISTS = ("ann", "bob", "cy", "dee")


@pytest.fixture
def material(tmp_path, rng) -> Material:
    """Rank one space of twelve tracks beside statistics; two artists are cold."""
    paths, artist = Paths(tmp_path), np.repeat(ARTISTS, 3)
    genre = np.where(np.isin(artist, ARTISTS[:2]), "folk", "rock")
    tracks = pd.DataFrame({"track_id": [f"t{i}" for i in range(12)], "artist": artist, "genre": genre, "tags": None})
    split = np.where(np.isin(artist, ("ann", "cy")), "test", "train")
    vectors = np.where(genre == "folk", 1.0, -1.0)[:, None] * np.ones(5) + rng.normal(0, 0.3, (12, 5))
    asked = list(build_queries(tracks, None, cold=split == "test", known=split == "train", seed=0))
    sure = {"k": 4, "confidence": 0.9, "seed": 0}
    spaces = {"net": vectors, "mel": rng.normal(size=(12, 5))}
    found = evaluate_spaces(spaces, asked, popularity=np.ones(12), baseline="mel", **sure)
    paths.ranking_table.parent.mkdir(parents=True)
    to_table(found).to_parquet(paths.ranking_table)
    said = {"k": 4, "baseline": "mel", "question": "genre_cold", "skipped": {}}
    maps = {n: {"map": f["genre_cold"]["map"]} for n, f in found.items()}
    write_json(paths.ranking, said | {"spaces": maps, "gate": {"net": {"accepted": True}}})
    known = [
        {"artist": a, "genre": g, "year": 1960 + 10 * i, "latitude": 48.2 if g == "folk" else -20.0, "longitude": -16.4}
        for i, (a, g) in enumerate(zip(artist, genre, strict=True))
    ]
    Catalog(tracks["track_id"].tolist(), vectors, known, version="v").save(paths.catalog)
    write_json(paths.catalog / "model.json", {"name": "net"})
    splits = pd.DataFrame({"track_id": tracks["track_id"], "split": split, "fold": 0})
    rest: dict = {field.name: {} for field in fields(Material)}
    given = {"paths": paths, "tracks": tracks, "splits": splits, "quarantine": tracks.head(0), "clips": 0}
    return Material(**rest | given)


def test_spaces_stand_in_order_with_chance_among_them(material):
    rows = neighbours.section(material)["spaces"]
    assert {row["name"] for row in rows} == {"net", "mel", "random", "popular"}
    assert rows[0]["name"] == "net"
    assert [row["map"]["value"] for row in rows] == sorted((row["map"]["value"] for row in rows), reverse=True)
    assert [row["name"] for row in rows if not row["plain"]] == ["net"]
    assert rows[0]["gain"]["value"] > 0
    assert next(row for row in rows if row["name"] == "mel")["gain"]["value"] is None


def test_cold_artists_are_asked_and_nobody_is_his_own_neighbour(material):
    examples = neighbours.section(material)["examples"]
    assert [one["name"] for one in examples] == ["ann", "cy"]
    assert [one["near"][0]["name"] for one in examples] == ["bob", "dee"]
    assert examples[0]["years"] == "1960–1980"
    assert examples[0]["origin"] == "48° N 16° W"
    assert all(one["name"] not in [n["name"] for n in one["near"]] for one in examples)


def test_the_page_shows_table_neighbours_and_maps_without_a_script(material):
    shown = _section(_environment(), material, "neighbours")
    assert shown["body"].count("<circle") == 2 * 12
    for text in ("gain in MAP", "Neighbours of cold artists, by net", 'id="aspect-era"', "1960s", "30–60° N, 0–30° W"):
        assert text in shown["body"]
    assert "<script" not in shown["body"]
    assert "#aspect-genre:checked" in shown["style"]


def test_tracks_far_apart_are_heard_and_those_that_cannot_be_decoded_stay_mute(material, tmp_path):
    for i in range(12):
        tone = np.sin(2 * np.pi * 440 * np.arange(8 * 8000) / 8000) * (i + 1) / 24
        soundfile.write(tmp_path / f"{i}.wav", tone, 8000)
    (tmp_path / "3.wav").write_text("no sound")
    tracks = material.tracks.assign(path=[f"{i}.wav" for i in range(12)])
    able = replace(material, tracks=tracks, root=tmp_path, clips=12)
    shown = neighbours.section(able)["map"]
    assert sorted(player["number"] for player in shown["players"]) == list(range(1, 12))
    mute = [point["track_id"] for point in shown["points"] if point["number"] is None]
    assert mute == ["t3"]
    for player in shown["players"]:
        y, rate = soundfile.read(io.BytesIO(base64.b64decode(player["clip"].partition(",")[2])))
        loudness = (int(shown["points"][player["row"]]["track_id"][1:]) + 1) / 24
        assert len(y) / rate == pytest.approx(5, abs=0.1)
        assert np.sqrt(2) * y[rate:-rate].std() == pytest.approx(loudness, rel=0.05)
    body = _section(_environment(), able, "neighbours")["body"]
    assert body.count("<audio") == 11
    assert body.count('href="#heard-11"') == 2
    assert "<audio" not in _section(_environment(), material, "neighbours")["body"]


def test_points_are_chosen_far_from_each_other_and_never_twice():
    heaps = np.repeat([[0.0, 0], [1, 0], [0, 1]], 5, axis=0)
    assert sorted(row // 5 for row in choose_distant(heaps, 3)) == [0, 1, 2]
    assert len(choose_distant(heaps, 9)) == 3
    assert choose_distant(heaps, 0) == choose_distant(heaps[:0], 4) == []


def test_a_clip_of_a_short_track_is_all_of_it_and_the_same_each_time(tmp_path, rng):
    soundfile.write(tmp_path / "short.wav", rng.uniform(-0.5, 0.5, 22050), 22050)
    first = encode_clip(tmp_path / "short.wav")
    y, rate = soundfile.read(io.BytesIO(base64.b64decode(first.partition(",")[2])))
    assert len(y) / rate == pytest.approx(1, abs=0.1)
    assert encode_clip(tmp_path / "short.wav") == first
    (tmp_path / "words.wav").write_text("no sound")
    assert encode_clip(tmp_path / "words.wav") is None
    with pytest.raises(ReadError, match=r"absent\.wav"):
        encode_clip(tmp_path / "absent.wav")


def test_nothing_ranked_nothing_shown(material, tmp_path):
    write_json(material.paths.ranking, {"skipped": "the dataset has no feature mel"})
    assert neighbours.section(material) is None


def test_without_a_catalog_the_table_stays(material):
    write_json(material.paths.catalog / "skipped.json", {"skipped": "no space passed"})
    found = neighbours.section(material)
    assert (found["examples"], found["map"], len(found["spaces"])) == ([], None, 4)


def test_components_keep_distances_and_heaps_stay_heaps(rng):
    x = rng.normal(size=(30, 4))
    distances = np.linalg.norm(x[:, None] - x, axis=2)
    placed = project_pca(x, 4)
    np.testing.assert_allclose(np.linalg.norm(placed[:, None] - placed, axis=2), distances)
    assert (np.diff(placed.var(axis=0)) < 0).all()
    heaps = np.repeat([[0.0], [30.0]], 15, axis=0) + rng.normal(size=(30, 6))
    plane = project_tsne(heaps, 0)
    nearest = np.linalg.norm(plane[:, None] - plane, axis=2) + np.eye(30) * 1e9
    assert (nearest.argmin(axis=1) // 15 == np.arange(30) // 15).all()
