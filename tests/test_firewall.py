"""Nothing above the ground-truth firewall may see the ground truth, by whatever kind of import."""

import ast
import re
from pathlib import Path

import pytest

import utal

ROOT = Path(utal.__file__).parent
BELOW = re.compile(r"utal\.(evaluation|report|cli\w*)(\..+)?")
SECRET = re.compile(r"utal\.evaluation(\..+)?")
SIMULATED = re.compile(r"utal\.simulate(\..+)?")


def module_name(path: Path) -> str:
    parts = ("utal", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def mentioned(source: str, module: str, is_package: bool = False) -> set[str]:
    """Absolute names of all that a module imports, or could import by a text or an attribute."""
    found: set[str] = set()
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [node.module])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Attribute):
            found.add(ast.unparse(node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(resolved(node.value, package))
    return found


def resolved(text: str, package: str) -> str:
    """A text as the module that `importlib.import_module(text, package)` would import."""
    level = len(text) - len(text.lstrip("."))
    if not level:
        return text
    above = package.split(".")[: len(package.split(".")) - level + 1]
    return ".".join([*above, text[level:]])


def violations(source: str, module: str, is_package: bool = False) -> set[str]:
    names = mentioned(source, module, is_package)
    return {name for name in names if SECRET.fullmatch(name)}


FILES = sorted(ROOT.rglob("*.py"))
ABOVE = [path for path in FILES if not BELOW.fullmatch(module_name(path))]


@pytest.mark.parametrize("path", ABOVE, ids=module_name)
def test_no_module_above_the_firewall_imports_the_ground_truth(path: Path) -> None:
    found = violations(
        path.read_text(encoding="utf-8"), module_name(path), path.name == "__init__.py"
    )
    assert not found, f"{path} is above the ground-truth firewall but uses {sorted(found)}"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_only_commands_know_that_videos_may_be_simulated(path: Path) -> None:
    """Simulated corpora carry their truth: for the rest of the package they are just features."""
    module = module_name(path)
    if re.fullmatch(r"utal\.(simulate|cli)(\..+)?", module):
        return
    names = mentioned(path.read_text(encoding="utf-8"), module, path.name == "__init__.py")
    assert not {name for name in names if SIMULATED.fullmatch(name)}


def test_the_rule_is_applied_to_what_matters() -> None:
    names = {module_name(path) for path in ABOVE}
    assert {"utal", "utal.loop", "utal.fitting", "utal.records", "utal.formats.csv"} <= names
    assert {name.split(".")[1] for name in names if "." in name} >= {
        *("decoding", "formats", "grouping", "localizers", "losses", "methods", "simulate", "video")
    }
    assert not any(
        name.startswith(("utal.evaluation", "utal.report", "utal.cli")) for name in names
    )


def test_training_cannot_reach_the_ground_truth_by_a_detour() -> None:
    """The loop imports no module that imports one that ... imports the evaluation."""
    modules = {module_name(path): path for path in FILES}
    graph = {
        name: mentioned(path.read_text(encoding="utf-8"), name, path.name == "__init__.py")
        for name, path in modules.items()
    }
    waiting = [
        name
        for name in modules
        if re.fullmatch(
            r"utal\.(loop|method|fitting|(methods|grouping|losses|localizers)\..+)", name
        )
    ]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(graph[name] & modules.keys())
    assert "utal.records" in reached
    assert not {name for name in reached if BELOW.fullmatch(name) or SIMULATED.fullmatch(name)}


CAUGHT = [
    "import utal.evaluation",
    "import utal.evaluation.ground_truth as truth",
    "import numpy, utal.evaluation.mapping",
    "from utal import evaluation",
    "from utal import records, evaluation as harmless",
    "from utal.evaluation import *",
    "from utal.evaluation.ground_truth import GroundTruth",
    "from .. import evaluation",
    "from ..evaluation import mapping",
    "from ..evaluation.mapping import Mapping",
    "def late():\n    from utal.evaluation.mapping import Mapping",
    "class Late:\n    def __init__(self):\n        import utal.evaluation",
    "if TYPE_CHECKING:\n    from utal.evaluation import mapping",
    "try:\n    pass\nexcept ImportError:\n    import utal.evaluation",
    "import importlib\nimportlib.import_module('utal.evaluation')",
    "importlib.import_module('utal.evaluation.mapping')",
    "importlib.import_module('..evaluation', 'utal.losses')",
    "__import__('utal.evaluation', fromlist=['mapping'])",
    "NAME = 'utal.evaluation.ground_truth'",
    "import utal\nutal.evaluation.mapping.map_clusters",
    "sys.modules['utal.evaluation']",
]
FREE = [
    "import utal.records",
    "from utal import records",
    "from . import classification",
    "from .evaluation_of_losses import value",
    "from torch import evaluation",
    '"""Says nothing about `utal.evaluation`, whose rules it keeps."""',
    "word = 'evaluation'",
    "model.evaluation = 3",
    "import utal.evaluations_of_others",
]


@pytest.mark.parametrize("source", CAUGHT)
def test_a_violation_would_be_caught(source: str) -> None:
    assert violations(source, "utal.losses.sample")


@pytest.mark.parametrize("source", FREE)
def test_what_is_allowed_is_not_caught(source: str) -> None:
    assert not violations(source, "utal.losses.sample")


def test_relative_imports_depend_on_where_they_stand() -> None:
    assert violations("from . import evaluation", "utal.loop")
    assert violations("from .evaluation import mapping", "utal", is_package=True)
    assert violations("from ..evaluation import mapping", "utal.losses", is_package=True)
    assert not violations("from . import evaluation", "utal.losses.sample")
