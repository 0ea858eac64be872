"""Embeddings of a pretrained encoder: any ONNX file that reads samples or a mel spectrogram, a row a patch.

What it was trained to read is said by parameters; `preset` names a published set of them (``features/presets.yaml``).
A file of `ostinato import-weights` names its preset, output and licence itself, and Essentia's ``.json`` beside a file
does so too. What stands in params.yaml goes before both. `sha256` is that of the file: it is part of the cache's key,
and another file is refused.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ostinato.audio.context import AudioContext
from ostinato.core.params.yaml_io import parse
from ostinato.errors import DataError, ParamsError
from ostinato.features._front_end import (
    Bands,
    Compression,
    Curve,
    Hann,
    Norm,
    Triangles,
    WaveformNorm,
    compress,
    compute_bands,
    count_frames,
    count_samples,
    read_stretch,
)
from ostinato.features._mel import Scale
from ostinato.features._onnx import Encoder, Pooling, Shape, find_shape, load, match_output, read, read_description
from ostinato.features._spectrum import Pad

SOURCE = "audio"
GROUP = 32
"""Patches whose rows are held at once: a track of hours takes no more memory than one of minutes."""
DESCRIPTIVE = ("model", "preset", "license", "trained_on")
"""Parameters that no row depends on."""
PRESETS = Path(__file__).with_name("presets.yaml")
ALGORITHMS = {
    "TensorflowPredictMusiCNN": "musicnn-essentia",
    "TensorflowPredictEffnetDiscogs": "effnet-discogs",
    "TensorflowPredictVGGish": "vggish",
    "TensorflowPredictMAEST": "maest",
}
"""Essentia's names of front ends."""
ESSENTIA_LICENSE = "CC BY-NC-SA 4.0"
"""Of MTG's models, where their description names none."""


def compute(
    context: AudioContext,
    *,
    model: str | None = None,
    sha256: str | None = None,
    preset: str | None = None,
    license: str | None = None,
    trained_on: str | None = None,
    output: str | None = None,
    pooling: Pooling = "mean",
    sample_rate: int | None = 16000,
    waveform_norm: WaveformNorm = "none",
    n_fft: int = 512,
    win_length: int | None = None,
    frame_length: int | None = None,
    hop_length: int = 256,
    window: Hann = "hann",
    center: bool = True,
    pad: Pad = "reflect",
    n_mels: int = 96,
    f_min: float = 0.0,
    f_max: float | None = None,
    mel_scale: Scale = "slaney",
    triangles: Triangles = "hertz",
    norm: Norm = "area",
    power: float = 2.0,
    compression: Compression = "log10",
    gain: float = 10000.0,
    floor: float = 1e-10,
    top_db: float | None = None,
    scale: float = 1.0,
    offset: float = 0.0,
    axes: tuple[str, ...] | list[str] | None = None,
    patch_length: int | None = None,
    patch_hop: int | None = None,
    batch: int | None = None,
) -> np.ndarray:
    """Embed each patch of a track.

    Parameters
    ----------
    context : AudioContext
    model : str
        Path of the ONNX file, from the project's folder.
    sha256 : str
        Of that file, in hexadecimal.
    preset : str, optional
        See ``presets.yaml``; `complete` puts its values here.
    license, trained_on : str, optional
        Of the weights; they are passed on to models that use them.
    output : str, optional
        Tensor that is the embedding, inside the graph too; default: the only output.
    pooling : {"mean", "max", "flatten"}
        What becomes of axes of the output between the patch and the vector, such as time.
    sample_rate : int, optional
        In Hz; None: the context's.
    waveform_norm : {"none", "peak", "standard"}
        Whether the track is scaled first: to a peak of 1, or to mean 0 and deviation 1.
    n_fft, win_length, frame_length, hop_length : int
        In samples: of the transform; of the window, default `frame_length`, in the middle of a frame; of a frame,
        default `n_fft`; from one frame to the next.
    window : {"hann", "hann_symmetric"}
        Periodic, or symmetric as Essentia's.
    center : bool
        Whether frames lie around multiples of the hop, or begin there.
    pad : {"reflect", "constant"}
        What stands beyond the ends of centred frames.
    n_mels : int
    f_min, f_max : float
        In Hz; `f_max` None: half the sample rate.
    mel_scale : {"slaney", "htk"}
    triangles : {"hertz", "mel"}
        In which scale the bands' flanks are straight.
    norm : {"area", "sum", "l2", "none"}
        Whether a band has unit area over Hz, weights whose sum or whose sum of squares is 1, or a peak of 1.
    power : float
        Of the magnitude: 2 sums powers, 1 magnitudes.
    compression : {"log10", "ln", "decibels", "none"}
        ``log10(1 + gain x)``, ``ln(gain x + floor)``, or decibels of at least `floor`, at most `top_db` below the
        track's loudest band.
    gain, floor, top_db : float
    scale, offset : float
        Then ``x * scale + offset``.
    axes : sequence of str, optional
        What the axes of the input count, out of batch, channel, time, mel and samples; default: taken from their sizes.
    patch_length, patch_hop : int, optional
        In frames, or in samples where the input is a waveform; default: as the file has it, and without overlap.
    batch : int, optional
        Patches that the file takes at once, if that is fixed; default: as the file has it.

    Returns
    -------
    np.ndarray [shape=(n_patches, d), dtype=float32]

    Raises
    ------
    ParamsError
        If the file is absent or another one, or does not fit what is said of it.
    DataError
        If the track is shorter than a patch, or its embedding is not finite.
    """
    parameters = locals().copy()
    return _embed(parameters.pop("context"), parameters)


