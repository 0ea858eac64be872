"""Explanation of a file's prediction: integrated gradients on the spectrogram, as a picture and as numbers.

Red parts speak for the class and blue ones against it, as against a spectrogram
that is everywhere as quiet as its quietest part. The same with random weights must
give another map, else it would show the input and not what was learnt: how alike
the two are stands with every answer.
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
"""Similarity to the map of random weights from which on a map is not to be believed; see docs/judging.md."""


@dataclass(frozen=True)
class Map:
    """The attributions of one input, chunks put back where they were cut.

    Parameters
    ----------
    rows : np.ndarray [shape=(n_frames, n_bins)]
        The feature.
    parts : np.ndarray [shape=(n_frames, n_bins)]
        What each point adds to the logit.
    frame_seconds : float or None
    axis : Axis
        What the bins are.
    """

    rows: np.ndarray
    parts: np.ndarray
    frame_seconds: float | None
    axis: Axis


def explain(
    paths: Paths, name: str, file: Path, *, label: str | None = None, seed: int = 0
) -> tuple[dict[str, Any], dict[str, Map]]:
    """Return what of a file speaks for a class.

    Parameters
    ----------
    paths : Paths
    name : str
        A trained network of one or more spectrograms; a stack's members are explained one by one.
    file : Path
        Audio.
    label : str, optional
        A class; default: the one with the highest score.
    seed : int
        Of the random weights.

    Returns
    -------
    answer : dict
        ``model``, ``class``, ``score`` of the track, which is that of `ostinato predict` if it is ``calibrated``,
        ``rise`` of its logit over the baseline, ``incomplete`` (how far the parts fall short of that rise,
        relative to it), ``similarity`` to the map of random weights and whether it is ``sound``, and per input
        the sums by frame and by bin.
    maps : dict of str to Map
        By input.

    Raises
    ------
    OstinatoError
        If the candidate is a stack, an estimator, reads something else than audio, or
        has no classes or no such class.
    """
    from ostinato.explain.attribution import class_logit, integrated_gradients, shuffle_weights, similarity

    artefact = artefacts.load(paths.checkpoints(name))
    inputs = _inputs(artefact)
    rows, feeds = _feeds(inputs, file)
    network = artefacts.network(paths.checkpoints(name), artefact)
    temperature = find_temperature(paths, name)
    kind = artefact.task_with_classes.kind
    said = scores(pool(_logits(network, feeds), kind) / (temperature or 1.0), kind)
    position = _position(artefact, said, label)
    floors = [np.full_like(x, x.min()) for x in feeds]
    answer = class_logit(network, position)
    networks = tqdm((answer, class_logit(shuffle_weights(network, seed), position)), desc="explain", unit="network")
    parts, random = (integrated_gradients(one, feeds, floors) for one in networks)
    rise = float(_logits(network, feeds)[:, position].mean() - _logits(network, floors)[:, position].mean())
    alike = similarity(parts, random, feeds, floors)
    maps = {n: _assemble(inputs[n], rows[n], part) for n, part in zip(inputs, parts, strict=True)}
    missing = abs(sum(float(p.sum()) for p in parts) - rise)
    found = {
        "path": str(file), "model": name, "class": artefact.classes[position],
        "score": round(float(said[position]), DIGITS), "calibrated": temperature is not None,
        "rise": round(rise, DIGITS),
        "incomplete": round(missing / max(abs(rise), 1e-9), DIGITS),
        "similarity": round(alike, DIGITS), "sound": bool(abs(alike) < ALIKE),
        "inputs": {n: _sums(m) for n, m in maps.items()},
    }  # fmt: skip
    return found, maps


def find_temperature(paths: Paths, name: str) -> float | None:
    """Return the temperature of a candidate's calibration.

    Parameters
    ----------
    paths : Paths
    name : str

    Returns
    -------
    float or None
        None if the candidate was not exported.
    """
    exported = paths.onnx(name) / "model.json"
    return float(read_json(exported).get("temperature", 1.0)) if exported.exists() else None


def find_released(paths: Paths, task: str, metric: str) -> tuple[str | None, str]:
    """Return the released model, or the strongest member of a released stack that hears.

    Parameters
    ----------
    paths : Paths
    task : str
    metric : str
        That ranks the task's candidates.

    Returns
    -------
    stack : str or None
        What is in service, if it is a stack.
    name : str

    Raises
    ------
    OstinatoError
        If no member of a stack can be explained.
    """
    name = str(read_json(paths.released(task) / "model.json")["name"])
    artefact = artefacts.load(paths.checkpoints(name))
    if artefact.fitter != "stacked":
        return None, name
    sign = 1 if get_metrics(COLUMNS[task])[metric].higher_is_better else -1
    heard = {}
    for member in artefact.members:
        with suppress(OstinatoError):
            _inputs(artefacts.load(paths.checkpoints(member)))
            heard[member] = sign * (read_json(paths.metrics(member))["test"][metric]["value"] or 0)
    if not heard:
        raise OstinatoError(
            f"{name}: is a stack, and none of {', '.join(artefact.members)} reads sound; use --candidate"
        )
    return name, max(heard, key=lambda member: heard[member])


def command(paths: Paths, name: str, file: Path, out: Path, label: str | None, seed: int) -> dict[str, Any]:
    """Explain a file and write ``<out>/<file>.<class>.json`` and ``.png``; see `explain`."""
    found, maps = explain(paths, name, file, label=label, seed=seed)
    stem = f"{file.stem}.{found['class'].replace('/', '-')}"
    write_json(out / f"{stem}.json", found)
    with atomic_write(out / f"{stem}.png") as partial:
        draw(partial, found, maps)
    return found | {"written": [str(out / f"{stem}.{end}") for end in ("json", "png")]}


def words(found: dict[str, Any]) -> str:
    """Sum up what `command` found and wrote."""
    stack = found.get("member_of")
    notes = (
        [] if found["calibrated"] else ["the score is not calibrated, as those of `ostinato predict` are: no export"]
    )
    if stack:
        notes.append(f"the score is that of {found['model']} alone, not of {stack}, which `ostinato predict` gives")
    if found.get("in_service") == "earlier":
        notes.append("the model in service is an earlier training, whose scores are others")
    sound = "another map, as it should be" if found["sound"] else "much the same map: do not believe it"
    return "\n".join(
        [
            *([f"{stack} is a stack; {found['model']} is its strongest member that reads sound"] if stack else []),
            f"{found['model']}: {found['class']} {found['score']:.4f}",
            *notes,
            f"random weights give {sound} (rank correlation {found['similarity']:.2f})",
            f"parts add up to the answer but for {100 * found['incomplete']:.1f} %",
            *found["written"],
        ]
    )


def draw(path: Path, found: dict[str, Any], maps: dict[str, Map]) -> None:
    """Draw each input's spectrogram with its attributions below.

    Parameters
    ----------
    path : Path
        PNG.
    found : dict
        What `explain` found.
    maps : dict of str to Map
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2 * len(maps)), layout="constrained")
    panels = figure.subplots(2 * len(maps), 1, squeeze=False)[:, 0]
    for (name, one), above, below in zip(maps.items(), panels[::2], panels[1::2], strict=True):
        n_frames = len(one.rows)
        extent = (0, n_frames * (one.frame_seconds or 1), -0.5, one.rows.shape[1] - 0.5)
        most = float(np.quantile(np.abs(one.parts), 0.995)) or 1.0
        above.imshow(one.rows.T, origin="lower", aspect="auto", cmap="gray", extent=extent)
        below.imshow(one.rows.T, origin="lower", aspect="auto", cmap="gray", extent=extent, alpha=0.35)
        shown = {"cmap": "RdBu_r", "vmin": -most, "vmax": most, "alpha": 0.75}
        below.imshow(one.parts.T, origin="lower", aspect="auto", extent=extent, **shown)
        above.set_title(
            f"{found['model']}: {found['class']} {found['score']:.2f}, {Path(found['path']).name}", loc="left"
        )
        below.set_title("red speaks for it, blue against it", loc="left", fontsize="small")
        for axes in (above, below):
            axes.set_ylabel(f"{name}: {one.axis.label}")
            if one.axis.ticks:
                axes.set_yticks(list(one.axis.ticks), list(one.axis.ticks.values()))
        below.set_xlabel("seconds" if one.frame_seconds else "frame")
    figure.savefig(path, format="png", dpi=120, metadata={"Software": None})


