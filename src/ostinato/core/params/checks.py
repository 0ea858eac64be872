"""Checks between the sections of params.yaml."""

from pathlib import Path
from typing import Any

from ostinato.core.params.kinds import NUMBERS, SAMPLES, network_kinds, parts
from ostinato.core.params.schema import Params
from ostinato.core.params.training import Train, find_unused
from ostinato.core.registry import instead, load, names
from ostinato.errors import ParamsError

PLUGINS = (
    ("candidates", "architecture", "architectures"),
    ("stacked", "architecture", "architectures"),
    ("estimators", "estimator", "estimators"),
)
"""Which key of which section names a file of which package."""


def check(params: Params, path: Path) -> None:
    """Check what no section can say of itself.

    Parameters
    ----------
    params : Params
    path : Path
        What the file is called in errors.

    Raises
    ------
    ParamsError
        If sections do not agree; the message names the key and the mend.
    """
    _check_names(params, path)
    _check_front_ends(params, path)
    _check_plugins(params, path)
    _check_members(params, path)
    _check_numbers(params, path)
    _check_weights(params, path)
    _check_train(params, path)


def _check_names(params: Params, path: Path) -> None:
    """Refuse a name used twice, and a feature that is not there."""
    groups = (params.candidates, params.estimators, params.stacked)
    used = [name for group in groups for name in group]
    for name in used:
        if used.count(name) > 1:
            raise ParamsError(f"{path}: {name!r} names two candidates; rename one")
    for group, entries in (("candidates", params.candidates), ("estimators", params.estimators)):
        for name, entry in entries.items():
            if entry.feature not in params.features.kinds:
                raise ParamsError(
                    f"{path}: {group}.{name}: reads {entry.feature!r}, which features.kinds lacks; "
                    f"add `{entry.feature}: {{}}` there; {instead(entry.feature, params.features.kinds)}"
                )
    for name, departures in params.features.kinds.items():
        _check_joint(name, departures, params.features.kinds, path)
    for name, estimator in params.estimators.items():
        if len(parts(estimator.feature)) > 1:
            raise ParamsError(f"{path}: estimators.{name}: reads one kind of feature; name one of {estimator.feature}")


def _check_front_ends(params: Params, path: Path) -> None:
    """Refuse a waveform that nothing reads, a front end without one, and augmentation of what is not computed."""
    kinds = params.features.kinds
    for name, estimator in params.estimators.items():
        if not network_kinds(estimator.feature, kinds):
            raise ParamsError(f"{path}: estimators.{name}: reads samples; name a feature such as mfcc")
    for name, candidate in params.candidates.items():
        where, train = f"{path}: candidates.{name}", {**params.train.model_dump(), **candidate.train}
        inputs, waveform = network_kinds(candidate.feature, kinds), train["front_end"] == "waveform"
        n_waveforms = len(parts(candidate.feature)) - len(inputs)
        if waveform and (len(inputs) != 1 or n_waveforms != 1):
            wanted = f"{inputs[0] if inputs else 'mel'}+{SAMPLES}"
            raise ParamsError(
                f"{where}: train.front_end: waveform needs one kind and the waveform, not {candidate.feature}; "
                f"write feature: {wanted}, and `{SAMPLES}: {{}}` and `{wanted}: {{}}` in features.kinds"
            )
        if n_waveforms and not waveform:
            raise ParamsError(f"{where}: no network reads samples; add train: {{front_end: waveform}}")
        if train["augment"] and not waveform:
            raise ParamsError(
                f"{where}: train.augment changes sound, which comes from the waveform; add front_end: waveform to train"
            )
    for name, stack in params.stacked.items():
        if absent := [key for key in ("front_end", "augment") if stack.train.get(key) not in (None, "cache", [])]:
            raise ParamsError(f"{path}: stacked.{name}: train.{absent[0]}: a stack reads no sound; take it out")


def _check_members(params: Params, path: Path) -> None:
    """Refuse a stack without members, and a member that is not there or of which the stack can make nothing."""
    for edge, member in params.members.items():
        if edge != f"{member.of}.{member.member}":
            raise ParamsError(f"{path}: members.{edge}: must be called {member.of}.{member.member}")
        if member.of not in params.stacked:
            raise ParamsError(
                f"{path}: members.{edge}: there is no stack {member.of!r}; {instead(member.of, params.stacked)}"
            )
        if member.member not in params.candidates:
            raise ParamsError(
                f"{path}: members.{edge}: there is no candidate {member.member!r}; "
                f"{instead(member.member, params.candidates)}"
            )
        stack, candidate = params.stacked[member.of], params.candidates[member.member]
        if candidate.task != stack.task:
            raise ParamsError(
                f"{path}: members.{edge}: learns {candidate.task}, its stack {stack.task}; let them agree"
            )
        if len(network_kinds(candidate.feature, params.features.kinds)) > 1:
            raise ParamsError(f"{path}: members.{edge}: reads {candidate.feature}; a member reads one kind of feature")
    for name, stack in params.stacked.items():
        given = [member.member for member in params.members.values() if member.of == name]
        if unknown := [member for member in stack.optional if member not in given]:
            raise ParamsError(
                f"{path}: stacked.{name}: optional: {unknown[0]!r} is none of its members; {instead(unknown[0], given)}"
            )
        if given and not set(given) - set(stack.optional):
            raise ParamsError(f"{path}: stacked.{name}: all its members are optional; leave one out of `optional`")
    for name in params.stacked.keys() - {member.of for member in params.members.values()}:
        raise ParamsError(
            f"{path}: stacked.{name}: has no members; list them under members, such as "
            f"{name}.x: {{of: {name}, member: x}}"
        )


