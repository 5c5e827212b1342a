"""Which folder may import which, and what `import steepest` loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "steepest"

STAGES: list[tuple[str, ...]] = [
    ("errors",),
    ("options",),
    ("graph",),
    ("ops",),
    ("trace",),
    ("autodiff",),
    ("array",),
    ("passes",),
    ("kernels",),
    ("codegen",),
    ("runtime",),
    ("compile",),
    ("nn", "optim", "data"),
    ("train",),
    ("models",),
    ("report",),
    ("cli",),
]
"""Folders and files of the package, earlier stages first; those of one line do not import each
other. Imports within functions and for type checking count like any other."""

TOP = "__init__"
"""The public names. Stages after `compile` may use them; earlier ones would import themselves."""

EXCEPTIONS = {
    ("array", TOP),  # Tensor.__array_namespace__ hands out the package, as the standard wants
}


def folder_of(path: Path) -> str:
    """The stage that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_folders(path: Path) -> Iterator[tuple[str, int]]:
    """The stages that a file imports, wherever in the file, each with its line."""
    for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, f"{path}: imports are written in full"
            names = [f"{statement.module}.{alias.name}" for alias in statement.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "steepest":
                known = len(parts) > 1 and (PACKAGE / parts[1]).exists()
                known = known or (len(parts) > 1 and (PACKAGE / f"{parts[1]}.py").exists())
                yield (parts[1] if known else TOP), statement.lineno


def allowed(importer: str, imported: str) -> bool:
    """Whether a stage may import another."""
    if importer in (TOP, "__main__") or importer == imported:
        return True
    rank = {name: number for number, names in enumerate(STAGES) for name in names}
    if imported == TOP:
        return rank[importer] > rank["compile"] or (importer, imported) in EXCEPTIONS
    return rank[imported] < rank[importer]


def test_every_folder_is_a_stage() -> None:
    known = {name for names in STAGES for name in names} | {TOP, "__main__", "__pycache__"}
    found = {
        path.name.removesuffix(".py")
        for path in PACKAGE.iterdir()
        if path.is_dir() or path.suffix == ".py"
    }
    assert found <= known


def test_stages_import_only_earlier_ones() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)}:{line}: {folder_of(path)} imports {imported}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for imported, line in imported_folders(path)
        if not allowed(folder_of(path), imported)
    ]
    assert wrong == []


def test_the_test_can_fail() -> None:
    assert not allowed("graph", "ops")
    assert not allowed("nn", "optim")
    assert not allowed("ops", TOP)
    assert allowed("trace", "ops")
    assert allowed("cli", TOP)
    assert allowed("compile", "runtime")


NOT_NEEDED = (
    *("llvmlite", "torch", "polars", "rich", "pandas", "sklearn", "jinja2", "typer", "safetensors"),
    *("pyarrow", "ml_dtypes", "hypothesis", "matplotlib", "importlib.metadata"),
)


def modules_after(code: str) -> set[str]:
    """The modules that a fresh Python has loaded after running `code`."""
    listing = f"{code}\nimport sys\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    return modules_after("import steepest")


def test_import_loads_nothing_heavy(loaded: set[str]) -> None:
    assert sorted(loaded & set(NOT_NEEDED)) == []


def test_import_loads_only_the_stages_up_to_compile(loaded: set[str]) -> None:
    stages = {name.split(".")[1] for name in loaded if name.startswith("steepest.")}
    assert stages == {
        *("errors", "options", "graph", "ops", "trace", "autodiff", "array", "passes", "compile"),
    }


def test_import_loads_no_third_party_module_but_numpy(loaded: set[str]) -> None:
    known = set(sys.stdlib_module_names) | {"steepest", "numpy", "__main__"}
    before = {name.split(".")[0] for name in modules_after("")}
    assert {name.split(".")[0] for name in loaded} - before <= known


def test_eager_training_needs_numpy_only() -> None:
    """A network, a loss and an optimizer step load none of the extras."""
    code = """
import steepest as st
from steepest import nn, optim
model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
optimizer = optim.Adam(model.parameters())
nn.functional.mse_loss(model(st.ones((4, 2))), st.zeros((4, 1))).backward()
optimizer.step()
"""
    assert sorted(modules_after(code) & set(NOT_NEEDED)) == []


def test_every_module_can_be_imported_first() -> None:
    """No module needs another to have been imported before it."""
    code = "import importlib, sys; importlib.import_module(sys.argv[1])"
    modules = [
        *("graph.text", "ops.reduction", "ops", "trace.value", "trace.program", "autodiff.custom"),
        *("array.tensor", "passes", "compile", "options", "errors", "nn", "optim", "data"),
    ]
    for module in modules:
        subprocess.run([sys.executable, "-c", code, f"steepest.{module}"], check=True)
