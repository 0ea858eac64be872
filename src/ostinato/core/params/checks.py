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
"""Section, its key that names a plugin, and the package of the plugins."""


def check(params: Params, path: Path) -> None:
    """Check the consistency of sections.

    Parameters
    ----------
    params : Params
    path : Path
        Name of the file in errors.

    Raises
    ------
    ParamsError
        If sections are inconsistent; the message names the key and the remedy.
    """
    _check_names(params, path)
    _check_front_ends(params, path)
    _check_plugins(params, path)
    _check_members(params, path)
    _check_numbers(params, path)
    _check_regressions(params, path)
    _check_weights(params, path)
    _check_train(params, path)


def _check_names(params: Params, path: Path) -> None:
    """Refuse duplicate names and unknown features."""
    groups = (params.candidates, params.estimators, params.stacked)
    candidates = [name for group in groups for name in group]
    for name in candidates:
        if candidates.count(name) > 1:
            raise ParamsError(f"{path}: {name!r} names two candidates; rename one")
    for group, entries in (("candidates", params.candidates), ("estimators", params.estimators)):
        for name, entry in entries.items():
            if entry.feature not in params.features.kinds:
                raise ParamsError(
                    f"{path}: {group}.{name}: reads {entry.feature!r}, which features.kinds lacks; "
                    f"add `{entry.feature}: {{}}` there; {instead(entry.feature, params.features.kinds)}"
                )
    for name, options in params.features.kinds.items():
        _check_joint(name, options, params.features.kinds, path)
    for name, estimator in params.estimators.items():
        if len(parts(estimator.feature)) > 1:
            raise ParamsError(
                f"{path}: estimators.{name}: reads one kind of feature; choose one of {estimator.feature}"
            )


def _check_front_ends(params: Params, path: Path) -> None:
    """Refuse a waveform without a front end, a front end without a waveform, and augmentation without either."""
    kinds = params.features.kinds
    for name, estimator in params.estimators.items():
        if not network_kinds(estimator.feature, kinds):
            raise ParamsError(f"{path}: estimators.{name}: reads samples; choose a feature such as mfcc")
    for name, candidate in params.candidates.items():
        where, train = f"{path}: candidates.{name}", {**params.train.model_dump(), **candidate.train}
        inputs, waveform = network_kinds(candidate.feature, kinds), train["front_end"] == "waveform"
        n_waveforms = len(parts(candidate.feature)) - len(inputs)
        if waveform and (len(inputs) != 1 or n_waveforms != 1):
            feature = f"{inputs[0] if inputs else 'mel'}+{SAMPLES}"
            raise ParamsError(
                f"{where}: train.front_end: waveform needs one kind and the waveform, not {candidate.feature}; "
                f"write feature: {feature}, and `{SAMPLES}: {{}}` and `{feature}: {{}}` in features.kinds"
            )
        if n_waveforms and not waveform:
            raise ParamsError(f"{where}: no network reads samples; add train: {{front_end: waveform}}")
        if train["augment"] and not waveform:
            raise ParamsError(f"{where}: train.augment needs the waveform; add front_end: waveform to train")
    for name, stack in params.stacked.items():
        if extra := [key for key in ("front_end", "augment") if stack.train.get(key) not in (None, "cache", [])]:
            raise ParamsError(f"{path}: stacked.{name}: train.{extra[0]}: a stack reads no audio; remove it")


def _check_members(params: Params, path: Path) -> None:
    """Refuse a stack without members, and members that are unknown or do not fit their stack."""
    for edge, member in params.members.items():
        if edge != f"{member.of}.{member.member}":
            raise ParamsError(f"{path}: members.{edge}: must be named {member.of}.{member.member}")
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
                f"{path}: members.{edge}: learns {candidate.task}, its stack {stack.task}; use the same task"
            )
        if len(network_kinds(candidate.feature, params.features.kinds)) > 1:
            raise ParamsError(f"{path}: members.{edge}: reads {candidate.feature}; a member reads one kind of feature")
    for name, stack in params.stacked.items():
        members = [member.member for member in params.members.values() if member.of == name]
        if unknown := [member for member in stack.optional if member not in members]:
            raise ParamsError(
                f"{path}: stacked.{name}: optional: {unknown[0]!r} is not a member; {instead(unknown[0], members)}"
            )
        if members and not set(members) - set(stack.optional):
            raise ParamsError(f"{path}: stacked.{name}: all its members are optional; remove one from `optional`")
    for name in params.stacked.keys() - {member.of for member in params.members.values()}:
        raise ParamsError(
            f"{path}: stacked.{name}: has no members; list them under members, such as "
            f"{name}.x: {{of: {name}, member: x}}"
        )


