"""Kill a call before each step that changes the disk, one after the other."""

import os
import shutil
from contextlib import suppress

import pytest


class KilledError(BaseException):
    """Stand for SIGKILL: nothing that runs afterwards belongs to the process."""


class Killer:
    """Count system calls that change the disk, and die before one of them."""

    CALLS = ((os, "replace"), (os, "fsync"), (os, "unlink"), (shutil, "rmtree"), (shutil, "copyfile"))

    def __init__(self, monkeypatch, at: int) -> None:
        self.at, self.calls, self.dead = at, 0, False
        for module, name in self.CALLS:
            monkeypatch.setattr(module, name, self.wrapped(getattr(module, name)))

    def wrapped(self, call):
        def counted(*arguments, **keywords):
            self.calls += 1
            if self.dead or self.calls == self.at:
                self.dead = True
                raise KilledError
            return call(*arguments, **keywords)

        return counted


def kill_at_every_step(models, start, call, check):
    """Call again and again, killed one step later each time, until a call ends; check what each kill left."""
    steps, reached = 0, True
    while reached:
        steps += 1
        shutil.rmtree(models)
        shutil.copytree(start, models)
        with pytest.MonkeyPatch.context() as patch:
            killer = Killer(patch, at=steps)
            with suppress(KilledError):
                call()
            reached = killer.calls >= steps
        check()
    return steps
