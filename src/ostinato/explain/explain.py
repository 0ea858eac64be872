"""Explanation of a file's prediction: integrated gradients on the spectrogram, as a picture and as numbers.

Red parts support the class and blue ones oppose it, compared with a spectrogram that
is everywhere as quiet as its quietest part. Random weights must give another map,
else the map would show the input and not what was learnt: the result includes the
similarity of the two maps.
"""

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ostinato import audio, features
from ostinato.audio.context import AudioContext
from ostinato.core.chunks import starts
from ostinato.core.paths import Paths
from ostinato.core.scores import pool, scores
from ostinato.core.task import COLUMNS
from ostinato.errors import OstinatoError
from ostinato.evaluation.classification import get_metrics
from ostinato.features._axes import Axis
from ostinato.inference.inputs import FittedInput
from ostinato.io.files import atomic_write, read_json, write_json
from ostinato.training import artefact as artefacts
from ostinato.training.artefact import Artefact

DIGITS = 6
ALIKE = 0.5
"""Maps as similar as this to that of random weights are unreliable; see docs/judging.md."""


@dataclass(frozen=True)
class Map:
    """The attributions of one input, with chunks merged.

    Parameters
    ----------
    rows : np.ndarray [shape=(n_frames, n_bins)]
        The feature.
    parts : np.ndarray [shape=(n_frames, n_bins)]
        Contribution of each point to the logit.
    frame_seconds : float or None
    axis : Axis
        Labels of the bins.
    """

    rows: np.ndarray
    parts: np.ndarray
    frame_seconds: float | None
    axis: Axis


def explain(
    paths: Paths, name: str, file: Path, *, label: str | None = None, seed: int = 0
) -> tuple[dict[str, Any], dict[str, Map]]:
    """Explain the score of a class for a file.

    Parameters
    ----------
    paths : Paths
    name : str
        A trained network with one or more spectrograms; for a stack, name one of its members.
    file : Path
        Audio.
    label : str, optional
        A class; default: that with the highest score.
    seed : int
        Seed of the random weights.

    Returns
    -------
    answer : dict
        ``model``, ``class``, ``score`` of the track, equal to that of `ostinato predict` if ``calibrated``,
        ``rise`` of its logit over the baseline, ``incomplete`` (error of the sum of all parts, relative to
        ``rise``), ``similarity`` to the map of random weights and whether it is low enough to be ``sound``,
        and per input the sums by frame and by bin.
    maps : dict of str to Map
        By input.

    Raises
    ------
    OstinatoError
        If the candidate is a stack or an estimator, does not read audio, or has no
        classes or no such class.
    """
    from ostinato.explain.attribution import class_logit, integrated_gradients, shuffle_weights, similarity

    artefact = artefacts.load(paths.checkpoints(name))
    inputs = _inputs(artefact)
    rows, feeds = _feeds(inputs, file)
    network = artefacts.network(paths.checkpoints(name), artefact)
    temperature = find_temperature(paths, name)
    kind = artefact.task_with_classes.kind
    probabilities = scores(pool(_logits(network, feeds), kind) / (temperature or 1.0), kind)
    position = _position(artefact, probabilities, label)
    floors = [np.full_like(x, x.min()) for x in feeds]
    function = class_logit(network, position)
    networks = tqdm((function, class_logit(shuffle_weights(network, seed), position)), desc="explain", unit="network")
    parts, random = (integrated_gradients(one, feeds, floors) for one in networks)
    rise = float(_logits(network, feeds)[:, position].mean() - _logits(network, floors)[:, position].mean())
    correlation = similarity(parts, random, feeds, floors)
    maps = {n: _assemble(inputs[n], rows[n], part) for n, part in zip(inputs, parts, strict=True)}
    error = abs(sum(float(p.sum()) for p in parts) - rise)
    answer = {
        "path": str(file), "model": name, "class": artefact.classes[position],
        "score": round(float(probabilities[position]), DIGITS), "calibrated": temperature is not None,
        "rise": round(rise, DIGITS),
        "incomplete": round(error / max(abs(rise), 1e-9), DIGITS),
        "similarity": round(correlation, DIGITS), "sound": bool(abs(correlation) < ALIKE),
        "inputs": {n: _sums(m) for n, m in maps.items()},
    }  # fmt: skip
    return answer, maps