def _embed(context: AudioContext, parameters: Mapping[str, Any]) -> np.ndarray:
    """Embed each patch of a track, some patches at a time."""
    model, compression = parameters["model"], parameters["compression"]
    encoder, shape = _open(parameters)
    clip, is_waveform = context.resample(parameters["sample_rate"]), "samples" in shape.axes
    length, unit = _find_length(shape, parameters["patch_length"], parameters["hop_length"])
    if length is None:
        raise ParamsError(f"{model}: takes patches of any length; set patch_length")
    bands = Bands(*(parameters[name] for name in Bands._fields))
    curve = Curve(*(parameters[name] for name in Curve._fields))
    n_rows = count_samples(clip) if is_waveform else count_frames(clip, bands)
    if n_rows < length:
        seconds, has = length * unit / clip.sample_rate, count_samples(clip) / clip.sample_rate
        raise DataError(f"the encoder {model} needs {seconds:.1f} s of sound, the track has {has:.1f} s")

    def read_rows(start: int, stop: int) -> np.ndarray:
        if is_waveform:
            return read_stretch(clip, start, stop, waveform_norm=parameters["waveform_norm"])
        mel = compute_bands(clip, bands=bands, waveform_norm=parameters["waveform_norm"], frames=slice(start, stop))
        return compress(mel, curve, bands.power)

    starts = range(0, n_rows - length + 1, parameters["patch_hop"] or length)
    at_once = len(starts) if compression == "decibels" and curve.top_db is not None else GROUP  # the loudest counts
    vectors = []
    for at in range(0, len(starts), at_once):
        group = starts[at : at + at_once]
        rows = read_rows(group[0], group[-1] + length)
        patches = [rows[start - group[0] :][:length] for start in group]
        vectors.append(encoder.embed(patches, shape, parameters["pooling"], first=at))
    return np.concatenate(vectors)


def _open(parameters: Mapping[str, Any]) -> tuple[Encoder, Shape]:
    """Open the file, and find out what its axes count."""
    if parameters["model"] is None:
        raise ParamsError("encoder: model is not set; name an ONNX file, such as one of `ostinato import-weights`")
    encoder = load(parameters["model"], parameters["sha256"], parameters["output"])
    return encoder, find_shape(encoder, *(parameters[k] for k in ("axes", "n_mels", "patch_length", "batch")))


