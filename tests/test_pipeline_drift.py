"""dvc.yaml says what the code does: stages, parameters, code and data, and nothing that is gone.

Each check is a function from a project to complaints. It is run on the pipeline,
where it must have none, and on a toy pipeline broken in one place, where it must
have that one.
"""

import ast
import copy
import inspect
import itertools
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import grimp
import pytest
import yaml

from ostinato.core.paths import Paths
from ostinato.pipeline.graph import ancestors

ROOT = Path(__file__).parents[1]
PLUMBING = (
    "__main__",
    "cli",
    "core",
    "core.code_hash",
    "core.counts",
    "core.malloc",
    "core.params",
    *(f"core.params.{name}" for name in ("checks", "kinds", "messages", "schema", "section", "training", "yaml_io")),
    "core.paths",
    "io.locks",
    "core.registry",
    "errors",
    "io",
    "io.escapes",
    "io.files",
    "io.versions",
    "pipeline",
    "pipeline.dvc_files",
    "pipeline.graph",
    "pipeline.recovery",
    "pipeline.status",
)
PLUGINS = ("architectures", "datasets", "estimators", "expectations", "features", "report")
# each entry is a stage of its own, so that a change shows in commands and files
SHAPE = {"members", "numbers"}
# loaded by name, and a change of it reaches the stage through what it reads
REACHED = {
    ("artists", "architectures"),  # it trains a table; the door to networks is only passed
    ("catalog", "features"),  # it reads the cache; files computed later are no out
    ("member", "architectures"),  # the member's checkpoint and predictions
    ("number", "architectures"),  # it writes a table; the door to networks is only passed
    ("export", "datasets"),  # one flag of the plugin; the tracks it lists are behind every checkpoint
}
OUTS = ("outs", "metrics", "plots")


@dataclass(frozen=True)
class Stage:
    """One stage after ``foreach``."""

    module: str
    argument: str | None
    deps: tuple[str, ...]
    outs: tuple[str, ...]
    sections: frozenset[str]
    meta: dict[str, Any]


@dataclass(frozen=True)
class Project:
    """A pipeline and the package it runs."""

    stages: dict[str, Stage]
    names: frozenset[str]
    package: str
    source: Path
    imports: grimp.ImportGraph

    def module_path(self, module: str) -> str:
        """Return where a module lies, from the project's root."""
        inside = PurePosixPath("src", *module.split("."))
        is_folder = (self.source / Path(*module.split("."))).is_dir()
        return str(inside / "__init__.py") if is_folder else f"{inside}.py"

    def closure(self, stage: Stage) -> set[str]:
        """List the modules a stage imports, near or far, and those of the plugins it names."""
        start = {f"{self.package}.stages.{stage.module}"} & self.imports.modules
        plugins = tuple(f"src/{self.package}/{plugin}" for plugin in PLUGINS)
        for module in self.imports.modules:
            if any(covers(dep, self.module_path(module)) for dep in stage.deps if dep.startswith(plugins)):
                start.add(module)
        found = start.union(*(self.imports.find_upstream_modules(module) for module in start))
        ignored = {self.package, f"{self.package}.stages", *(f"{self.package}.{name}" for name in PLUMBING)}
        return found - ignored


def read(pipeline: dict[str, Any], params: dict[str, Any], package: str, source: Path) -> Project:
    """Put a dvc.yaml, a params.yaml and a package together."""
    stages: dict[str, Stage] = {}
    for name, stage in pipeline["stages"].items():
        if "foreach" not in stage:
            stages[name] = _stage(stage, "", {})
            continue
        for key, item in params[stage["foreach"].strip("${}")].items():
            stages[f"{name}@{key}"] = _stage(stage["do"], key, item)
    groups = ("candidates", "estimators", "stacked", "gate", "members")
    names = {name for group in groups for name in params.get(group, {})} | set(params["features"]["kinds"])
    names |= {part for name in params.get("members", {}) for part in name.split(".")} | {"tracks", "files"}
    return Project(stages, frozenset(names), package, source, grimp.build_graph(package, cache_dir=None))


def _stage(stage: dict[str, Any], key: str, item: dict[str, Any]) -> Stage:
    def fill(text: str) -> str:
        return re.sub(r"\$\{item\.(\w+)\}", lambda found: str(item[found[1]]), text.replace("${key}", key))

    def paths(section: str) -> Iterator[str]:
        for path in stage.get(section, []):
            yield fill(next(iter(path)) if isinstance(path, dict) else path)

    module, *argument = fill(stage["cmd"]).split()[3:]
    return Stage(
        module=module,
        argument=argument[0] if argument else None,
        deps=tuple(paths("deps")),
        outs=tuple(path for section in OUTS for path in paths(section)),
        sections=frozenset(name.split(".")[0] for name in stage.get("params", [])),
        meta=stage.get("meta", {}),
    )


