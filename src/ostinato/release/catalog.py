"""Releases of the catalog: versions of what the stage makes, as models have them.

The stage writes models/catalog, which nobody is answered from. A release copies it, with the
network of its space, into models/released/catalog/<n>/ if the rules here are kept; so answers
go on while the stage runs and after it failed, and never mix a network with another's vectors.
"""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from ostinato.core.paths import Paths
from ostinato.curation.remarks import format_count
from ostinato.errors import OstinatoError, ReadError
from ostinato.io import versions
from ostinato.io.files import read_json, write_json
from ostinato.io.versions import CATALOG, MODEL, NETWORK, RELEASE
from ostinato.recommendation.catalog import SKIPPED, Catalog, open_whole
from ostinato.release.rules import RuleResult, to_records


def find_other_training(catalog: Path, model: Path) -> str | None:
    """Return a remark if a catalog was placed by another training of the candidate in service.

    Parameters
    ----------
    catalog, model : Path
        Folders of a catalog and of a released model; either may be absent.

    Returns
    -------
    str or None
        None if it was not: the network is the same, or of another candidate.
    """
    if not all((folder / MODEL).is_file() for folder in (catalog, model)):
        return None
    placing, serving = (read_json(folder / MODEL) for folder in (catalog, model))
    if (placing["name"], placing["task"]) != (serving["name"], serving["task"]):
        return None
    if _digest(catalog / NETWORK) == _digest(model / NETWORK):
        return None
    return (
        f"the catalog was placed by another training of {placing['name']} than the one in service for "
        f"{placing['task']}; it goes on with a network of its own, and "
        f"`ostinato release --rollback --task {CATALOG}` goes back to the catalog before it"
    )


def release(paths: Paths, bounds: Any) -> tuple[str, list[str], list[RuleResult]]:
    """Put what the stage made in service if no rule speaks against it.

    Parameters
    ----------
    paths : Paths
    bounds : object
        params.yaml: release.

    Returns
    -------
    answer : {"released", "unchanged", "skipped", "rejected"}
    reasons : list of str
    answers : list of RuleResult
        Of the rules ``catalog``, ``tracks``, ``network`` and ``vanished``.
    """
    if (paths.catalog / SKIPPED).exists():
        return "skipped", [read_json(paths.catalog / SKIPPED)["skipped"]], []
    folder, served = paths.releases / CATALOG, paths.released(CATALOG)
    try:
        incoming = open_whole(paths.catalog)
    except OstinatoError as error:
        return "rejected", [str(error)], [RuleResult("catalog", False, None, None, str(error))]
    names = sorted(file.name for file in paths.catalog.iterdir() if file.is_file())
    digests = versions.compute_digests(paths.catalog, names)
    if (served / RELEASE).is_file() and read_json(served / RELEASE)["files"] == digests and _is_whole(served):
        return (
            "unchanged",
            [f"{format_count(len(incoming), 'track')}, byte for byte what is in service"],
            [],
        )
    answers = [_tracks_rule(incoming), _network_rule(paths), *_vanished_rule(incoming, served, bounds)]
    reasons = [answer.reason for answer in answers]
    if not all(answer.kept for answer in answers):
        return "rejected", reasons, answers
    _install(paths.catalog, folder, digests, reasons, answers, bounds.keep)
    return "released", reasons, answers


def _tracks_rule(catalog: Catalog) -> RuleResult:
    n = len(catalog)
    return RuleResult("tracks", n > 0, n, 1, f"it holds {format_count(n, 'track')}" if n else "it holds no track")


def _network_rule(paths: Paths) -> RuleResult:
    """Require that a candidate in service has not been trained otherwise than the one that placed the tracks."""
    about = read_json(paths.catalog / MODEL)
    if other := find_other_training(paths.catalog, paths.released(about["task"])):
        return RuleResult("network", False, None, None, other)
    return RuleResult("network", True, None, None, f"{about['name']} placed them, and its network lies beside them")


def _vanished_rule(catalog: Catalog, served: Path, bounds: Any) -> list[RuleResult]:
    """Bound the share of tracks in service that are gone; nothing is asked of the first catalog."""
    try:
        before = Catalog.load(served)
    except ReadError:
        raise
    except OstinatoError:
        return []
    gone, bound = [track for track in before.ids if track not in catalog], bounds.max_vanished_share
    share = len(gone) / max(1, len(before))
    reason = f"{len(gone):,} of {len(before):,} tracks in service are gone ({share:.3f}), "
    kept = share <= bound
    mend = "at most" if kept else "above"
    more = "" if kept else "; if they were taken out on purpose, raise release.max_vanished_share for once"
    return [RuleResult("vanished", kept, share, bound, f"{reason}{mend} {bound:g}{more}")]


def _install(
    source: Path, folder: Path, digests: dict[str, str], reasons: list[str], answers: list[RuleResult], keep: int
) -> None:
    """Make a version of what the stage wrote, and put it in service."""
    incoming, version = versions.make_incoming(folder), versions.find_next(folder)
    for name in digests:
        shutil.copyfile(source / name, incoming / name)
    about = {"version": version, "network": digests[NETWORK], "files": digests}
    write_json(incoming / RELEASE, about | {"reasons": reasons, "rules": to_records(answers)})
    versions.check_digests(incoming)
    versions.add_version(folder, incoming, version, keep)


def _is_whole(folder: Path) -> bool:
    return versions.compute_digests(folder, (files := read_json(folder / RELEASE)["files"])) == files


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
