"""The report's sections about data: each shows what there is, and is absent where there is nothing."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile

from ostinato.curation import remarks
from ostinato.io import tables
from ostinato.io.files import write_json
from ostinato.report import pictures
from ostinato.report.sections import attributes, data, faults, features, labels, names, people
from tiny_project import write_cache

RATE = 8_000


@pytest.fixture
def full_project(copy_prepared, tmp_path):
    """Return a project with two judged candidates, one clip that hums, and a place for each artist."""
    project = copy_prepared(tmp_path, with_places)
    root = project.paths.raw("folder")
    root.mkdir(parents=True)
    hum = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE)
    soundfile.write(root / "silent0.wav", hum, RATE)
    return project


def with_places(project):
    project.make_candidates(good=0.9, svm=0.8)
    project.quarantine(silent=2, unreadable=1)
    n = len(project.tracks)
    told = {
        "year": 1960.0 + np.arange(n) % 40,
        "latitude": np.linspace(-40, 60, n),
        "longitude": np.linspace(-100, 40, n),
    }
    project.tracks.assign(**told).to_parquet(project.paths.tracks, index=False)


@pytest.fixture
def material(full_project):
    from ostinato.stages import report

    return report._read_material(full_project.paths, full_project.params)


def test_a_fault_is_shown_with_its_spectrogram_and_one_that_cannot_be_read_without(material):
    found = faults.section(material)
    assert found["n_faults"] == 3
    assert [(f["reason"], f["picture"] is None) for f in found["faults"]] == [("silent", False), ("unreadable", True)]
    assert "data:image/png;base64" in found["faults"][0]["picture"]


def test_copies_are_listed_with_what_they_repeat(material):
    rows = [("b", "a", "near", "starts +1.0 s into a"), ("c", "a", "exact", "the samples of a")]
    tables.write(material.paths.copies, pd.DataFrame(rows, columns=tables.COPIES.names), tables.COPIES)
    found = faults.section(material)
    assert [(c["track_id"], c["copy_of"]) for c in found["copies"]] == [("b", "a"), ("c", "a")]


def test_a_hum_is_a_line_at_its_frequency():
    rows, seconds = pictures.compute_spectrogram(np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE), RATE)
    assert seconds == 2
    assert set(rows.argmax(axis=1)) == {1000 * pictures.N_FFT // RATE}
    assert np.ptp(rows) <= pictures.FLOOR_DB


def test_half_of_the_tracks_are_by_half_of_equal_artists(material):
    cards = {card["name"]: card for card in people.section(material)["cards"]}
    assert set(cards) == {"artists", "years", "places"}
    assert cards["artists"]["caption"] == "24 artists; the 12 with most tracks have half of all tracks"


def test_a_dataset_that_tells_nothing_has_no_such_sections(material):
    bare = material.tracks.drop(columns=["year", "latitude", "longitude", "artist"])
    nothing = material.quarantine.iloc[:0]
    told = type(material)(**{**vars(material), "tracks": bare, "quarantine": nothing, "suspects": None})
    assert [s.section(told) for s in (people, faults, attributes, features, labels)] == [None] * 5


def test_attributes_are_drawn_counted_and_followed_over_the_years(material):
    n = len(material.tracks)
    energy = pd.Series(np.arange(n) / n).where(np.arange(n) % 4 > 0)
    told = pd.DataFrame({"track_id": material.tracks["track_id"], "energy": energy, "loudness": -energy, "mode": 1.0})
    names = ("energy", "loudness", "mode", "tempo")
    tables.write(material.paths.attributes, told.assign(tempo=np.nan), tables.attributes(names))
    found = attributes.section(material)
    assert found["missing"] == [("energy", n // 4, 0.25), ("loudness", n // 4, 0.25), ("tempo", n, 1.0)]
    assert set(found["pictures"]) == {"distributions", "correlations"}  # three tracks a year say nothing
    told["year"] = 1990.0 + np.arange(n) % 4
    by = attributes.summarise_years(told["energy"], told["year"])
    assert by.index.tolist() == [1991, 1992, 1993]
    assert (by["low"] < by["mean"]).all()


def test_a_clip_is_drawn_in_the_kinds_of_the_cache_with_the_names_of_notes(material):
    track = material.splits["track_id"].iloc[0]
    for kind, bins in (("cqt", 168), ("chroma", 12)):
        write_cache(material.paths.feature(kind), [track], [np.random.default_rng(0).normal(size=(50, bins))])
        about = (material.paths.feature(kind) / "meta.json").read_text()
        (material.paths.feature(kind) / "meta.json").write_text(
            about.replace('"hop_length"', '"bins_per_octave": 24, "hop_length"')
        )
    found = features.section(material)
    assert [k["name"] for k in found["kinds"]] == ["cqt", "chroma"]
    assert all(f">{note}<" in found["kinds"][0]["picture"] for note in ("C1", "C4", "C7"))
    assert ">G#<" in found["kinds"][1]["picture"]


def test_what_an_estimator_says_of_tracks_that_it_learnt_from_makes_no_suspects(full_project, material):
    from ostinato.stages import report

    assert material.gate["svm"]["accepted"]
    full_project.predict("svm", 0.1)
    pd.testing.assert_frame_equal(
        report._read_material(full_project.paths, full_project.params).suspects, material.suspects
    )


def test_planted_wrong_labels_lead_the_page_and_the_table(full_project):
    wrong = full_project.tracks["track_id"].iloc[[i for i in range(120) if i // 15 % 4 == 0][:4]].tolist()
    tracks = pd.read_parquet(full_project.paths.tracks)
    tracks.loc[tracks["track_id"].isin(wrong), "genre"] = "rock"
    tracks.to_parquet(full_project.paths.tracks, index=False)
    changed = set(tracks.loc[tracks["track_id"].isin(wrong) & ~tracks["track_id"].str.startswith("rock"), "track_id"])
    html = full_project.report()
    ranked = pd.read_csv(full_project.paths.report / "plots" / "suspects.csv")
    held_out = full_project.splits.loc[full_project.splits["split"] != "train", "track_id"]
    assert set(ranked["track_id"]) == set(held_out)
    assert changed <= set(ranked.head(len(changed) + 6)["track_id"])
    assert "Nothing was changed or excluded" in html
    assert len(html) < 3_000_000


def test_parts_are_named_whatever_the_order_of_their_figures(tmp_path):
    measured = [{"class_deviation": 0.25, "share": 0.5, "split": "train", "track_id": "fold 0 train"}]
    measured.append({"class_deviation": None, "share": 0.125, "split": "test", "track_id": "fold 0 test"})
    write_json(tmp_path / "parts.json", {"measured": measured})
    found = data._parts(tmp_path / "parts.json")
    assert dict(found["rows"]) == {"fold 0 train": [50.0, 25.0], "fold 0 test": [12.5, None]}
    assert found["columns"] == ["share", "class"]


def test_names_in_several_spellings_are_listed_with_how_to_settle_them(material):
    assert names.section(material) is None
    groups = {"genre": [{"Hip-Hop": 3, "hiphop": 2}], "artist": [{"AC/DC": 4, "ACDC": 1}]}
    write_json(material.paths.receipt("spellings"), {"groups": groups})
    assert names.section(material) == {
        "rows": [
            "genre: Hip-Hop (3), hiphop (2) may be the same; if so, dataset.rename: {hiphop: Hip-Hop}",
            "artist: AC/DC (4), ACDC (1) may be the same; if so, give them one spelling",
        ],
        "n_groups": 2,
    }


def test_names_in_several_spellings_stand_on_the_page(full_project):
    write_json(full_project.paths.receipt("spellings"), {"groups": {"genre": [{"Hip-Hop": 3, "hiphop": 2}]}})
    html = full_project.report()
    assert '<div id="names">' in html
    assert "Hip-Hop (3), hiphop (2) may be the same" in html


def test_what_a_listing_left_out_is_on_the_page(material):
    told = [remarks.make_remark("files without a row in t.csv", 2, 9, ["a.wav", "b.wav"])]
    written = pd.read_parquet(material.paths.tracks).reindex(columns=tables.TRACKS.names).astype({"tags": object})
    tables.write(material.paths.tracks, written, tables.TRACKS, {remarks.KEY: json.dumps(told)})
    assert data.section(material)["remarks"] == ["2 of 9 files without a row in t.csv, such as a.wav; b.wav"]
