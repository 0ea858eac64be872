"""From a file to an answer, with tiny networks whose scores can be worked out by hand."""

import csv
import io
import json
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
import soundfile
from onnx import TensorProto, helper, numpy_helper
from threadpoolctl import threadpool_info, threadpool_limits

from finished_project import description, write_network
from ostinato import audio
from ostinato.audio.context import AudioContext
from ostinato.core.chunks import starts, take
from ostinato.core.task import Task
from ostinato.datasets import folder
from ostinato.errors import OstinatoError
from ostinato.evaluation import external
from ostinato.features import mel
from ostinato.inference.answers import score_doubt
from ostinato.inference.formats import COLUMNS, HASHES, Csv, Json, Text
from ostinato.inference.inputs import FittedInput
from ostinato.inference.latency import compute_latency_ratio
from ostinato.inference.model import ReleasedModel
from ostinato.inference.predict import choose_models, list_files, run, warn
from ostinato.inference.tabular import Near
from ostinato.io.files import write_json

PARAMETERS = {"sample_rate": 8000, "n_mels": 8, "n_fft": 512, "hop_length": 256}
GENRES, TAGS = ["blues", "jazz", "rock"], ["calm", "drums", "fast", "voice"]


def put(folder, name="tiny", task="genre", classes=GENRES, dataset="folder", weight=0.05, **overrides):
    """Write a released folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_network(folder, list(classes), weight)
    about = description(name, task, list(classes), dataset)
    about["inputs"]["mel"] |= {"parameters": PARAMETERS, **overrides}
    write_json(folder / "model.json", about)
    return folder


def play(path, seconds=3.0, frequency=440.0, rate=22050):
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(int(seconds * rate)) / rate
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * frequency * t) * (1 + 0.5 * np.sin(6 * t)), rate)
    return path


def ask(targets, released, **options):
    out, err = io.StringIO(), io.StringIO()
    code = run(targets, released, form=Json(), out=out, err=err, **options)
    return code, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()


def test_scores_are_the_mean_over_chunks_of_what_the_network_says(tmp_path):
    put(tmp_path / "genre")
    path = play(tmp_path / "a.wav")
    rows = np.asarray(mel.compute(AudioContext(*audio.load(path)), **PARAMETERS), np.float16).astype(np.float32)
    means = np.stack([take(rows, s, 16)[0].mean(axis=1) for s in starts(len(rows), 16)])
    expected = Task("genre", tuple(GENRES)).scores(0.05 * means[:, :3]).mean(axis=0)
    assert len(means) > 3
    code, (answer,), _ = ask([path], tmp_path)
    assert code == 0
    assert list(answer) == ["path", "task", "model", "label", "unsure", "reasons", "scores", *HASHES]
    assert (answer["path"], answer["task"], answer["model"]) == (str(path), "genre", "tiny")
    np.testing.assert_allclose([answer["scores"][c] for c in GENRES], expected, atol=2e-6)
    assert answer["label"] == GENRES[expected.argmax()]


def test_the_embedding_is_the_mean_over_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr("ostinato.inference.model.BATCH", 3)
    context = AudioContext(*audio.load(play(tmp_path / "a.wav")))
    rows = np.asarray(mel.compute(context, **PARAMETERS), np.float16).astype(np.float32)
    means = np.stack([take(rows, s, 16)[0].mean(axis=1) for s in starts(len(rows), 16)])
    np.testing.assert_allclose(
        ReleasedModel(put(tmp_path / "genre")).predict(context).embedding, means.mean(axis=0), rtol=1e-5
    )


@pytest.mark.parametrize("how", ["frame", "track", "train"])
def test_inputs_are_standardised_as_in_training(how, rng):
    rows = rng.normal(3, 2, (40, 8)).astype(np.float32)
    mean, std = (rows.mean(axis=0), rows.std(axis=0)) if how == "train" else (None, None)
    given = FittedInput(feature="mel", parameters={}, bins=8, chunk_frames=16, normalise=how, mean=mean, std=std)
    made = given.batch(rows)
    assert made.shape == (3, 1, 8, 16)
    assert made.dtype == np.float32
    first = rows[:16]
    expected = {
        "frame": (first - first.mean(1, keepdims=True)) / first.std(1, keepdims=True),
        "track": (first - rows.mean()) / rows.std(),
        "train": (first - rows.mean(0)) / rows.std(0),
    }[how]
    np.testing.assert_allclose(made[0, 0], expected.T, atol=1e-5)


def test_a_track_level_network_sees_all_chunks_at_once(tmp_path, monkeypatch):
    """Its graph pools over chunks itself: here the largest logit of any chunk."""
    monkeypatch.setattr("ostinato.inference.model.BATCH", 2)
    folder = put(tmp_path / "genre")
    network = onnx.load(str(folder / "network.onnx"))
    network.graph.node[-1].output[0] = "each"
    network.graph.node.append(helper.make_node("ReduceMax", ["each", "first"], ["logits"], keepdims=1))
    network.graph.initializer.append(numpy_helper.from_array(np.array([0]), "first"))
    onnx.save(network, str(folder / "network.onnx"))
    about = json.loads((folder / "model.json").read_text())
    write_json(folder / "model.json", about | {"level": "track"})
    path = play(tmp_path / "a.wav")
    rows = np.asarray(mel.compute(AudioContext(*audio.load(path)), **PARAMETERS), np.float16).astype(np.float32)
    logits = np.stack([0.05 * take(rows, s, 16)[0].mean(axis=1)[:3] for s in starts(len(rows), 16)]).max(axis=0)
    np.testing.assert_allclose(
        ReleasedModel(folder).scores(AudioContext(*audio.load(path))),
        Task("genre", tuple(GENRES)).scores(logits),
        atol=1e-6,
    )


def test_a_network_of_tracks_is_asked_about_each_chunk(tmp_path):
    """A chunk scores what it would score as a track of its own."""
    folder = put(tmp_path / "genre", weight=0.5)
    about = json.loads((folder / "model.json").read_text())
    file = play(tmp_path / "a.wav")
    _, [of_chunks], _ = ask([file], tmp_path, over_time=True)
    write_json(folder / "model.json", about | {"level": "track"})
    _, [of_tracks], err = ask([file], tmp_path, over_time=True)
    assert of_tracks["over_time"] == of_chunks["over_time"]  # this network hears a chunk the same either way
    assert len(of_tracks["over_time"]["starts"]) > 3
    assert "chunks" not in err
    _, [plain], _ = ask([file], tmp_path)
    assert "over_time" not in plain


def test_what_sums_a_track_up_says_that_it_has_no_chunks(tmp_path):
    folder = put(tmp_path / "genre", summary=True, chunk_frames=None)
    about = json.loads((folder / "model.json").read_text())
    write_json(folder / "model.json", about | {"level": "track"})
    assert not ReleasedModel(folder).can_score_chunks
    _, _, err = ask([tmp_path / "absent.wav"], tmp_path, over_time=True)
    assert "tiny: scores whole tracks only, without chunks" in err


def test_an_estimator_reads_a_summary(tmp_path, monkeypatch):
    folder = put(tmp_path / "genre", summary=True, chunk_frames=None)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["mel", "matrix"], ["logits"]),
            helper.make_node("Identity", ["mel"], ["embedding"]),
        ],
        "linear",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, ["batch", 16])],
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", d])
            for n, d in (("logits", 3), ("embedding", 16))
        ],
        [numpy_helper.from_array(np.eye(16, 3, dtype=np.float32), "matrix")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10),
        str(folder / "network.onnx"),
    )
    monkeypatch.setattr("ostinato.core.summary.summary", lambda rows: np.r_[rows.mean(0), rows.std(0)])
    context = AudioContext(*audio.load(play(tmp_path / "a.wav")))
    rows = np.asarray(mel.compute(context, **PARAMETERS), np.float16).astype(np.float32)
    expected = Task("genre", tuple(GENRES)).scores(rows.mean(0)[:3])
    np.testing.assert_allclose(ReleasedModel(folder).scores(context), expected, atol=1e-5)
    assert ReleasedModel(folder).example()["mel"].shape == (1, 16)


def test_tags_are_named_from_their_thresholds_on(tmp_path):
    folder = put(tmp_path / "tags", task="tags", classes=TAGS)
    about = json.loads((folder / "model.json").read_text())
    about["thresholds"] = {"calm": 0.3, "drums": 0.6, "fast": 0.5, "voice": 0.9}
    write_json(folder / "model.json", about)
    model = ReleasedModel(folder)
    assert model.label(np.array([0.3, 0.59, 0.7, 0.0])) == ["calm", "fast"]
    _, (answer,), _ = ask([play(tmp_path / "a.wav")], tmp_path)
    assert isinstance(answer["label"], list)


def test_a_network_of_two_kinds_hears_both_at_the_same_time(tmp_path):
    """The second kind's chunks last longer, so it has fewer of its own; the first kind's number counts."""
    folder = put(tmp_path / "genre")
    maps = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1, 8, "t_" + name]) for name in "ab"}
    outs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", 3]) for n in ("logits", "embedding")]
    nodes = [helper.make_node("ReduceMean", [n, "axes"], [f"mean_{n}"], keepdims=0) for n in "ab"]
    nodes += [
        helper.make_node("Concat", ["mean_a", "mean_b", "mean_b"], ["logits"], axis=1),
        helper.make_node("Identity", ["logits"], ["embedding"]),
    ]
    axes = numpy_helper.from_array(np.array([2, 3]), "axes")
    graph = helper.make_graph(nodes, "two", list(maps.values()), outs, [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, str(folder / "network.onnx"))
    about = json.loads((folder / "model.json").read_text())
    one = about["inputs"]["mel"]
    about["inputs"] = {"a": one | {"chunk_frames": 8}, "b": one | {"chunk_frames": 40}}
    write_json(folder / "model.json", about)
    context = AudioContext(*audio.load(play(tmp_path / "a.wav")))
    rows = np.asarray(mel.compute(context, **PARAMETERS), np.float16).astype(np.float32)
    n = len(starts(len(rows), 8))
    means = [[take(rows, s, length).mean() for s in starts(len(rows), length, n)] for length in (8, 40)]
    logits = np.stack([means[0], means[1], means[1]], axis=1)
    expected = Task("genre", tuple(GENRES)).scores(logits).mean(axis=0)
    assert n > len(starts(len(rows), 40))
    np.testing.assert_allclose(ReleasedModel(folder).scores(context), expected, atol=1e-5)


def test_what_a_file_of_audio_does_not_hold_is_said(tmp_path):
    put(tmp_path / "genre", source="lyrics", feature="lyrics")
    code, (answer,), _ = ask([play(tmp_path / "a.wav")], tmp_path)
    assert (code, answer["error"]) == (1, "the released model reads lyrics, which cannot be computed from audio")


def test_a_run_leaves_the_cores_to_files_and_network(tmp_path, monkeypatch):
    """Threads of BLAS that wait for work slow the network down."""
    seen = []

    def record_threads(*given, predict=ReleasedModel.predict_features, **more):
        seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return predict(*given, **more)

    monkeypatch.setattr(ReleasedModel, "predict_features", record_threads)
    put(tmp_path / "genre")
    with threadpool_limits(2):
        assert ask([play(tmp_path / "a.wav")], tmp_path)[0] == 0
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {2}
    assert set(seen) == {1}


def test_a_bad_file_is_reported_and_the_rest_goes_on(tmp_path):
    put(tmp_path / "released" / "genre")
    music = tmp_path / "my music"
    play(music / "b 🎵.wav")
    play(music / "deep" / "a.FLAC")
    (music / "broken.mp3").write_text("this is no music")
    (music / "empty.wav").touch()
    (music / "notes.txt").write_text("not audio")
    code, answers, _ = ask([music, tmp_path / "nowhere.wav"], tmp_path / "released")
    assert code == 1
    by_name = {a["path"].rsplit("/", 1)[-1]: a for a in answers}
    assert set(by_name) == {"b 🎵.wav", "a.FLAC", "broken.mp3", "empty.wav", "nowhere.wav"}
    assert {n for n, a in by_name.items() if "error" in a} == {"broken.mp3", "empty.wav", "nowhere.wav"}
    assert set(by_name["empty.wav"]) == {"path", "error"}
    assert str(music) not in by_name["broken.mp3"]["error"]


def test_a_folder_without_audio_is_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    assert list(list_files([tmp_path / "empty"])) == [(tmp_path / "empty", "no audio file in this folder")]


def test_a_clip_shorter_than_a_chunk_is_answered(tmp_path):
    put(tmp_path / "genre")
    code, (answer,), _ = ask([play(tmp_path / "a.wav", seconds=0.1)], tmp_path)
    assert code == 0
    assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-5)


def folder_of(tmp_path, n=6):
    for i in range(n):
        play(tmp_path / "music" / f"genre {i % 2}" / f"{i}, tone.wav", frequency=200.0 * 2 ** (i / 2))
    return tmp_path / "music"


def test_workers_change_neither_answers_nor_their_order(tmp_path):
    put(tmp_path / "released" / "genre")
    music = folder_of(tmp_path)
    (music / "broken.mp3").write_text("this is no music")
    alone, several = (ask([music], tmp_path / "released", workers=n) for n in (1, 3))
    assert alone == several
    assert (alone[0], len(alone[1])) == (1, 7)


@pytest.mark.parametrize("form", [Json(), Csv()], ids=["json", "csv"])
def test_a_run_cut_off_goes_on_where_it_stopped(tmp_path, form, monkeypatch):
    put(tmp_path / "released" / "genre")
    put(tmp_path / "released" / "tags", task="tags", classes=TAGS)
    music, whole, cut = folder_of(tmp_path), tmp_path / "whole", tmp_path / "deep" / "cut"
    (music / "broken.mp3").write_text("this is no music")
    options = {"task": "all", "form": form}
    assert run([music], tmp_path / "released", out=whole, **options) == 1
    text = whole.read_text()
    cut.parent.mkdir()
    cut.write_text(text[: text.index("3, tone") + 40])
    asked = []

    def count_calls(*given, predict=ReleasedModel.predict_features, **more):
        asked.append(1)
        return predict(*given, **more)

    monkeypatch.setattr(ReleasedModel, "predict_features", count_calls)
    assert run([music], tmp_path / "released", out=cut, **options) == 1
    assert sorted(cut.read_text().splitlines()) == sorted(text.splitlines())
    assert 0 < len(asked) < 12
    asked.clear()
    run([music], tmp_path / "released", out=cut, **options)
    assert asked == []


@pytest.mark.parametrize("form", [Json(), Csv()], ids=["json", "csv"])
def test_answers_of_another_model_or_of_other_bytes_are_made_anew(tmp_path, form):
    """A file that is written again, of the same size and time too, and a release meanwhile."""
    put(tmp_path / "released" / "genre")
    first, second, out = play(tmp_path / "a.wav"), play(tmp_path / "b.wav", frequency=2000.0), tmp_path / "out"

    def go_on():
        err = io.StringIO()
        assert run([first, second], tmp_path / "released", form=form, out=out, err=err) == 0
        fresh = io.StringIO()
        run([first, second], tmp_path / "released", form=form, out=fresh, err=io.StringIO())
        assert sorted(out.read_text().splitlines()) == sorted(fresh.getvalue().splitlines())
        return err.getvalue()

    assert "out: 2 new, 0 already there, 0 failed" in go_on()
    before = first.stat()
    play(first, frequency=600.0)
    os.utime(first, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert first.stat().st_size == before.st_size
    again = "of them again: the file, the model or the catalog has changed"
    assert f"out: 1 new (1 {again}), 1 already there, 0 failed" in go_on()
    put(tmp_path / "released" / "genre", weight=0.5)
    assert f"out: 2 new (2 {again}), 0 already there, 0 failed" in go_on()
    assert "out: 0 new, 2 already there, 0 failed" in go_on()


def test_answers_that_do_not_say_what_they_are_of_are_made_anew(tmp_path):
    put(tmp_path / "released" / "genre")
    file, out = play(tmp_path / "a.wav"), tmp_path / "out"
    run([file], tmp_path / "released", form=Json(), out=out, err=io.StringIO())
    whole = json.loads(out.read_text())
    out.write_text(json.dumps({k: v for k, v in whole.items() if k not in HASHES} | {"label": "polka"}) + "\n")
    run([file], tmp_path / "released", form=Json(), out=out, err=io.StringIO())
    assert [json.loads(line) for line in out.read_text().splitlines()] == [whole]


def test_answers_without_neighbours_are_asked_again_where_neighbours_are_wanted(tmp_path):
    put(tmp_path / "released" / "genre")
    file, out = play(tmp_path / "a.wav"), tmp_path / "out"
    near = Near(lambda place, row: [{"track_id": "x", "score": 0.5}], "hash")
    for call, n in ((None, 0), (near, 1)):
        run([file], tmp_path / "released", form=Json(), out=out, near=call, err=io.StringIO())
        (answer,) = map(json.loads, out.read_text().splitlines())
        assert len(answer.get("neighbours", [])) == n


def test_a_file_that_several_paths_lead_to_is_answered_once(tmp_path):
    put(tmp_path / "released" / "genre")
    file = play(tmp_path / "music" / "a.wav")
    (tmp_path / "link.wav").symlink_to(file)
    targets = [file, tmp_path / "link.wav", tmp_path / "music", file]
    _, answers, err = ask(targets, tmp_path / "released")
    assert [answer["path"] for answer in answers] == [str(file)]
    assert "skipped: 3 that other given paths lead to" in err


@pytest.mark.parametrize("form", [Json(), Csv(), Text()], ids=["json", "csv", "text"])
@pytest.mark.parametrize("content", [b"my notes\n", b"a,b\n1,2\n", b"\xff\xfb\x90\x00", b'{"other": 1}\n'])
def test_a_file_of_something_else_is_left_as_it_is(tmp_path, form, content):
    put(tmp_path / "released" / "genre")
    out = tmp_path / "mine"
    out.write_bytes(content)
    with pytest.raises(OstinatoError, match="mine: does not hold answers"):
        run([play(tmp_path / "a.wav")], tmp_path / "released", form=form, out=out)
    assert out.read_bytes() == content


@pytest.mark.parametrize("form", [Json(), Csv()], ids=["json", "csv"])
def test_what_another_task_answered_stays(tmp_path, form):
    put(tmp_path / "released" / "genre")
    put(tmp_path / "released" / "tags", task="tags", classes=TAGS)
    out, file = tmp_path / "out", play(tmp_path / "a.wav")
    run([file], tmp_path / "released", task="genre", form=form, out=out)
    first = out.read_text()
    run([file], tmp_path / "released", task="tags", form=form, out=out)
    assert out.read_text().startswith(first)
    assert len(out.read_text()) > len(first)


@pytest.mark.parametrize("form", [Json(), Csv()], ids=["json", "csv"])
def test_what_is_not_asked_again_stays(tmp_path, form):
    """A failure, and a path that only another task answered, of a run that asked for other files."""
    put(tmp_path / "released" / "genre")
    put(tmp_path / "released" / "tags", task="tags", classes=TAGS)
    out, first, second = tmp_path / "out", play(tmp_path / "a.wav"), play(tmp_path / "b.wav")
    run([first, tmp_path / "gone.wav"], tmp_path / "released", task="genre", form=form, out=out)
    before = out.read_text().splitlines()
    run([second], tmp_path / "released", task="all", form=form, out=out)
    assert out.read_text().splitlines()[: len(before)] == before
    run([first, tmp_path / "gone.wav"], tmp_path / "released", task="all", form=form, out=out)
    said = [form.read(line)[:2] for line in out.read_text().splitlines() if line != form.header]
    assert sorted(said, key=str) == sorted(
        [(str(p), t) for p in (first, second) for t in ("genre", "tags")] + [(str(tmp_path / "gone.wav"), None)],
        key=str,
    )


def test_names_that_are_no_text_and_hidden_files_stop_nothing(tmp_path):
    put(tmp_path / "released" / "genre")
    music = tmp_path / "music"
    play(music / "odd.wav").rename(music / os.fsdecode(b"caf\xe9.wav"))
    play(music / "plain.wav")
    play(music / ".hidden" / "a.wav")
    (music / "._plain.wav").write_bytes(b"what a Mac leaves beside a file")
    out = tmp_path / "out.jsonl"
    for _ in range(2):
        assert run([music], tmp_path / "released", form=Json(), out=out) == 0
        answers = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        assert [a["path"] for a in answers] == [f"{music}/caf\\xe9.wav", f"{music}/plain.wav"]


def test_a_table_has_a_row_a_chunk(tmp_path):
    put(tmp_path / "genre")
    out = io.StringIO()
    run([play(tmp_path / "a, b.wav")], tmp_path, form=Csv(), over_time=True, out=out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert tuple(rows[0]) == COLUMNS
    starts = [float(r["start"]) for r in rows]
    assert len(rows) == -(-(1 + 3 * 22050 * 8000 // 22050 // 256) // 16)
    assert starts[0] == 0
    np.testing.assert_allclose(np.diff(starts), np.diff(starts)[0], atol=0.04)
    assert {r["label"] for r in rows} <= set(GENRES)
    assert rows[0]["path"].endswith("a, b.wav")


def test_text_names_tags_in_the_order_of_their_scores():
    scores = {"calm": 0.3, "fast": 0.9, "loud": 0.1, "old": 0.6}
    answer = {"path": "a.wav", "label": ["calm", "fast", "old"], "scores": scores, "unsure": False, "reasons": []}
    assert list(Text().lines(answer)) == ["a.wav: fast; old; calm (fast 0.90, old 0.60, calm 0.30)"]


def test_text_says_what_is_unsure(tmp_path):
    folder = put(tmp_path / "genre")
    about = json.loads((folder / "model.json").read_text())
    for below, words in ((0.2, False), (0.99, True)):
        write_json(folder / "model.json", about | {"unsure_below": below})
        out = io.StringIO()
        run([play(tmp_path / "a.wav")], tmp_path, out=out)
        assert ("(unsure: score 0.5" in out.getvalue()) == words
        assert (", sure from 0.990 on)" in out.getvalue()) == words


def test_without_a_promise_every_label_is_unsure_and_the_model_is_named_once(tmp_path):
    folder = put(tmp_path / "genre")
    about = json.loads((folder / "model.json").read_text())
    write_json(folder / "model.json", about | {"unsure_below": None})
    model, err = ReleasedModel(folder), io.StringIO()
    assert model.is_unsure(np.array([1.0, 0.0]))
    warn([model], False, err)
    assert err.getvalue().count("cannot be guaranteed") == 1
    write_json(folder / "model.json", about | {"unsure_below": 0.4})
    assert not ReleasedModel(folder).is_unsure(np.array([0.45, 0.2]))


def test_a_review_list_is_a_table_that_ingest_reads(tmp_path):
    put(tmp_path / "released" / "genre")
    music = folder_of(tmp_path)
    run([music], tmp_path / "released", out=io.StringIO(), review=tmp_path / "review.csv")
    rows = list(csv.DictReader((tmp_path / "review.csv").open()))
    doubts = [float(r["doubt"]) for r in rows]
    assert doubts == sorted(doubts, reverse=True)
    rows[0]["genre"] = "polka"
    with (tmp_path / "review.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    tracks = folder.tracks(music, folder.Options(table=str(tmp_path / "review.csv"))).set_index("path")
    assert tracks["genre"].dropna().to_dict() == {rows[0]["path"]: "polka"}, "what nobody checked is no label"
    assert {row["predicted_genre"] for row in rows} <= set(GENRES)


def review(path):
    return {row["path"]: row for row in csv.DictReader(path.open())}


def test_a_review_lists_files_that_cannot_be_read_with_the_reason(tmp_path):
    put(tmp_path / "released" / "genre")
    music = tmp_path / "music"
    play(music / "a.wav")
    (music / "b.mp3").write_text("no music here\n" * 99)
    (music / "c.csv").write_text("no,table\n1,2\n")
    targets = [music, music / "c.csv", tmp_path / "absent.wav"]
    code = run(targets, tmp_path / "released", out=io.StringIO(), review=tmp_path / "review.csv", err=io.StringIO())
    rows = review(tmp_path / "review.csv")
    assert code == 1
    assert list(rows) == ["music/b.mp3", "music/a.wav"]
    assert rows["music/b.mp3"]["error"].startswith("cannot be decoded")
    assert (rows["music/b.mp3"]["doubt"], rows["music/b.mp3"]["genre"], rows["music/a.wav"]["error"]) == ("1.0", "", "")
    table = folder.Options(table=str(tmp_path / "review.csv"))
    assert set(folder.tracks(tmp_path, table)["path"]) >= {"music/a.wav", "music/b.mp3"}


def test_a_review_says_why_and_orders_what_is_equally_doubtful(tmp_path):
    """Files that sound strange are all as doubtful as can be; among them the scores decide, then the path."""
    folder_of_model = put(tmp_path / "released" / "genre", weight=0.5)
    write_json(folder_of_model / "reference.json", {"bounds": {"max_silence_share": 0.5}})
    music = tmp_path / "music"
    play(music / "a.wav")
    for name, level in (("y.wav", 0.3), ("x.wav", 0.3), ("z.wav", 0.0)):
        t = np.arange(22050) / 22050
        tone = level * np.sin(2 * np.pi * 440 * t)
        soundfile.write(music / name, np.concatenate([tone, np.zeros(44100)]), 22050)
    (music / "lost.wav").symlink_to(tmp_path / "nowhere.wav")
    run([music], tmp_path / "released", out=io.StringIO(), review=tmp_path / "review.csv", err=io.StringIO())
    rows = review(tmp_path / "review.csv")
    tones = ["x.wav", "y.wav"]
    assert list(rows) == ["lost.wav", *(["z.wav", *tones] if list(rows)[1] == "z.wav" else [*tones, "z.wav"]), "a.wav"]
    _, answers, _ = ask([music], tmp_path / "released")
    doubts = {a["path"].rsplit("/")[-1]: score_doubt(a) for a in answers if "error" not in a}
    assert [doubts[name] for name in list(rows)[1:4]] == sorted((doubts[n] for n in (*tones, "z.wav")), reverse=True)
    assert rows["x.wav"]["reasons"].startswith("silent: silence share 0.6")
    assert "does not exist" in rows["lost.wav"]["error"]
    assert all(row["genre"] == "" for row in rows.values())


def test_a_review_does_not_repeat_for_each_file_what_holds_of_the_model(tmp_path):
    about = json.loads((put(tmp_path / "released" / "genre") / "model.json").read_text())
    write_json(tmp_path / "released" / "genre" / "model.json", about | {"unsure_below": None})
    music = folder_of(tmp_path, 2)
    err = io.StringIO()
    run([music], tmp_path / "released", out=io.StringIO(), review=tmp_path / "review.csv", err=err)
    assert {row["reasons"] for row in review(tmp_path / "review.csv").values()} == {""}
    assert err.getvalue().count("cannot be guaranteed") == 1


def test_a_review_of_tags_is_no_truth_until_somebody_fills_it_in(tmp_path):
    put(tmp_path / "released" / "tags", task="tags", classes=TAGS)
    music = folder_of(tmp_path)
    run([music], tmp_path / "released", out=io.StringIO(), review=tmp_path / "review.csv", err=io.StringIO())
    tracks = folder.tracks(music, folder.Options(table=str(tmp_path / "review.csv")))
    assert not tracks["tags"].map(len).any()
    with pytest.raises(OstinatoError, match="no track has a tags"):
        external.evaluate(ReleasedModel(tmp_path / "released" / "tags"), music, table=str(tmp_path / "review.csv"))


def test_a_folder_s_links_are_followed_and_what_is_passed_over_is_told(tmp_path):
    put(tmp_path / "released" / "genre")
    music = tmp_path / "music"
    play(music / "jazz" / "a.wav"), play(tmp_path / "elsewhere" / "b.wav", frequency=2000.0)
    (music / "rock").symlink_to(tmp_path / "elsewhere")
    (music / "rock" / "back").symlink_to(music)
    (music / "jazz" / "again.wav").symlink_to("a.wav")
    (music / "jazz" / "x.mid").touch()
    code, answers, err = ask([music], tmp_path / "released")
    assert code == 0
    assert [answer["path"] for answer in answers] == [str(music / "jazz/a.wav"), str(music / "rock/b.wav")]
    told = [
        "1 leading to the same file as another path, such as jazz/again.wav (same as jazz/a.wav)",
        "1 leading to the same folder as another path, such as rock/back (same as .)",
        "1 with the suffix .mid, such as jazz/x.mid",
    ]
    assert err == f"{music}: skipped: {'; '.join(told)}\n"


def test_files_of_the_same_name_stay_apart_in_a_review(tmp_path):
    put(tmp_path / "released" / "genre")
    play(tmp_path / "one" / "a.wav"), play(tmp_path / "two" / "a.wav", frequency=2000.0)
    err, table = io.StringIO(), tmp_path / "review.csv"
    run([tmp_path / "one", tmp_path / "two"], tmp_path / "released", out=io.StringIO(), review=table, err=err)
    assert set(review(table)) == {"one/a.wav", "two/a.wav"}
    assert f"paths are relative to {tmp_path};" in err.getvalue()
    assert set(folder.tracks(tmp_path, folder.Options(table=str(table)))["path"]) == {"one/a.wav", "two/a.wav"}


def test_a_review_lists_what_was_answered_before_too_and_overwrites_nothing(tmp_path):
    put(tmp_path / "released" / "genre")
    play(tmp_path / "music" / "a.wav"), play(tmp_path / "music" / "b.wav", frequency=2000.0)
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    options = {"form": Json(), "out": tmp_path / "out.jsonl", "err": io.StringIO()}
    run([tmp_path / "music"], tmp_path / "released", review=first, **options)
    run([tmp_path / "music"], tmp_path / "released", review=second, **options)
    assert review(first) == review(second)
    assert len(review(first)) == 2
    with pytest.raises(OstinatoError, match=r"first\.csv: already exists and may hold corrections"):
        run([tmp_path / "music"], tmp_path / "released", review=first, **options)
    with pytest.raises(OstinatoError, match="has no scores to rank by"):
        run([tmp_path / "music"], tmp_path / "released", review=tmp_path / "third.csv", form=Csv(), out=tmp_path / "o")
    assert review(first) == review(second)


@pytest.mark.parametrize("form", [Json(), Csv()], ids=["json", "csv"])
def test_answers_without_chunks_are_asked_again_where_chunks_are_wanted(tmp_path, form):
    put(tmp_path / "released" / "genre")
    file, out = play(tmp_path / "a.wav"), tmp_path / "out"
    for over_time, known in ((False, 0), (False, 1), (True, 0), (True, 1), (False, 1)):
        err = io.StringIO()
        run([file], tmp_path / "released", form=form, out=out, over_time=over_time, err=err)
        assert f"{1 - known} new, {known} already there, 0 failed" in err.getvalue()
    lines = out.read_text().splitlines()
    assert all(form.read(line).over_time for line in lines if line != form.header)


def test_failures_are_told_beside_a_file_of_answers(tmp_path):
    put(tmp_path / "released" / "genre")
    (tmp_path / "bad.wav").write_text("no sound")
    for _ in range(2):
        err = io.StringIO()
        files = [tmp_path / "bad.wav", play(tmp_path / "a.wav")]
        assert run(files, tmp_path / "released", form=Json(), out=tmp_path / "out", err=err) == 1
        assert f"{tmp_path / 'bad.wav'}: cannot be decoded" in err.getvalue()
        assert "1 failed\n" in err.getvalue()


def test_which_models_are_asked(tmp_path):
    with pytest.raises(OstinatoError, match="no model is released"):
        choose_models(tmp_path, None)
    tags = put(tmp_path / "tags", task="tags", classes=TAGS)
    assert choose_models(tmp_path, None) == [tags]
    genre = put(tmp_path / "genre")
    put(tmp_path / ".previous" / "genre")
    assert choose_models(tmp_path, None) == [genre]
    assert choose_models(tmp_path, "all") == [genre, tags]
    assert choose_models(tmp_path, "tags") == [tags]
    with pytest.raises(OstinatoError, match="nothing is released for 'mood'; there is genre, tags"):
        choose_models(tmp_path, "mood")


def test_a_model_of_the_embedded_corpus_says_so(tmp_path):
    put(tmp_path / "genre", dataset="synthetic")
    path = play(tmp_path / "a.wav")
    assert "its labels mean nothing on real music" in ask([path], tmp_path)[2]
    put(tmp_path / "genre", dataset="folder")
    assert ask([path], tmp_path)[2] == ""


def test_a_released_folder_that_does_not_fit_is_refused(tmp_path):
    folder = put(tmp_path / "genre")
    about = json.loads((folder / "model.json").read_text())
    write_json(folder / "model.json", about | {"inputs": {"cqt": about["inputs"]["mel"]}})
    with pytest.raises(OstinatoError, match=r"takes \['mel'\], model.json describes \['cqt'\]"):
        ReleasedModel(folder)
    write_json(folder / "model.json", {k: v for k, v in about.items() if k != "level"})
    with pytest.raises(OstinatoError, match="lacks 'level'"):
        ReleasedModel(folder)
    write_json(folder / "model.json", about)
    (folder / "network.onnx").write_bytes(b"no network")
    with pytest.raises(OstinatoError, match="is not a readable network"):
        ReleasedModel(folder)


def test_latency_is_timed_on_the_networks_own_inputs(tmp_path):
    pair = put(tmp_path / "a"), put(tmp_path / "b", chunk_frames=32)
    assert ReleasedModel(pair[1]).example()["mel"].shape == (1, 1, 8, 32)
    assert compute_latency_ratio(*pair) > 0


def test_predict_needs_neither_network_libraries_nor_tables(tmp_path):
    put(tmp_path / "genre")
    path = play(tmp_path / "a.wav")
    code = (
        "import sys; from pathlib import Path; from ostinato.inference.predict import run;"
        "from ostinato.inference.formats import Json;"
        f"code = run([Path({str(path)!r})], Path({str(tmp_path)!r}), form=Json());"
        "libraries = {'torch', 'pandas', 'pytorch_lightning', 'optuna', 'matplotlib'};"
        "print(sorted(libraries & set(sys.modules)), file=sys.stderr);"
        "sys.exit(code)"
    )
    (tmp_path / "home").mkdir()
    away = os.environ | {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "home")}
    away = {k: v for k, v in away.items() if k not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "CI")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=away)
    assert done.stderr.strip() == "[]"
    assert json.loads(done.stdout)["label"] in GENRES
    assert list((tmp_path / "home").iterdir()) == [], "nothing numbers the machine, nothing waits to be sent"