def covers(folder: str, path: str) -> bool:
    """Return whether a path is that file, or lies in that folder."""
    return PurePosixPath(path).is_relative_to(folder)


def modules(project: Project) -> list[str]:
    """Every module of stages/ is a stage and the reverse; a stage is called after its module and gets its entry."""
    files = {path.stem for path in (project.source / project.package / "stages").glob("[!_]*.py")}
    called = {stage.module for stage in project.stages.values()}
    return [
        *(f"stages/{name}.py is no stage of dvc.yaml" for name in sorted(files - called)),
        *(f"dvc.yaml calls {name}, which stages/ has not" for name in sorted(called - files)),
        *(
            f"{name}: runs {stage.module} {stage.argument}"
            for name, stage in project.stages.items()
            if name.split("@")[0].split("_")[0] != stage.module or name.partition("@")[2] != (stage.argument or "")
        ),
    ]


def parameters(project: Project) -> list[str]:
    """The sections a stage declares are those its module asks for."""
    complaints = []
    for name in sorted({stage.module for stage in project.stages.values()}):
        declared = frozenset().union(*(s.sections for s in project.stages.values() if s.module == name))
        asked = _sections(project.source / project.package / "stages" / f"{name}.py")
        complaints += [
            f"{name}: reads {section}, which dvc.yaml does not declare" for section in asked - declared - SHAPE
        ]
        complaints += [f"{name}: dvc.yaml declares {section}, which it may not read" for section in declared - asked]
    return sorted(complaints)


def _sections(path: Path) -> frozenset[str]:
    """Read SECTIONS off a stage's module without importing what it imports."""
    for node in ast.parse(path.read_text() if path.is_file() else "").body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SECTIONS":
            return frozenset(ast.literal_eval(node.value))
    return frozenset()


def code(project: Project) -> list[str]:
    """A stage depends on all code it imports."""
    return [
        f"{name}: imports {path}, on which it does not depend"
        for name, stage in project.stages.items()
        for path in sorted(map(project.module_path, project.closure(stage)))
        if not any(covers(dep, path) for dep in stage.deps)
    ]


def find_needless_deps(project: Project) -> list[str]:
    """A stage depends on no code that is gone or that it does not use."""
    complaints = []
    for name, stage in project.stages.items():
        used = {project.module_path(module) for module in project.closure(stage)}
        doors = {f"src/{project.package}/{plugin}/__init__.py" for plugin in PLUGINS}
        complaints += [
            f"{name}: depends on {dep}, which it does not import"
            for dep in stage.deps
            if dep.startswith("src/") and not any(covers(dep, path) for path in used | doors)
        ]
    return complaints


def plugins(project: Project) -> list[str]:
    """A stage whose code loads a kind of plugin by name depends on files of that kind."""
    complaints = []
    for module in sorted({stage.module for stage in project.stages.values()}):
        same = [stage for stage in project.stages.values() if stage.module == module]
        files = {project.source.parent / project.module_path(m) for stage in same for m in project.closure(stage)}
        text = "\n".join(path.read_text() for path in sorted(files))
        for plugin in PLUGINS:
            loaded = f'load("{project.package}.{plugin}"' in text
            if (module, plugin) in REACHED or not loaded:
                continue
            if not any(covers(f"src/{project.package}/{plugin}", d) for s in same for d in s.deps):
                complaints.append(f"{module}: loads {plugin}, on none of which it depends")
    return complaints


def paths(project: Project) -> list[str]:
    """Data a stage reads and writes are files that `Paths` names, or what lies directly in its folders."""
    known = set(_list_paths(project.names))
    known |= {str(PurePosixPath(path).parent) for path in known}
    return [
        f"{name}: Paths makes no {path}"
        for name, stage in project.stages.items()
        for path in (*(dep for dep in stage.deps if not dep.startswith("src/")), *stage.outs)
        if not {path, str(PurePosixPath(path).parent)} & known
    ]


def _list_paths(names: frozenset[str]) -> Iterator[str]:
    """Call everything `Paths` has, with every name."""
    made = Paths(Path())
    for attribute, value in inspect.getmembers(Paths):
        if isinstance(value, property):
            yield str(getattr(made, attribute))
        elif inspect.isfunction(value) and not attribute.startswith("_"):
            arguments = [sorted(names)] * (len(inspect.signature(value).parameters) - 1)
            yield from (str(value(made, *chosen)) for chosen in itertools.product(*arguments))


