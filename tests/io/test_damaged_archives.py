"""Archives damaged at random: each is unpacked or refused in words, in little time, and writes nothing elsewhere."""

import io
import resource
import tarfile
import time
import zipfile

import numpy as np
import pytest

from audio.test_damaged_audio import SECONDS, damage
from ostinato.errors import OstinatoError
from ostinato.io.archives import unpack

FORMATS = ("zip", "tar", "tar.gz", "tar.bz2", "tar.xz")
MOST = 2**20


def archive(kind: str, rng: np.random.Generator) -> bytes:
    out, files = io.BytesIO(), {f"music/{i}.txt": rng.integers(0, 99, 400, np.uint8).tobytes() for i in range(3)}
    if kind == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in files.items():
                file.writestr(name, content)
        return out.getvalue()
    with tarfile.open(fileobj=out, mode=f"w:{kind.partition('.')[2]}") as file:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return out.getvalue()


def unpacks(target, place) -> bool:
    """Unpack an archive; False if it is refused in words that name it, and leaves nothing."""
    try:
        written = unpack(target, place, max_bytes=MOST)
    except OstinatoError as error:
        left = [p for p in place.rglob("*") if p.is_file()]
        return (str(target) not in str(error) or bool(left)) and pytest.fail(f"{error}; {left} are left of {target}")
    return sum((place / name).stat().st_size for name in written) <= MOST or pytest.fail(f"{target}: a bomb")


@pytest.mark.parametrize("n", [20, pytest.param(120, marks=pytest.mark.slow)])
def test_a_damaged_archive_is_unpacked_or_refused(n, tmp_path):
    """Ten seconds an archive is no measure of speed: what takes longer hangs."""
    rng, n_unpacked = np.random.default_rng(n), 0
    for kind in FORMATS:
        content = archive(kind, rng)
        for number in range(n):
            place, target = tmp_path / f"{kind}-{number}", tmp_path / f"{number}.{kind}"
            target.write_bytes(damage(content, rng))
            begin = time.monotonic()
            n_unpacked += unpacks(target, place)
            assert time.monotonic() - begin < SECONDS, target
    known = {name for k in FORMATS for i in range(n) for name in (f"{k}-{i}", f"{i}.{k}")}
    assert {p.name for p in tmp_path.iterdir()} <= known, "nothing is written elsewhere"
    assert 0.02 < n_unpacked / (n * len(FORMATS)) < 0.9, "the damage is neither too little nor too much"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 * 2**20, "in KiB"
