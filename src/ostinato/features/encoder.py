"""Embeddings of a pretrained encoder: an ONNX file that reads samples or a mel spectrogram; one row per patch.

Parameters describe its input; `preset` names a published set of them (``features/presets.yaml``). A file of
`ostinato import-weights` contains its preset, output and licence, and so does Essentia's ``.json`` beside a file;
params.yaml overrides both. `sha256` is that of the file: it is part of the cache's key, and another file is refused.
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
"""Patches in memory at once: a track of hours takes no more memory than one of minutes."""
DESCRIPTION_KEYS = ("model", "preset", "license", "trained_on")
"""Parameters that do not affect the rows."""
PRESETS = Path(__file__).with_name("presets.yaml")
ALGORITHMS = {
    "TensorflowPredictMusiCNN": "musicnn-essentia",
    "TensorflowPredictEffnetDiscogs": "effnet-discogs",
    "TensorflowPredictVGGish": "vggish",
    "TensorflowPredictMAEST": "maest",
}
"""Essentia's names of front ends."""
ESSENTIA_LICENSE = "CC BY-NC-SA 4.0"
"""For MTG's models whose description has none."""


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
        Path of the ONNX file, relative to the project.
    sha256 : str
        Of that file, in hexadecimal.
    preset : str, optional
        See ``presets.yaml``; `complete` fills in its values.
    license, trained_on : str, optional
        Of the weights; copied to models that use them.
    output : str, optional
        Tensor of the embedding, possibly inside the graph; default: the only output.
    pooling : {"mean", "max", "flatten"}
        How axes of the output between the patch and the vector, such as time, are reduced.
    sample_rate : int, optional
        In Hz; None: the context's.
    waveform_norm : {"none", "peak", "standard"}
        Scaling of the track: to a peak of 1, or to mean 0 and deviation 1.
    n_fft, win_length, frame_length, hop_length : int
        In samples: of the transform; of the window, centred in a frame, default `frame_length`; of a frame,
        default `n_fft`; between frames.
    window : {"hann", "hann_symmetric"}
        Periodic, or symmetric as in Essentia.
    center : bool
        Whether frames are centred at multiples of the hop, or begin there.
    pad : {"reflect", "constant"}
        Values beyond the ends for centred frames.
    n_mels : int
    f_min, f_max : float
        In Hz; `f_max` None: half the sample rate.
    mel_scale : {"slaney", "htk"}
    triangles : {"hertz", "mel"}
        In which scale the bands' flanks are straight.
    norm : {"area", "sum", "l2", "none"}
        Whether a band's area over Hz, sum of weights, sum of squares, or peak is 1.
    power : float
        Exponent of the magnitude: 2 for power, 1 for magnitude.
    compression : {"log10", "ln", "decibels", "none"}
        ``log10(1 + gain x)``, ``ln(gain x + floor)``, or decibels of at least `floor`, at most `top_db` below the
        track's loudest band.
    gain, floor, top_db : float
    scale, offset : float
        Applied last: ``x * scale + offset``.
    axes : sequence of str, optional
        Axes of the input, from batch, channel, time, mel and samples; default: guessed from their sizes.
    patch_length, patch_hop : int, optional
        In frames, or in samples for a waveform; default: from the file, and without overlap.
    batch : int, optional
        Batch size, if the file fixes it; default: from the file.

    Returns
    -------
    np.ndarray [shape=(n_patches, d), dtype=float32]

    Raises
    ------
    ParamsError
        If the file is missing or another one, or does not fit the parameters.
    DataError
        If the track is shorter than a patch, or its embedding is not finite.
    """
    parameters = locals().copy()
    return _embed(parameters.pop("context"), parameters)


def _embed(context: AudioContext, parameters: Mapping[str, Any]) -> np.ndarray:
    """Embed each patch of a track, in groups."""
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
        seconds, duration = length * unit / clip.sample_rate, count_samples(clip) / clip.sample_rate
        raise DataError(f"the encoder {model} needs {seconds:.1f} s of audio, the track has {duration:.1f} s")

    def read_rows(start: int, stop: int) -> np.ndarray:
        if is_waveform:
            return read_stretch(clip, start, stop, waveform_norm=parameters["waveform_norm"])
        mel = compute_bands(clip, bands=bands, waveform_norm=parameters["waveform_norm"], frames=slice(start, stop))
        return compress(mel, curve, bands.power)

    starts = range(0, n_rows - length + 1, parameters["patch_hop"] or length)
    step = len(starts) if compression == "decibels" and curve.top_db is not None else GROUP  # top_db needs the loudest
    vectors = []
    for i in range(0, len(starts), step):
        group = starts[i : i + step]
        rows = read_rows(group[0], group[-1] + length)
        patches = [rows[start - group[0] :][:length] for start in group]
        vectors.append(encoder.embed(patches, shape, parameters["pooling"], first=i))
    return np.concatenate(vectors)


def _open(parameters: Mapping[str, Any]) -> tuple[Encoder, Shape]:
    """Open the file and determine its axes."""
    if parameters["model"] is None:
        raise ParamsError("encoder: model is not set; set it to an ONNX file, such as one of `ostinato import-weights`")
    encoder = load(parameters["model"], parameters["sha256"], parameters["output"])
    return encoder, find_shape(encoder, *(parameters[k] for k in ("axes", "n_mels", "patch_length", "batch")))


def complete(departures: Mapping[str, Any], defaults: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Complete parameters with those of a preset and of the file's description.

    Parameters
    ----------
    departures : mapping
        Parameters in params.yaml.
    defaults : mapping
        Of `compute`.
    kind : str
        Its name in the cache, for messages.

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
    description = _describe_file(departures.get("model"))
    name = departures.get("preset", description.get("preset"))
    presets = load_presets()
    if name is not None and name not in presets:
        raise ParamsError(f"features.kinds.{kind}: there is no preset {name!r}; there are {', '.join(presets)}")
    front_end = presets[name]["parameters"] if name is not None else {}
    return {**defaults, **front_end, **description, **departures}


def check(parameters: Mapping[str, Any], kind: str) -> None:
    """Refuse a file that is missing, another one, or unfit for the parameters, before any track is read.

    Raises
    ------
    ParamsError
        The message names the kind.
    """
    try:
        if parameters["model"] is None:
            raise ParamsError("model is not set; set it to an ONNX file, such as one of `ostinato import-weights`")
        if not parameters["license"]:
            raise ParamsError(
                f"{parameters['model']}: its licence is unknown; set license, such as license: CC BY-NC-SA 4.0"
            )
        read(parameters["model"], parameters["sha256"])  # the present file, not the cached one
        _open(parameters)
    except ParamsError as error:
        raise ParamsError(f"params.yaml: features.kinds.{kind}: {error}") from error


def seconds_per_row(parameters: Mapping[str, Any]) -> float | None:
    """Return the time between patches in seconds."""
    if parameters["axes"] is None or not (parameters["patch_hop"] or parameters["patch_length"]):
        length, hop = min_seconds(parameters), parameters["patch_hop"]  # from the file
        rows = _find_length(_open(parameters)[1], parameters["patch_length"], parameters["hop_length"])[0]
        return length * hop / rows if hop and rows else length or None
    unit = 1 if "samples" in parameters["axes"] else parameters["hop_length"]
    return float((parameters["patch_hop"] or parameters["patch_length"]) * unit / parameters["sample_rate"])


def min_seconds(parameters: Mapping[str, Any]) -> float:
    """Return the length of a patch in seconds."""
    _, shape = _open(parameters)
    length, unit = _find_length(shape, parameters["patch_length"], parameters["hop_length"])
    return (length or 0) * unit / float(parameters["sample_rate"])


def _find_length(shape: Shape, patch_length: int | None, hop_length: int) -> tuple[int | None, int]:
    """Return the patch length in rows, and the row length in samples."""
    if "samples" in shape.axes:
        return shape.size("samples") or patch_length, 1
    return shape.size("time") or patch_length, hop_length


@cache
def load_presets() -> dict[str, dict[str, Any]]:
    """Load the published front ends by name."""
    return parse(PRESETS.read_text(), str(PRESETS))


def _describe_file(model: str | None) -> dict[str, Any]:
    """Read the description beside a file (Essentia's) or inside it; empty if there is neither."""
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
        raise ParamsError(f"{file}: is not a model description of Essentia's (lacks {error})") from error
    if algorithm not in ALGORITHMS:
        raise ParamsError(
            f"{file}: unknown front end {algorithm}; there are {', '.join(ALGORITHMS)}; "
            "remove the description and set the keys of the front end"
        )
    parameters: dict[str, Any] = {"preset": ALGORITHMS[algorithm], "sample_rate": int(inference["sample_rate"])}
    output = match_output(model, vectors[0][0], vectors[0][-1] if len(vectors[0]) > 1 else None) if vectors else None
    parameters |= {"output": output} if output else {}
    parameters |= {"trained_on": description["dataset"]["name"]} if description.get("dataset", {}).get("name") else {}
    return parameters | {"license": description.get("license") or ESSENTIA_LICENSE}
