"""The model card beside a released file: what it is, what it was judged on, what it is not for.

References
----------
M. Mitchell et al., "Model cards for model reporting", FAT* 2019.
"""

from collections.abc import Mapping
from typing import Any


def card(about: Mapping[str, Any], version: int) -> str:
    """Write the card of a released model.

    Parameters
    ----------
    about : mapping
        Its model.json.
    version : int
        How many models of this task were released, this one included.

    Returns
    -------
    str
        Markdown, the same for the same model.
    """
    parts = [
        f"# {about['name']}, version {version}",
        _what(about),
        "## Data",
        _data(about["dataset"]),
        _encoders(about.get("encoders", {})),
        "## Figures",
        "On test tracks that the judged networks were not trained on, with intervals over groups:",
        _figures(about.get("metrics", {})),
        "## Use",
        _use(about),
        "## Limits",
        _limits(about),
        "## Where it comes from",
        "\n".join(f"- {what}: `{digest}`" for what, digest in sorted(about.get("hashes", {}).items())),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _what(about: Mapping[str, Any]) -> str:
    inputs = ", ".join(sorted({i["feature"] for i in about["inputs"].values()}))
    gives = "one class" if about["kind"] == "single" else "any number of tags"
    classes = ", ".join(about["classes"])
    return f"`{about['architecture']}` on {inputs}: gives a track {gives} of {len(about['classes'])}: {classes}."


def _data(dataset: Mapping[str, Any]) -> str:
    split = dataset.get("split", {})
    lines = [
        f"- dataset: {dataset['name']}, {dataset.get('n_tracks', '?')} tracks",
        f"- split: {split.get('name', '?')}, hash `{split.get('hash', '?')}`",
    ]
    if dataset.get("licence"):
        lines.append(f"- licence of the data: {dataset['licence']}")
    if dataset.get("citation"):
        lines.append(f"- to be cited: {dataset['citation'].strip()}")
    return "\n".join(lines)


def _encoders(encoders: Mapping[str, Mapping[str, str | None]]) -> str:
    """Say whose weights it reads, under which licence, and what they were trained on."""
    return "\n".join(
        f"- pretrained encoder {name}: licence {about.get('license') or 'not known'}, trained on "
        f"{about.get('trained_on') or 'data that are not known'}: a figure on tracks that it may know is an upper bound"
        for name, about in encoders.items()
    )


def _figures(metrics: Mapping[str, Mapping[str, float | None]]) -> str:
    rows = ["| metric | value | interval |", "|---|---:|---|"]
    for name, figure in metrics.items():
        value, low, high = figure.get("value"), figure.get("low"), figure.get("high")
        shown = "undefined" if value is None else f"{value:.4f}"
        rows.append(f"| {name} | {shown} | {'' if low is None else f'{low:.4f} to {high:.4f}'} |")
    return "\n".join(rows)


def _use(about: Mapping[str, Any]) -> str:
    note = _promise(about)
    return (
        "`ostinato predict` asks it about files; `tagger.onnx`, where it is there, takes a mono waveform at the rate "
        f"in its metadata and needs ONNX Runtime alone. Scores are calibrated on tracks held out.{note}"
    )


def _promise(about: Mapping[str, Any]) -> str:
    """Return which labels are marked unsure, and what that promises of the others."""
    if "promise" not in about:
        below = about.get("unsure_below")
        return "" if below is None else f" Labels whose score lies under {below:.2f} are marked unsure."
    promise = about["promise"]
    share, confidence = f"{promise['accuracy']:.0%}", f"with {promise['confidence']:.0%} confidence"
    if about["unsure_below"] is None:
        return (
            f" All labels are marked unsure: on {promise['n_tracks']} held-out tracks it cannot be promised, "
            f"{confidence}, that {share} of any part of them are right."
        )
    return (
        f" Labels whose score lies under {about['unsure_below']:.2f} are marked unsure; of the others at least {share} "
        f"are right, {confidence} (on {promise['n_tracks']} held-out tracks)."
    )


def _limits(about: Mapping[str, Any]) -> str:
    lines = [
        "- It names the classes above and no others, whatever it hears.",
        "- Its figures hold for music like its data; for other music judge it anew: `ostinato evaluate --on PATH`.",
        "- Genre and tags are matters of opinion: it repeats those of who labelled its data.",
    ]
    if about["dataset"].get("embedded"):
        lines.insert(0, "- **It was trained on the embedded, made-up corpus: its labels mean nothing on real music.**")
    return "\n".join(lines)
