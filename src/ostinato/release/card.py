"""Model card of a released model: what it predicts, how it was evaluated, and its limits.

References
----------
M. Mitchell et al., "Model cards for model reporting", FAT* 2019.
"""

from collections.abc import Mapping
from typing import Any


def card(metadata: Mapping[str, Any], version: int) -> str:
    """Return the card of a released model.

    Parameters
    ----------
    metadata : mapping
        model.json.
    version : int
        Version number of the release.

    Returns
    -------
    str
        Markdown.
    """
    parts = [
        f"# {metadata['name']}, version {version}",
        _summary(metadata),
        "## Data",
        _data(metadata["dataset"]),
        _encoders(metadata.get("encoders", {})),
        "## Figures",
        "On test tracks that no evaluated network was trained on, with intervals over groups:",
        _metrics(metadata.get("metrics", {})),
        "## Use",
        _use(metadata),
        "## Limits",
        _limits(metadata),
        "## Provenance",
        "\n".join(f"- {name}: `{digest}`" for name, digest in sorted(metadata.get("hashes", {}).items())),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _summary(metadata: Mapping[str, Any]) -> str:
    inputs = ", ".join(sorted({i["feature"] for i in metadata["inputs"].values()}))
    target = "one class" if metadata["kind"] == "single" else "any number of tags"
    classes = ", ".join(metadata["classes"])
    return (
        f"`{metadata['architecture']}` on {inputs}: assigns a track {target} of {len(metadata['classes'])}: {classes}."
    )


def _data(dataset: Mapping[str, Any]) -> str:
    split = dataset.get("split", {})
    lines = [
        f"- dataset: {dataset['name']}, {dataset.get('n_tracks', '?')} tracks",
        f"- split: {split.get('name', '?')}, hash `{split.get('hash', '?')}`",
    ]
    if dataset.get("licence"):
        lines.append(f"- licence of the data: {dataset['licence']}")
    if dataset.get("citation"):
        lines.append(f"- citation: {dataset['citation'].strip()}")
    return "\n".join(lines)


def _encoders(encoders: Mapping[str, Mapping[str, str | None]]) -> str:
    """List the pretrained encoders with their licence and training data."""
    return "\n".join(
        f"- pretrained encoder {name}: licence {encoder.get('license') or 'unknown'}, trained on "
        f"{encoder.get('trained_on') or 'unknown data'}: results on tracks it may have seen are an upper bound"
        for name, encoder in encoders.items()
    )


def _metrics(metrics: Mapping[str, Mapping[str, float | None]]) -> str:
    rows = ["| metric | value | interval |", "|---|---:|---|"]
    for name, estimate in metrics.items():
        value, low, high = estimate.get("value"), estimate.get("low"), estimate.get("high")
        text = "undefined" if value is None else f"{value:.4f}"
        rows.append(f"| {name} | {text} | {'' if low is None else f'{low:.4f} to {high:.4f}'} |")
    return "\n".join(rows)


def _use(metadata: Mapping[str, Any]) -> str:
    note = _promise(metadata)
    return (
        "`ostinato predict` applies it to files; `tagger.onnx`, where present, takes a mono waveform at the rate "
        f"in its metadata and needs only ONNX Runtime. Scores are calibrated on held-out tracks.{note}"
    )


def _promise(metadata: Mapping[str, Any]) -> str:
    """Describe which labels are marked unsure, and the accuracy promised for the others."""
    if "promise" not in metadata:
        below = metadata.get("unsure_below")
        return "" if below is None else f" Labels with a score below {below:.2f} are marked unsure."
    promise = metadata["promise"]
    share, confidence = f"{promise['accuracy']:.0%}", f"with {promise['confidence']:.0%} confidence"
    if metadata["unsure_below"] is None:
        return (
            f" All labels are marked unsure: {promise['n_tracks']} held-out tracks do not show, "
            f"{confidence}, that {share} are right above any score."
        )
    return (
        f" Labels with a score below {metadata['unsure_below']:.2f} are marked unsure; at least {share} of the others "
        f"are right, {confidence} (on {promise['n_tracks']} held-out tracks)."
    )


def _limits(metadata: Mapping[str, Any]) -> str:
    lines = [
        "- It only predicts the classes above, whatever the input.",
        "- Its figures hold for music like its data; evaluate it on other music: `ostinato evaluate --on PATH`.",
        "- Genres and tags are matters of opinion: it reproduces those of its annotators.",
    ]
    if metadata["dataset"].get("embedded"):
        lines.insert(0, "- **It was trained on the embedded synthetic corpus: its labels mean nothing on real music.**")
    return "\n".join(lines)