def find_unwritten_deps(project: Project) -> list[str]:
    """What a stage reads, another writes; only code is there from the start."""
    outs = [out for stage in project.stages.values() for out in stage.outs]
    return [
        f"{name}: no stage writes {dep}"
        for name, stage in project.stages.items()
        for dep in stage.deps
        if not dep.startswith("src/") and not any(covers(out, dep) or covers(dep, out) for out in outs)
    ]


def find_ungated(project: Project) -> list[str]:
    """The gate follows from every evaluation."""
    upstream = {
        name: frozenset(
            other
            for other, writer in project.stages.items()
            if any(covers(out, dep) or covers(dep, out) for dep in stage.deps for out in writer.outs)
        )
        for name, stage in project.stages.items()
    }
    reached = ancestors(upstream, "gate")
    evaluations = [name for name, stage in project.stages.items() if stage.module == "evaluate"]
    return [f"gate does not follow from {name}" for name in evaluations if name not in reached]


def gpus(project: Project) -> list[str]:
    """What computes with a network waits for a GPU in flows."""
    networks = f"src/{project.package}/architectures/"
    return [
        f"{name}: runs a network without `meta: {{gpu: true}}`"
        for name, stage in project.stages.items()
        if any(dep.startswith(networks) for dep in stage.deps) and not stage.meta.get("gpu")
        if stage.module != "export"  # it traces one chunk on the CPU
    ]


Check = Callable[[Project], list[str]]
CHECKS: tuple[Check, ...] = (
    modules,
    parameters,
    code,
    find_needless_deps,
    plugins,
    paths,
    find_unwritten_deps,
    find_ungated,
    gpus,
)


@pytest.fixture(scope="module")
def pipeline() -> Project:
    """Return the pipeline as it stands."""
    read_yaml = [yaml.safe_load((ROOT / name).read_text()) for name in ("dvc.yaml", "params.yaml")]
    return read(read_yaml[0], read_yaml[1], "ostinato", ROOT / "src")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_pipeline_has_no_drift(pipeline: Project, check: Check) -> None:
    """Nothing to complain of."""
    assert check(pipeline) == []


TOY = {
    "stages/ingest.py": "SECTIONS = ('seed',)\nfrom toy_pipeline import errors, wave\n",
    "stages/evaluate.py": "SECTIONS = ('candidates',)\nfrom toy_pipeline import wave\n",
    "stages/gate.py": "SECTIONS = ('gate',)\n",
    "architectures/time.py": "from toy_pipeline.architectures import _blocks\n",
    "architectures/_blocks.py": "",
    "errors.py": "",
    "wave.py": "def go():\n    from toy_pipeline import spare\n",
    "spare.py": "",
}
TOY_PARAMS = {
    "seed": 1,
    "features": {"kinds": {}},
    "candidates": {name: {"architecture": "time"} for name in ("x", "y")},
    "gate": {"genre": {}},
}
TOY_PIPELINE: dict[str, Any] = {
    "stages": {
        "ingest": {
            "cmd": "python -m toy_pipeline ingest",
            "deps": [f"src/toy_pipeline/{name}.py" for name in ("stages/ingest", "wave", "spare")],
            "params": ["seed"],
            "outs": [{"data/interim/tracks.parquet": {"persist": True}}],
        },
        "evaluate": {
            "foreach": "${candidates}",
            "do": {
                "cmd": "python -m toy_pipeline evaluate ${key}",
                "meta": {"gpu": True},
                "deps": [
                    "src/toy_pipeline/stages/evaluate.py",
                    "src/toy_pipeline/architectures/${item.architecture}.py",
                    "src/toy_pipeline/architectures/_blocks.py",
                    "src/toy_pipeline/wave.py",
                    "src/toy_pipeline/spare.py",
                    "data/interim/tracks.parquet",
                ],
                "params": ["candidates.${key}"],
                "metrics": ["models/metrics/${key}.json"],
            },
        },
        "gate": {
            "cmd": "python -m toy_pipeline gate",
            "deps": ["src/toy_pipeline/stages/gate.py", "models/metrics"],
            "params": ["gate.genre"],
            "outs": ["models/gate.json"],
        },
    }
}


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Project]]:
    """Return a maker of the toy pipeline, after an edit of its dvc.yaml and of its files."""

    def make(edit: Callable[[dict[str, Any]], object] = lambda stages: None, **files: str) -> Project:
        package = tmp_path / "src" / "toy_pipeline"
        for name, text in {**TOY, **{f"{key.replace('__', '/')}.py": value for key, value in files.items()}}.items():
            (package / name).parent.mkdir(parents=True, exist_ok=True)
            (package / name).write_text(text)
        for folder in (package, package / "stages", package / "architectures"):
            (folder / "__init__.py").touch()
        monkeypatch.syspath_prepend(str(tmp_path / "src"))
        edited = copy.deepcopy(TOY_PIPELINE)
        edit(edited["stages"])
        return read(edited, TOY_PARAMS, "toy_pipeline", tmp_path / "src")

    yield make
    for name in [name for name in sys.modules if name.split(".")[0] == "toy_pipeline"]:
        del sys.modules[name]