def _inputs(artefact: Artefact) -> dict[str, FittedInput]:
    """Describe what the network reads, with what was fitted to its training set."""
    if artefact.fitter == "stacked":
        raise OstinatoError(
            f"{artefact.name}: reads logits, not sound; explain one of its members: {', '.join(artefact.members)}"
        )
    if artefact.task_with_classes.kind == "embedding":
        raise OstinatoError(f"{artefact.name}: learns {artefact.task}, which has no classes; name another candidate")
    if artefact.fitter == "sklearn":
        raise OstinatoError(f"{artefact.name}: is no network and has no gradients; name a network of params.yaml")
    fitted = artefact.statistics.get("final", {})
    found = {n: FittedInput.from_dict(asdict(i) | fitted.get(n, {})) for n, i in artefact.inputs.items()}
    if deaf := [n for n, i in found.items() if i.source != "audio"]:
        raise OstinatoError(f"{artefact.name}: reads {', '.join(deaf)}, which a file of audio does not hold")
    return found


def _feeds(inputs: dict[str, FittedInput], file: Path) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """Compute each input of a file, whole and cut into chunks."""
    context = AudioContext(*audio.load(file))
    rows = {name: given.compute(context) for name, given in inputs.items()}
    most = max(given.count_chunks(rows[name]) for name, given in inputs.items())
    return rows, [given.batch(rows[name], most) for name, given in inputs.items()]


def _logits(network: Any, feeds: list[np.ndarray]) -> np.ndarray:
    import torch

    with torch.no_grad():
        return np.asarray(network(*(torch.from_numpy(np.asarray(x, np.float32)) for x in feeds)), np.float64)


def _position(artefact: Artefact, said: np.ndarray, label: str | None) -> int:
    if label is None:
        return int(said.argmax())
    if label not in artefact.classes:
        raise OstinatoError(f"{artefact.name}: has no class {label!r}; it has {', '.join(artefact.classes)}")
    return artefact.classes.index(label)


def _assemble(given: FittedInput, rows: np.ndarray, parts: np.ndarray) -> Map:
    """Put the chunks' parts where the chunks were cut, so that their sum stays."""
    length = given.chunk_frames or len(rows)
    whole = np.zeros(rows.shape)
    for start, part in zip(starts(len(rows), length, len(parts)), parts.sum(axis=1), strict=True):
        frames = np.arange(start, start + length) % len(rows)
        np.add.at(whole, frames, part.T)
    return Map(rows, whole, given.frame_seconds, features.axis(given.feature, given.parameters))


def _sums(one: Map) -> dict[str, Any]:
    return {
        "frame_seconds": one.frame_seconds,
        "by_frame": np.round(one.parts.sum(axis=1), DIGITS).tolist(),
        "by_bin": np.round(one.parts.sum(axis=0), DIGITS).tolist(),
    }
