"""What is freed is used again, not asked of the system once more."""

import os
import platform
import subprocess
import sys

import pytest

PAGES = 16_384
COUNTED = """
import resource, sys
import numpy as np
from ostinato.core.malloc import keep_freed

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(4096 * {pages} // 8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_freed() if sys.argv[1] == "kept" else None
faults()
print(faults())
"""


def faults_of_a_second_batch(how: str) -> int:
    code = COUNTED.format(pages=PAGES)
    environment = {**os.environ, "NUMPY_MADVISE_HUGEPAGE": "0"}
    command = [sys.executable, "-c", code, how]
    return int(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_a_second_batch_needs_no_fresh_pages():
    assert faults_of_a_second_batch("kept") < PAGES / 100