def test_a_sound_toy_passes_every_check(toy: Callable[..., Project]) -> None:
    """Else the broken ones below would prove nothing."""
    project = toy()
    assert {check.__name__: check(project) for check in CHECKS} == {check.__name__: [] for check in CHECKS}


BROKEN: dict[str, tuple[Check, Callable[[dict[str, Any]], object], dict[str, str], list[str]]] = {
    "a module that no stage calls": (
        modules, lambda stages: None, {"stages__spare": ""}, ["stages/spare.py is no stage of dvc.yaml"],
    ),
    "a stage without a module": (
        modules, lambda stages: stages["gate"].update(cmd="python -m toy_pipeline gates"), {},
        ["stages/gate.py is no stage of dvc.yaml", "dvc.yaml calls gates, which stages/ has not",
         "gate: runs gates None"],
    ),
    "a candidate's stage for another": (
        modules, lambda stages: stages["evaluate"]["do"].update(cmd="python -m toy_pipeline evaluate x"), {},
        ["evaluate@y: runs evaluate x"],
    ),
    "a section more in the code": (
        parameters, lambda stages: None, {"stages__gate": "SECTIONS = ('gate', 'seed')"},
        ["gate: reads seed, which dvc.yaml does not declare"],
    ),
    "a section more in dvc.yaml": (
        parameters, lambda stages: stages["gate"]["params"].append("seed"), {},
        ["gate: dvc.yaml declares seed, which it may not read"],
    ),
    "code imported inside a function of what is imported": (
        code, lambda stages: stages["ingest"]["deps"].pop(), {},
        ["ingest: imports src/toy_pipeline/spare.py, on which it does not depend"],
    ),
    "code that a plugin imports": (
        code, lambda stages: stages["evaluate"]["do"]["deps"].pop(2), {},
        [f"evaluate@{x}: imports src/toy_pipeline/architectures/_blocks.py, on which it does not depend" for x in "xy"],
    ),
    "code that is gone": (
        find_needless_deps, lambda stages: stages["gate"]["deps"].append("src/toy_pipeline/wave.py"), {},
        ["gate: depends on src/toy_pipeline/wave.py, which it does not import"],
    ),
    "a plugin loaded by name": (
        plugins, lambda stages: None, {"stages__gate": "SECTIONS = ('gate',)\nload(\"toy_pipeline.architectures\", x)"},
        ["gate: loads architectures, on none of which it depends"],
    ),
    "an out of another name": (
        paths, lambda stages: stages["gate"].update(outs=["models/gates/all.json"]), {},
        ["gate: Paths makes no models/gates/all.json"],
    ),
    "data that nobody writes": (
        find_unwritten_deps, lambda stages: stages["gate"]["deps"].append("data/interim/splits.parquet"), {},
        ["gate: no stage writes data/interim/splits.parquet"],
    ),
    "an evaluation the gate does not see": (
        find_ungated, lambda stages: stages["gate"].update(deps=["models/metrics/x.json"]), {},
        ["gate does not follow from evaluate@y"],
    ),
    "a network without a GPU": (
        gpus, lambda stages: stages["evaluate"]["do"].pop("meta"), {},
        [f"evaluate@{name}: runs a network without `meta: {{gpu: true}}`" for name in "xy"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_toy_is_complained_of(toy: Callable[..., Project], fault: str) -> None:
    """One fault, that complaint."""
    check, edit, files, complaints = BROKEN[fault]
    assert check(toy(edit, **files)) == complaints


def test_every_check_has_been_seen_to_fail() -> None:
    """A check that no broken toy trips proves nothing."""
    assert {check for check, *_ in BROKEN.values()} == set(CHECKS)
