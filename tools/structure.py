"""Measure the structure of the package: modules, names, sizes, imports and calls; ``python -m tools.structure``.

With ``--file AUDIO`` in a folder with a released model, it also follows that file on its way to a label.
"""

import argparse
import ast
import re
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import grimp

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "ostinato"
OTHERS = ("bench", "flows", "tests", "tools")
ENDINGS = ("ed", "ing", "orn", "old", "aid", "eld", "ept", "ade", "een", "ound", "own", "awn", "tten", "oken", "iven")
IRREGULAR = {"done", "heard", "left", "lost", "ran", "sent", "spent", "taken", "unheard"}
NOUNS = {"bound", "embedding", "folding", "mapping", "markdown", "ranking", "seed", "sound", "threshold", "tuning"}
VERBS = {"accept", "degrade", "embed", "fold", "need", "open", "round", "spawn"}
"""Words that end like participles."""
FEATURES = str(PACKAGE / "features")
LONG_FILE, LONG_FUNCTION = 250, 40
TIES = {
    "src/ostinato/training/callbacks.py": "sets where Lightning's loops go on",
    "src/ostinato/training/estimator.py": "patches skl2onnx's tree converter and renumbers its names",
    "src/ostinato/expectations/_offline.py": "rewrites the HTML of Great Expectations",
    "flows/_lock_file.py": "replaces how DVC writes dvc.lock",
}
"""Files that reach into the private parts of other libraries; each is held by a test of its own."""


def find_functions(*folders: Path) -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield every function below some folders with its file."""
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield path, node


def is_participle(name: str) -> bool:
    """Return whether a name is a single word that is or ends like a participle.

    Examples
    --------
    >>> is_participle("kept"), is_participle("_joined"), is_participle("seed"), is_participle("keep_freed")
    (True, True, False, False)
    """
    word = name.strip("_")
    return word in IRREGULAR or ("_" not in word and word not in NOUNS | VERBS and word.endswith(ENDINGS))


def count_participles(*folders: Path) -> str:
    """Count the functions below some folders that are named by a participle, and their share."""
    names = [node.name for _, node in find_functions(*folders)]
    n = sum(map(is_participle, names))
    return f"{n} of {len(names)} ({100 * n / len(names):.1f} %)"


def count_lines(path: Path, node: ast.AST | None = None) -> int:
    """Count the lines of code of a file, or of a function's body, without comments, docstrings and empty lines."""
    text, tree = path.read_text(), ast.parse(path.read_text())
    strings = {
        line
        for n in ast.walk(tree)
        if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant) and isinstance(n.value.value, str)
        for line in range(n.lineno, (n.end_lineno or n.lineno) + 1)
    }
    body = getattr(node, "body", None)
    first, last = (body[0].lineno, getattr(node, "end_lineno", 0)) if body else (1, text.count("\n") + 1)
    lines = enumerate(text.split("\n"), start=1)
    return sum(
        first <= i <= last and i not in strings and bool(line.strip()) and line.strip()[0] != "#" for i, line in lines
    )


def count_arrows() -> tuple[int, int]:
    """Return the number of packages in import circles, and of imports that point up the layers of pyproject.toml."""
    graph = grimp.build_graph("ostinato", exclude_type_checking_imports=True, cache_dir=None)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c["id"] == "layers")
    rank = {name: i for i, layer in enumerate(layers) for name in re.findall(r"\w+", layer)}
    edges: dict[str, set[str]] = {}
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            a, b = (f"{name}.".split(".")[1] for name in (module, other))
            if a != b and "__main__" not in (a, b):
                edges.setdefault(a, set()).add(b)
    up = sum(rank.get(a, 0) > rank.get(b, 99) for a, others in edges.items() for b in others)
    return sum(a in _reach(edges, a) for a in edges), up


def _reach(edges: dict[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    waiting = list(edges.get(start, ()))
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += edges.get(name, ())
    return reached


def trace(file: Path) -> dict[str, int]:
    """Follow a file through `predict`: depth of calls down to the features, and changes of module.

    Parameters
    ----------
    file : Path
        Audio that the released models of the working folder can read.

    Returns
    -------
    dict of str to int
    """
    from ostinato.core.paths import Paths
    from ostinato.inference import predict

    deepest: list[str] = []
    switches, last = 0, ""

    def watch(frame: FrameType, event: str, _: Any) -> None:
        nonlocal switches, last, deepest
        if event != "call" or str(PACKAGE) not in frame.f_code.co_filename or frame.f_code.co_name.startswith("<"):
            return
        switches, last = switches + (frame.f_code.co_filename != last), frame.f_code.co_filename
        if FEATURES in frame.f_code.co_filename:
            above: FrameType | None = frame
            chain = []
            while above:
                if str(PACKAGE) in above.f_code.co_filename and not above.f_code.co_name.startswith("<"):
                    chain.append(above.f_code.co_name)
                above = above.f_back
            deepest = max(deepest, chain[::-1], key=len)

    threading.setprofile(watch)
    sys.setprofile(watch)
    try:
        predict.run([file], Paths(Path()).releases)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return {"calls from predict to the innermost function of a feature": len(deepest), "changes of module": switches}


def measure(file: Path | None = None) -> dict[str, str]:
    """Return every number of the report, by what it counts."""
    functions = list(find_functions(PACKAGE))
    files = {path: count_lines(path) for path in PACKAGE.rglob("*.py")}
    long_files = {path: n for path, n in files.items() if n > LONG_FILE}
    long_functions = [node.name for path, node in functions if count_lines(path, node) > LONG_FUNCTION]
    circles, up = count_arrows()
    loose = sorted(p.name for p in PACKAGE.glob("*.py"))
    numbers = {
        "modules beside the packages": f"{len(loose)} ({', '.join(loose)})",
        "packages": str(sum((p / "__init__.py").exists() for p in PACKAGE.iterdir())),
        "functions named by a participle": count_participles(PACKAGE),
        f"the same in {', '.join(OTHERS)}": count_participles(*(ROOT / name for name in OTHERS)),
        f"files beyond {LONG_FILE} lines of code": f"{len(long_files)} ({_name(long_files)})",
        f"functions beyond {LONG_FUNCTION} lines of code": f"{len(long_functions)} ({', '.join(long_functions)})",
        "packages in circles, arrows upward": f"{circles}, {up}",
        "lines of src, of code": f"{sum(len(p.read_text().splitlines()) for p in files)}, {sum(files.values())}",
        "ties to private parts of others": f"{len(TIES)} ({', '.join(TIES)})",
    }
    return numbers | ({name: str(n) for name, n in trace(file).items()} if file else {})


def _name(files: dict[Path, int]) -> str:
    by_size = sorted(files.items(), key=lambda item: -item[1])
    return ", ".join(f"{path.relative_to(PACKAGE)} {n}" for path, n in by_size)


def main() -> None:
    """Print the report as a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, help="audio to follow, in a folder with a released model")
    parser.add_argument("--names", action="store_true", help="list the functions named by a participle")
    args = parser.parse_args()
    print("| what | how many |\n|---|---|")
    for name, value in measure(args.file).items():
        print(f"| {name} | {value} |")
    if args.names:
        for path, node in find_functions(PACKAGE, *(ROOT / name for name in OTHERS)):
            if is_participle(node.name):
                print(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")


if __name__ == "__main__":
    main()