def complete(departures: Mapping[str, Any], defaults: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Complete parameters by those of a preset and of Essentia's description beside the file.

    Parameters
    ----------
    departures : mapping
        What params.yaml says.
    defaults : mapping
        Of `compute`.
    kind : str
        What the cache calls it, for messages.

    Returns
    -------
    dict

    Raises
    ------
    ParamsError
        If there is no such preset, or the description cannot be used.
    """
    if departures.keys() >= defaults.keys():
        return dict(departures)
    beside = _describe_file(departures.get("model"))
    name = departures.get("preset", beside.get("preset"))
    presets = load_presets()
    if name is not None and name not in presets:
        raise ParamsError(f"features.kinds.{kind}: there is no preset {name!r}; there are {', '.join(presets)}")
    front_end = presets[name]["parameters"] if name is not None else {}
    return {**defaults, **front_end, **beside, **departures}


def check(parameters: Mapping[str, Any], kind: str) -> None:
    """Refuse a file that is absent, is another one, or does not fit what is said of it, before any track is read.

    Raises
    ------
    ParamsError
        The message names the kind.
    """
    try:
        if parameters["model"] is None:
            raise ParamsError("model is not set; name an ONNX file, such as one of `ostinato import-weights`")
        if not parameters["license"]:
            raise ParamsError(
                f"{parameters['model']}: its licence is not known; set license, such as license: CC BY-NC-SA 4.0"
            )
        read(parameters["model"], parameters["sha256"])  # the file as it is now, not as this process opened it
        _open(parameters)
    except ParamsError as error:
        raise ParamsError(f"params.yaml: features.kinds.{kind}: {error}") from error


def seconds_per_row(parameters: Mapping[str, Any]) -> float | None:
    """Return the time from one patch to the next."""
    if parameters["axes"] is None or not (parameters["patch_hop"] or parameters["patch_length"]):
        length, hop = min_seconds(parameters), parameters["patch_hop"]  # which the file decides
        rows = _find_length(_open(parameters)[1], parameters["patch_length"], parameters["hop_length"])[0]
        return length * hop / rows if hop and rows else length or None
    unit = 1 if "samples" in parameters["axes"] else parameters["hop_length"]
    return float((parameters["patch_hop"] or parameters["patch_length"]) * unit / parameters["sample_rate"])


def min_seconds(parameters: Mapping[str, Any]) -> float:
    """Return how long a patch is, in seconds."""
    _, shape = _open(parameters)
    length, unit = _find_length(shape, parameters["patch_length"], parameters["hop_length"])
    return (length or 0) * unit / float(parameters["sample_rate"])


def _find_length(shape: Shape, patch_length: int | None, hop_length: int) -> tuple[int | None, int]:
    """Return the length of a patch in rows, and of a row in samples."""
    if "samples" in shape.axes:
        return shape.size("samples") or patch_length, 1
    return shape.size("time") or patch_length, hop_length


@cache
def load_presets() -> dict[str, dict[str, Any]]:
    """Read the published front ends by name."""
    return parse(PRESETS.read_text(), str(PRESETS))


def _describe_file(model: str | None) -> dict[str, Any]:
    """Read what is said of a file by itself, or by Essentia beside it; nothing if neither is there."""
    if model is None:
        return {}
    file = Path(model).with_suffix(".json")
    return _read_essentia(model, file) if file.is_file() else read_description(model)


def _read_essentia(model: str, file: Path) -> dict[str, Any]:
    """Read Essentia's description."""
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
        inference, outputs = description["inference"], description["schema"]["outputs"]
        algorithm = inference["algorithm"]
        vectors = [(str(o["name"]), *o.get("shape", ())[-1:]) for o in outputs if o["output_purpose"] == "embeddings"]
    except (ValueError, KeyError, TypeError) as error:
        raise ParamsError(f"{file}: is no description of a model as Essentia writes them (lacks {error})") from error
    if algorithm not in ALGORITHMS:
        raise ParamsError(
            f"{file}: its front end {algorithm} is not known; there are {', '.join(ALGORITHMS)}; "
            "move the description away and set the keys of the front end"
        )
    parameters: dict[str, Any] = {"preset": ALGORITHMS[algorithm], "sample_rate": int(inference["sample_rate"])}
    output = match_output(model, vectors[0][0], vectors[0][-1] if len(vectors[0]) > 1 else None) if vectors else None
    parameters |= {"output": output} if output else {}
    parameters |= {"trained_on": description["dataset"]["name"]} if description.get("dataset", {}).get("name") else {}
    return parameters | {"license": description.get("license") or ESSENTIA_LICENSE}