def find_temperature(paths: Paths, name: str) -> float | None:
    """Return the temperature of a candidate's calibration.

    Parameters
    ----------
    paths : Paths
    name : str

    Returns
    -------
    float or None
        None if the candidate is not exported.
    """
    path = paths.onnx(name) / "model.json"
    return float(read_json(path).get("temperature", 1.0)) if path.exists() else None


def find_released(paths: Paths, task: str, metric: str) -> tuple[str | None, str]:
    """Return the released model, or the best member of a released stack that reads audio.

    Parameters
    ----------
    paths : Paths
    task : str
    metric : str
        Ranks the task's candidates.

    Returns
    -------
    stack : str or None
        The released stack, or None.
    name : str

    Raises
    ------
    OstinatoError
        If no member of the stack can be explained.
    """
    name = str(read_json(paths.current_release(task) / "model.json")["name"])
    artefact = artefacts.load(paths.checkpoints(name))
    if artefact.fitter != "stacked":
        return None, name
    sign = 1 if get_metrics(COLUMNS[task])[metric].higher_is_better else -1
    metrics = {}
    for member in artefact.members:
        with suppress(OstinatoError):
            _inputs(artefacts.load(paths.checkpoints(member)))
            metrics[member] = sign * (read_json(paths.metrics(member))["test"][metric]["value"] or 0)
    if not metrics:
        raise OstinatoError(
            f"{name}: is a stack, and none of {', '.join(artefact.members)} reads audio; use --candidate"
        )
    return name, max(metrics, key=lambda member: metrics[member])


def command(paths: Paths, name: str, file: Path, out: Path, label: str | None, seed: int) -> dict[str, Any]:
    """Explain a file and write ``<out>/<file>.<class>.json`` and ``.png``; see `explain`."""
    answer, maps = explain(paths, name, file, label=label, seed=seed)
    stem = f"{file.stem}.{answer['class'].replace('/', '-')}"
    write_json(out / f"{stem}.json", answer)
    with atomic_write(out / f"{stem}.png") as partial:
        draw(partial, answer, maps)
    return answer | {"written": [str(out / f"{stem}.{end}") for end in ("json", "png")]}


def words(answer: dict[str, Any]) -> str:
    """Format the result of `command`."""
    stack = answer.get("member_of")
    notes = (
        []
        if answer["calibrated"]
        else ["the score is not calibrated, unlike those of `ostinato predict`: the model is not exported"]
    )
    if stack:
        notes.append(f"the score is that of {answer['model']} alone, not of {stack}, as in `ostinato predict`")
    if answer.get("in_service") == "earlier":
        notes.append("the model in service is from an earlier training and has other scores")
    verdict = "another map, as they should" if answer["sound"] else "much the same map: do not trust it"
    return "\n".join(
        [
            *([f"{stack} is a stack; {answer['model']} is its best member that reads audio"] if stack else []),
            f"{answer['model']}: {answer['class']} {answer['score']:.4f}",
            *notes,
            f"random weights give {verdict} (rank correlation {answer['similarity']:.2f})",
            f"parts sum to the logit's rise with an error of {100 * answer['incomplete']:.1f} %",
            *answer["written"],
        ]
    )


