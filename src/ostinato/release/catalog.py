"""Releases of the catalog, versioned as models are.

The stage writes models/catalog, which is never served. A release copies it, with the network of
its space, into models/released/catalog/<n>/ if it passes the rules here. Service thus continues
while the stage runs or after it failed, and never mixes a network with the vectors of another.
"""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from ostinato.core.candidates import PREFERRED
from ostinato.core.counts import format_count
from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError, ParamsError, ReadError
from ostinato.io import versions
from ostinato.io.files import read_json, write_json
from ostinato.io.versions import CATALOG, MODEL, NETWORK, RELEASE
from ostinato.recommendation.catalog import SKIPPED, Catalog, open_whole
from ostinato.release.rules import RuleResult, to_records
from ostinato.study.folder import Study
from ostinato.study.report import report

BASE = "base"
"""In release.json: the digests of the pipeline's catalog to which tracks were added."""


def find_other_training(catalog: Path, model: Path) -> str | None:
    """Return a remark if a catalog was built by another training run of the released candidate.

    Parameters
    ----------
    catalog, model : Path
        Folders of a catalog and of a released model; either may be missing.

    Returns
    -------
    str or None
        None if the network is the same or belongs to another candidate.
    """
    if not all((folder / MODEL).is_file() for folder in (catalog, model)):
        return None
    builder, released = (read_json(folder / MODEL) for folder in (catalog, model))
    if (builder["name"], builder["task"]) != (released["name"], released["task"]):
        return None
    if _digest(catalog / NETWORK) == _digest(model / NETWORK):
        return None
    return (
        f"the catalog was built by another training run of {builder['name']} than the model in service for "
        f"{builder['task']}; it keeps using its own network, and "
        f"`ostinato release --rollback --task {CATALOG}` restores the previous catalog"
    )


def release(paths: Paths, bounds: Any, preferred: Any = None) -> tuple[str, list[str], list[RuleResult]]:
    """Release the catalog that the stage wrote, if it passes every rule.

    Parameters
    ----------
    paths : Paths
    bounds : object
        params.yaml: release.
    preferred : object, optional
        params.yaml: gate.space.preferred.

    Returns
    -------
    status : {"released", "unchanged", "skipped", "rejected"}
    reasons : list of str
    results : list of RuleResult
        Results of the rules ``catalog``, ``tracks``, ``network``, ``vanished`` and ``preferred``.
    """
    if (paths.catalog / SKIPPED).exists():
        return "skipped", [read_json(paths.catalog / SKIPPED)["skipped"]], []
    folder, served = paths.releases / CATALOG, paths.current_release(CATALOG)
    try:
        incoming = open_whole(paths.catalog)
    except OstinatoError as error:
        return "rejected", [str(error)], [RuleResult("catalog", False, None, None, str(error))]
    names = sorted(file.name for file in paths.catalog.iterdir() if file.is_file())
    digests = versions.compute_digests(paths.catalog, names)
    about = read_json(served / RELEASE) if (served / RELEASE).is_file() else {}
    if digests in (about.get("files"), about.get(BASE)) and _is_whole(served):
        n = format_count(len(incoming), "track")
        reason = "identical to what is in service" if about["files"] == digests else "which others were added to since"
        return "unchanged", [f"{n}, {reason}"], []
    results = [_tracks_rule(incoming), _network_rule(paths), *_vanished_rule(incoming, served, bounds)]
    results += _preferred_rule(paths, preferred)
    reasons = [result.reason for result in results]
    if not all(result.kept for result in results):
        return "rejected", reasons, results
    _install(paths.catalog, folder, digests, reasons, results, bounds.keep)
    return "released", reasons, results


def _tracks_rule(catalog: Catalog) -> RuleResult:
    n = len(catalog)
    return RuleResult("tracks", n > 0, n, 1, f"it has {format_count(n, 'track')}" if n else "it has no tracks")


def _network_rule(paths: Paths) -> RuleResult:
    """Require the network that embedded the tracks to be the one in service for its candidate."""
    metadata = read_json(paths.catalog / MODEL)
    if remark := find_other_training(paths.catalog, paths.current_release(metadata["task"])):
        return RuleResult("network", False, None, None, remark)
    return RuleResult(
        "network", True, None, None, f"{metadata['name']} embedded the tracks, and its network is included"
    )


def _vanished_rule(catalog: Catalog, served: Path, bounds: Any) -> list[RuleResult]:
    """Bound the share of tracks in service that are missing; the first catalog always passes."""
    try:
        previous = Catalog.load(served)
    except ReadError:
        raise
    except OstinatoError:
        return []
    missing, bound = [track for track in previous.ids if track not in catalog], bounds.max_vanished_share
    share = len(missing) / max(1, len(previous))
    reason = f"{len(missing):,} of {len(previous):,} tracks in service are missing ({share:.3f}), "
    passed = share <= bound
    comparison = "at most" if passed else "above"
    hint = "" if passed else "; if they were removed on purpose, raise release.max_vanished_share once"
    return [RuleResult("vanished", passed, share, bound, f"{reason}{comparison} {bound:g}{hint}")]


def _preferred_rule(paths: Paths, bound: Any) -> list[RuleResult]:
    """Bound the share of answers in which listeners preferred the catalog's space."""
    if bound is None:
        return []
    if bound.min is None and bound.max is None:
        raise ParamsError(f"params.yaml: gate.space.{PREFERRED} has no bound; give it a min or a max")
    name = str(read_json(paths.catalog / MODEL)["name"])
    try:
        spaces = report(Study.open(paths.study))["spaces"]
    except OstinatoError as error:
        return [RuleResult(PREFERRED, False, None, bound.min, f"gate.space.preferred needs a study: {error}")]
    if name not in spaces:
        reason = f"gate.space.preferred: the study in {paths.study} does not ask about {name}, but {', '.join(spaces)}"
        return [RuleResult(PREFERRED, False, None, bound.min, f"{reason}; make another with `ostinato study make`")]
    share = spaces[name][PREFERRED]["value"]
    if share is None:
        reason = f"gate.space.preferred: nobody has compared {name} with another space yet"
        return [RuleResult(PREFERRED, False, None, bound.min, f"{reason}; ask listeners with `ostinato serve --study`")]
    low, high = (default if end is None else end for end, default in ((bound.min, 0.0), (bound.max, 1.0)))
    reason = f"listeners preferred {name} in {share:.3f} of the answers; the bounds are {low:g} and {high:g}"
    return [RuleResult(PREFERRED, low <= share <= high, share, bound.min, reason)]


def _install(
    source: Path, folder: Path, digests: dict[str, str], reasons: list[str], results: list[RuleResult], keep: int
) -> None:
    """Copy what the stage wrote into a new version, and put it in service."""
    incoming, version = versions.make_incoming(folder), versions.find_next(folder)
    for name in digests:
        shutil.copyfile(source / name, incoming / name)
    metadata = {"version": version, "network": digests[NETWORK], "files": digests}
    write_json(incoming / RELEASE, metadata | {"reasons": reasons, "rules": to_records(results)})
    versions.check_digests(incoming)
    versions.add_version(folder, incoming, version, keep)


def _is_whole(folder: Path) -> bool:
    return versions.compute_digests(folder, (files := read_json(folder / RELEASE)["files"])) == files


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
