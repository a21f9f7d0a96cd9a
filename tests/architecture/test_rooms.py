"""Who may import whom, held by reading the sources."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "diffusers", "transformers", "accelerate", "peft", "bitsandbytes"}
LIGHT_ROOMS = (
    "captioning",
    "cli",
    "curation",
    "dashboard",
    "embedding",
    "forms",
    "queue",
    "recipe",
    "watching",
    "workplace",
)
LEAVES = ("studio.cli", "studio.dashboard")


@cache
def modules() -> dict[str, Path]:
    found = {}
    for package in ("studio", "trainers"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(path: Path, *, at_import_only: bool = False) -> set[str]:
    """Modules that a file imports; with ``at_import_only`` what importing the file itself imports."""
    names: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if at_import_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text("utf-8")))
    return names


def reachable_at_import(start: str) -> dict[str, str]:
    """Every module that importing ``start`` imports, mapped to the module of ours that asks for it."""
    ours, seen, queue = modules(), {}, [(start, start)]
    while queue:
        name, asked_by = queue.pop()
        if name in seen:
            continue
        seen[name] = asked_by
        if name in ours:
            queue += [(n, name) for n in imports(ours[name], at_import_only=True)]
            parents = name.split(".")
            queue += [(".".join(parents[:i]), name) for i in range(1, len(parents))]
    return seen


@pytest.mark.parametrize("path", modules().values(), ids=lambda p: str(p.relative_to(ROOT)))
def test_studio_never_names_a_trainer_and_trainers_never_name_each_other(path: Path) -> None:
    room, *rest = path.relative_to(ROOT).parts
    own = f"trainers.{rest[0]}" if room == "trainers" and len(rest) > 1 else "-"
    foreign = {
        n
        for n in imports(path)
        if n.split(".")[0] == "trainers" and n != "trainers" and not f"{n}.".startswith(f"{own}.")
    }
    assert not foreign, f"{path} imports {sorted(foreign)}"


@pytest.mark.parametrize("name", modules())
def test_nothing_imports_a_leaf(name: str) -> None:
    if name.startswith((*LEAVES, "studio.__main__")):
        return
    found = {n for n in imports(modules()[name]) if n.startswith(LEAVES)}
    assert not found, f"{name} imports {sorted(found)}"


TORCH_FREE = [
    name
    for name in modules()
    if name.startswith(tuple(f"studio.{room}" for room in LIGHT_ROOMS))
    or name.endswith("settings")
    or name
    in ("studio.checking", "studio.registry", "studio.run_folder", "studio.errors", "studio.atomic")
    or (name.startswith("trainers") and name.count(".") <= 1)
]


@pytest.mark.parametrize("name", TORCH_FREE)
def test_importing_these_imports_no_torch(name: str) -> None:
    heavy = {n: by for n, by in reachable_at_import(name).items() if n.split(".")[0] in HEAVY}
    assert not heavy, f"importing {name} imports {heavy}"


@pytest.mark.parametrize("name", [n for n in modules() if n.startswith("studio.curation")])
def test_curation_never_imports_torch_at_all(name: str) -> None:
    found = {n for n in imports(modules()[name]) if n.split(".")[0] in HEAVY}
    assert not found, f"{name} imports {sorted(found)}"


WHERE_PEOPLE_FROM_ELSEWHERE_COME = ("dashboard", "errands", "forms", "watching", "workplace")
NEVER_CALLED = {"system", "popen", "exec", "eval", "__import__", "literal_eval"}


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in modules()
        if n.startswith(tuple(f"studio.{r}" for r in WHERE_PEOPLE_FROM_ELSEWHERE_COME))
    ],
)
def test_what_a_browser_reaches_runs_no_shell_and_unpickles_nothing(name: str) -> None:
    path = modules()[name]
    found = imports(path) & {"pickle", "shelve", "marshal", "dill", "joblib", "torch.load"}
    if name != "studio.errands.lane":  # it starts our own processes, by a list of words
        found |= imports(path) & {"subprocess"}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            found |= {called} & {"torch.load"} | {called.rpartition(".")[2]} & NEVER_CALLED
            found |= {"shell=" for keyword in node.keywords if keyword.arg == "shell"}
    assert not found, f"{name}: {sorted(found)}"