def draw(path: Path, answer: dict[str, Any], maps: dict[str, Map]) -> None:
    """Draw each input's spectrogram with its attributions below.

    Parameters
    ----------
    path : Path
        PNG.
    answer : dict
        From `explain`.
    maps : dict of str to Map
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2 * len(maps)), layout="constrained")
    panels = figure.subplots(2 * len(maps), 1, squeeze=False)[:, 0]
    for (name, one), above, below in zip(maps.items(), panels[::2], panels[1::2], strict=True):
        n_frames = len(one.rows)
        extent = (0, n_frames * (one.frame_seconds or 1), -0.5, one.rows.shape[1] - 0.5)
        limit = float(np.quantile(np.abs(one.parts), 0.995)) or 1.0
        above.imshow(one.rows.T, origin="lower", aspect="auto", cmap="gray", extent=extent)
        below.imshow(one.rows.T, origin="lower", aspect="auto", cmap="gray", extent=extent, alpha=0.35)
        style = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit, "alpha": 0.75}
        below.imshow(one.parts.T, origin="lower", aspect="auto", extent=extent, **style)
        above.set_title(
            f"{answer['model']}: {answer['class']} {answer['score']:.2f}, {Path(answer['path']).name}", loc="left"
        )
        below.set_title("red supports it, blue opposes it", loc="left", fontsize="small")
        for axes in (above, below):
            axes.set_ylabel(f"{name}: {one.axis.label}")
            if one.axis.ticks:
                axes.set_yticks(list(one.axis.ticks), list(one.axis.ticks.values()))
        below.set_xlabel("seconds" if one.frame_seconds else "frame")
    figure.savefig(path, format="png", dpi=120, metadata={"Software": None})


def _inputs(artefact: Artefact) -> dict[str, FittedInput]:
    """Return the network's inputs, with statistics of its training set."""
    if artefact.fitter == "stacked":
        raise OstinatoError(
            f"{artefact.name}: reads logits, not audio; explain one of its members: {', '.join(artefact.members)}"
        )
    if artefact.task_with_classes.kind == "embedding":
        raise OstinatoError(f"{artefact.name}: learns {artefact.task}, which has no classes; choose another candidate")
    if artefact.fitter == "sklearn":
        raise OstinatoError(f"{artefact.name}: is not a network and has no gradients; choose a network of params.yaml")
    statistics = artefact.statistics.get("final", {})
    inputs = {n: FittedInput.from_dict(asdict(i) | statistics.get(n, {})) for n, i in artefact.inputs.items()}
    if others := [n for n, i in inputs.items() if i.source != "audio"]:
        raise OstinatoError(f"{artefact.name}: reads {', '.join(others)}, which an audio file does not contain")
    return inputs


def _feeds(inputs: dict[str, FittedInput], file: Path) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """Compute each input of a file, as rows and in chunks."""
    context = AudioContext(*audio.load(file))
    rows = {name: input_.compute(context) for name, input_ in inputs.items()}
    n_chunks = max(input_.count_chunks(rows[name]) for name, input_ in inputs.items())
    return rows, [input_.batch(rows[name], n_chunks) for name, input_ in inputs.items()]


def _logits(network: Any, feeds: list[np.ndarray]) -> np.ndarray:
    import torch

    with torch.no_grad():
        return np.asarray(network(*(torch.from_numpy(np.asarray(x, np.float32)) for x in feeds)), np.float64)


def _position(artefact: Artefact, probabilities: np.ndarray, label: str | None) -> int:
    if label is None:
        return int(probabilities.argmax())
    if label not in artefact.classes:
        raise OstinatoError(f"{artefact.name}: has no class {label!r}; it has {', '.join(artefact.classes)}")
    return artefact.classes.index(label)


def _assemble(input_: FittedInput, rows: np.ndarray, parts: np.ndarray) -> Map:
    """Add up the parts of chunks at their frames, which keeps their sum."""
    length = input_.chunk_frames or len(rows)
    total = np.zeros(rows.shape)
    for start, part in zip(starts(len(rows), length, len(parts)), parts.sum(axis=1), strict=True):
        frames = np.arange(start, start + length) % len(rows)
        np.add.at(total, frames, part.T)
    return Map(rows, total, input_.frame_seconds, features.axis(input_.feature, input_.parameters))


def _sums(one: Map) -> dict[str, Any]:
    return {
        "frame_seconds": one.frame_seconds,
        "by_frame": np.round(one.parts.sum(axis=1), DIGITS).tolist(),
        "by_bin": np.round(one.parts.sum(axis=0), DIGITS).tolist(),
    }
