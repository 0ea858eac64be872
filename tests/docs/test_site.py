"""The pages of docs/ as a site: all in it, built without a warning or a fetch, and the commands of tutorials run."""

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
import yaml

from ostinato.cli import app
from recipes.test_learn import RATE, play

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TUTORIALS = DOCS / "tutorials"
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def list_pages(nav: list) -> Iterator[str]:
    """List the files that a navigation names."""
    for entry in nav:
        [value] = entry.values()
        yield from [value] if isinstance(value, str) else list_pages(value)


def list_blocks(page: Path) -> list[tuple[str, str]]:
    """List the blocks of a page that are run: their language and their text."""
    return re.findall(r"^```(console|python)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def list_commands(block: str) -> list[tuple[str, str]]:
    """List the commands of a console, each with the text that it reads, and what each prints."""
    commands = list[tuple[str, str]]()
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        end = re.match(r".*<<'(\w+)'$", part, re.MULTILINE)
        command, _, printed = part.partition(f"\n{end[1]}\n" if end else "\n")
        commands.append((f"{command}\n{end[1]}" if end else command, printed))
    return commands


def test_every_page_is_in_the_navigation_and_there() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert sorted(list_pages(nav)) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_a_console_is_read_as_commands_with_what_they_read_and_print() -> None:
    block = "$ cat > a <<'END'\nb: 1\nEND\n$ cat a\nb: 1\n$ true\n"
    assert list_commands(block) == [("cat > a <<'END'\nb: 1\nEND", ""), ("cat a", "b: 1\n"), ("true", "")]


@pytest.mark.parametrize("page", sorted(TUTORIALS.iterdir()), ids=lambda page: page.stem)
def test_a_tutorial_names_commands_and_options_that_there_are(page: Path) -> None:
    commands = typer.main.get_command(app).commands
    asked = [
        shlex.split(command.partition("<<")[0])
        for language, block in list_blocks(page)
        if language == "console"
        for command, _ in list_commands(block)
    ]
    ours = [words for words in asked if words[0] == "ostinato"]
    assert ours
    for _, name, *words in ours:
        known = {option for param in commands[name].params for option in param.opts}
        assert {word for word in words if re.match(r"--?[a-z]", word)} <= known, name


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_fetches_nothing(tmp_path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    fetched = r'<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)="(?:https?:)?//'
    assert [page.name for page in pages if re.search(fetched, page.read_text())] == []
    text = (tmp_path / "site" / "reference" / "models.html").read_text()
    assert all(f'id="ostinato.api.{name}"' in text for name in ("load_model", "load_catalog", "Model.predict"))


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """Copy the repository as a clone would have it, without what a pipeline made; music and labels beside it."""
    folder = tmp_path_factory.mktemp("tutorials") / "ostinato"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if not name.startswith(("models/", "data/", "dvc.lock")) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    rng, rows = np.random.default_rng(0), ["path,genre,artist"]
    for i in range(36):
        artist = f"artist{i % 9}"
        (folder / "music" / artist).mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / "music" / artist / f"{i:02d}.flac", play(rng, i % 2), RATE)
        if i < 28:
            rows.append(f"{artist}/{i:02d}.flac,{'round' if i % 2 else 'hollow'},{artist}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    for command in (["git", "init", "--quiet"], ["git", "add", "--all"]):
        subprocess.run(command, cwd=folder, check=True)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["label_a_folder", "recommend", "train_on_your_folder"])  # each may need those before
def test_what_a_tutorial_says_happens(clone, name) -> None:
    programs = clone / "bin"
    programs.mkdir(exist_ok=True)
    for program, module in (("ostinato", "ostinato"), ("dvc", "dvc")):
        (programs / program).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        (programs / program).chmod(0o755)
    variables = os.environ | {
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(clone / "src"),
    }
    checker = doctest.OutputChecker()
    for language, block in list_blocks(TUTORIALS / f"{name}.md"):
        pieces = list_commands(block) if language == "console" else [(block, "")]
        for text, printed in pieces:
            command = ["bash", "-c", text] if language == "console" else [sys.executable, "-c", text]
            done = subprocess.run(command, cwd=clone, env=variables, capture_output=True, text=True)
            said = f"{text}\n{done.stdout}\n{done.stderr[-5000:]}"
            assert done.returncode == 0, said
            shown = (done.stdout, done.stdout + done.stderr)  # progress is left out of a page, a summary is not
            assert not printed or any(checker.check_output(printed, output, OPTIONS) for output in shown), said