def _check_numbers(params: Params, path: Path) -> None:
    """Refuse numbers for an unknown stack, and features that are not numbers."""
    kinds = params.features.kinds
    for edge, number in params.numbers.items():
        where, of, feature = f"{path}: numbers.{edge}", number.of, number.feature
        if of not in params.stacked:
            raise ParamsError(f"{where}: there is no stack {of!r}; {instead(of, params.stacked)}")
        if edge in params.members:
            raise ParamsError(f"{where}: a member of {of} has that name; rename the feature or the member")
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
                f"{where}: {of} reads {feature}, computed from {source}; it needs numbers of a table, such as `year`"
            )
        if edge != f"{of}.{feature}":
            raise ParamsError(f"{where}: must be named {of}.{feature}")


def _check_regressions(params: Params, path: Path) -> None:
    """Refuse regressions of unknown inputs, and those that would read the number that they predict."""
    candidates = (*params.candidates, *params.estimators, *params.stacked)
    for name, entry in params.regressions.items():
        where = f"{path}: regressions.{name}"
        if entry.candidate is not None and entry.candidate not in candidates:
            raise ParamsError(
                f"{where}: there is no candidate {entry.candidate!r}; {instead(entry.candidate, candidates)}"
            )
        if entry.feature is not None and (entry.feature not in params.features.kinds or len(parts(entry.feature)) > 1):
            kinds = [kind for kind in params.features.kinds if len(parts(kind)) == 1]
            raise ParamsError(f"{where}: reads one kind of features.kinds; {instead(entry.feature, kinds)}")
        for kind in _list_kinds(params, entry.feature, entry.candidate):
            module = load("ostinato.features", (params.features.kinds[kind] or {}).get("kind", kind))
            if getattr(module, "SOURCE", "audio") in NUMBERS and entry.column in module.COLUMNS:
                raise ParamsError(
                    f"{where}: predicts {entry.column}, and its input {kind} contains it; choose another feature or "
                    "candidate: a number may not be among its own inputs"
                )


def _list_kinds(params: Params, feature: str | None, candidate: str | None) -> set[str]:
    """List the kinds of features that a regression reads, itself or through its candidate."""
    if feature is not None:
        return {feature}
    names_read = {candidate, *(m.member for m in params.members.values() if m.of == candidate)}
    entries: dict[str, Any] = {**params.candidates, **params.estimators}
    features = [entry.feature for name, entry in entries.items() if name in names_read]
    features += [number.feature for number in params.numbers.values() if number.of == candidate]
    return {kind for joint in features for kind in parts(joint)}


def _check_plugins(params: Params, path: Path) -> None:
    """Refuse unknown architectures, estimators and kinds of features, before any stage runs."""
    for group, key, package in PLUGINS:
        plugins = names(f"ostinato.{package}")
        for name, entry in getattr(params, group).items():
            if (plugin := getattr(entry, key)) not in plugins:
                raise ParamsError(f"{path}: {group}.{name}: there is no {key} {plugin!r}; {instead(plugin, plugins)}")
    plugins = names("ostinato.features")
    for name, options in params.features.kinds.items():
        kind = (options or {}).get("kind", name)
        if len(parts(name)) == 1 and kind not in plugins:
            raise ParamsError(f"{path}: features.kinds.{name}: there is no feature {kind!r}; {instead(kind, plugins)}")


def _check_joint(name: str, entry: dict[str, Any] | None, kinds: dict[str, dict[str, Any]], path: Path) -> None:
    """Refuse combined kinds that are unknown, repeated, or have parameters of their own."""
    components = parts(name)
    if len(components) == 1:
        return
    missing = [part for part in components if part not in kinds]
    if missing:
        raise ParamsError(f"{path}: features.kinds.{name}: there is no kind {missing[0]!r}; add `{missing[0]}: {{}}`")
    if len(set(components)) < len(components) or entry:
        raise ParamsError(f"{path}: features.kinds.{name}: takes no parameters and no kind twice; write `{name}: {{}}`")


def _check_weights(params: Params, path: Path) -> None:
    """Refuse weights without their hash: DVC tracks params.yaml, but not the file of weights."""
    common = params.train.model_dump()
    for group, entries in (("candidates", params.candidates), ("stacked", params.stacked)):
        for name, entry in entries.items():
            train = {**common, **entry.train}
            if train["weights"] and not train["weights_sha256"]:
                raise ParamsError(
                    f"{path}: {group}.{name}: train: weights: {train['weights']} needs weights_sha256, as computed by "
                    "`sha256sum`; the candidate runs again when it changes"
                )


def _check_train(params: Params, path: Path) -> None:
    """Refuse old and unused keys in `train` and in the candidates' own `train`."""
    common = params.train.model_dump()
    all_ = [common]
    for group, entries in (("candidates", params.candidates), ("stacked", params.stacked)):
        for name, entry in entries.items():
            where, train = f"{path}: {group}.{name}: train", {**common, **entry.train}
            if old := [key for key in entry.train if key in Train.FORMER]:
                raise ParamsError(f"{where}: {old[0]} {Train.FORMER[old[0]]}")
            if message := find_unused(entry.train, train):
                raise ParamsError(f"{where}: {message}")
            all_.append(train)
    for key in params.train.model_fields_set:
        if all(find_unused([key], train) for train in all_):
            raise ParamsError(f"{path}: train: {find_unused([key], common)}")
