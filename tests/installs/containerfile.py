"""Read a Containerfile: its stages, each a list of instructions with their arguments."""

import json
import re
import shlex
from pathlib import Path

FILE = Path(__file__).parents[2] / "deploy" / "Containerfile"
Instruction = tuple[str, str]


def read_stages(file: Path = FILE) -> dict[str, list[Instruction]]:
    """Return the instructions of each stage by its name, with the defaults of ``ARG``; ``FROM`` comes first."""
    text = re.sub(r"\\\n\s*", " ", file.read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    arguments: dict[str, str] = {}
    stages: dict[str, list[Instruction]] = {}
    current: list[Instruction] = []
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "ARG" and not stages:
            name, _, value = rest.partition("=")
            arguments[name] = value
            continue
        if word == "FROM":
            for name, value in arguments.items():
                rest = rest.replace(f"${{{name}}}", value)
            image, _, name = rest.partition(" AS ")
            stages[name] = current = [("FROM", image)]
            continue
        current.append((word, rest))
    return stages


def find(stage: list[Instruction], word: str) -> list[str]:
    """List the arguments of one kind of instruction."""
    return [rest for name, rest in stage if name == word]


def read_environment(stage: list[Instruction]) -> dict[str, str]:
    """Return the variables that a stage sets."""
    return dict(pair.split("=", 1) for rest in find(stage, "ENV") for pair in shlex.split(rest))


def read_command(rest: str) -> list[str]:
    """Return a command in the form of a list."""
    return list(json.loads(rest[rest.index("[") :]))
