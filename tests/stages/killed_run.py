"""Run a stage of the tiny project; SIGKILL this process after a number of training batches."""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

import tiny_project
from ostinato.core.paths import Paths
from ostinato.stages import train, tune
from ostinato.training.module import Module


def main(stage: str, root: str, batches: int) -> None:
    """Train until the kill."""
    torch.set_num_threads(1)
    tiny_project.install_plugins()
    left, step = [batches], Module.training_step

    def count_steps(self, batch, number):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, batch, number)

    Module.training_step = count_steps
    params = tiny_project.settings(**tiny_project.LONGER)
    {"train": train, "tune": tune}[stage].run(Paths(Path(root)), params, "tiny_mel")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