def _check_numbers(params: Params, path: Path) -> None:
    """Refuse numbers for a stack that is not there, and what is no feature of numbers."""
    kinds = params.features.kinds
    for edge, number in params.numbers.items():
        where, of, feature = f"{path}: numbers.{edge}", number.of, number.feature
        if of not in params.stacked:
            raise ParamsError(f"{where}: there is no stack {of!r}; {instead(of, params.stacked)}")
        if edge in params.members:
            raise ParamsError(f"{where}: a member of {of} has that name; call the feature or the member otherwise")
        if feature not in kinds:
            raise ParamsError(
                f"{where}: {of} reads {feature!r}, which features.kinds lacks; "
                f"add `{feature}: {{}}` there; {instead(feature, kinds)}"
            )
        if len(parts(feature)) > 1:
            raise ParamsError(f"{where}: {of} reads {feature}; write one entry for each of {', '.join(parts(feature))}")
        module = load("ostinato.features", (kinds[feature] or {}).get("kind", feature))
        if (source := getattr(module, "SOURCE", "audio")) not in NUMBERS:
            raise ParamsError(
                f"{where}: {of} reads {feature}, made of {source}; it needs numbers of a table, such as `year`"
            )
        if edge != f"{of}.{feature}":
            raise ParamsError(f"{where}: must be called {of}.{feature}")


def _check_plugins(params: Params, path: Path) -> None:
    """Refuse an architecture, an estimator or a kind of feature that has no file, before any stage runs."""
    for group, key, package in PLUGINS:
        known = names(f"ostinato.{package}")
        for name, entry in getattr(params, group).items():
            if (given := getattr(entry, key)) not in known:
                raise ParamsError(f"{path}: {group}.{name}: there is no {key} {given!r}; {instead(given, known)}")
    known = names("ostinato.features")
    for name, departures in params.features.kinds.items():
        kind = (departures or {}).get("kind", name)
        if len(parts(name)) == 1 and kind not in known:
            raise ParamsError(f"{path}: features.kinds.{name}: there is no feature {kind!r}; {instead(kind, known)}")


def _check_joint(name: str, entry: dict[str, Any] | None, kinds: dict[str, dict[str, Any]], path: Path) -> None:
    """Refuse a joint of kinds that are not there, occur twice, or are given parameters once more."""
    joined = parts(name)
    if len(joined) == 1:
        return
    absent = [part for part in joined if part not in kinds]
    if absent:
        raise ParamsError(f"{path}: features.kinds.{name}: there is no kind {absent[0]!r}; add `{absent[0]}: {{}}`")
    if len(set(joined)) < len(joined) or entry:
        raise ParamsError(f"{path}: features.kinds.{name}: takes no parameters and no kind twice; write `{name}: {{}}`")


def _check_weights(params: Params, path: Path) -> None:
    """Refuse weights without their hash: a stage sees params.yaml change, but not a file that only some have."""
    common = params.train.model_dump()
    for group, entries in (("candidates", params.candidates), ("stacked", params.stacked)):
        for name, entry in entries.items():
            train = {**common, **entry.train}
            if train["weights"] and not train["weights_sha256"]:
                raise ParamsError(
                    f"{path}: {group}.{name}: train: weights: {train['weights']} needs weights_sha256 beside it, which "
                    "`sha256sum` tells; a file with another one then makes the candidate run again"
                )


def _check_train(params: Params, path: Path) -> None:
    """Refuse old keys, and keys that nothing uses, of `train` and of those who depart from it."""
    common = params.train.model_dump()
    all_ = [common]
    for group, entries in (("candidates", params.candidates), ("stacked", params.stacked)):
        for name, entry in entries.items():
            where, train = f"{path}: {group}.{name}: train", {**common, **entry.train}
            if former := [key for key in entry.train if key in Train.FORMER]:
                raise ParamsError(f"{where}: {former[0]} {Train.FORMER[former[0]]}")
            if message := find_unused(entry.train, train):
                raise ParamsError(f"{where}: {message}")
            all_.append(train)
    for key in params.train.model_fields_set:
        if all(find_unused([key], train) for train in all_):
            raise ParamsError(f"{path}: train: {find_unused([key], common)}")
