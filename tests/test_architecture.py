"""The house of the design, held by reading imports only: no circle, no arrow off the map, no folder off the map."""

import ast
from pathlib import Path

import pytest

from hornbook import discovery

PACKAGE = Path(__file__).parents[1] / "src" / "hornbook"

MAY_IMPORT = {
    "text": set(),
    "village": set(),
    "tokenizers": set(),
    "layers": set(),
    "optimizers": set(),
    "pictures": set(),
    "corpora": {"text", "village"},
    "batches": {"text", "corpora", "tokenizers"},
    "models": {"layers"},
    "weights": {"tokenizers", "models"},
    "training": {"batches", "layers", "models", "optimizers", "weights"},
    "finetuning": {"text", "tokenizers", "batches", "layers", "models"},
    "generation": {"text", "tokenizers", "layers", "models"},
    "evaluation": {"text", "village", "corpora", "tokenizers", "batches", "layers", "models", "generation"},
    "serving": {"text", "tokenizers", "models", "weights", "generation", "evaluation", "pictures"},
}
STAGES = {*MAY_IMPORT, "commands"}
COMPOSERS = {
    "commands",
    "cli",
    "__main__",
    "__init__",
}  # the root's front door `hornbook.load` joins weights and generation
FILES = sorted(PACKAGE.rglob("*.py"))
ROOT_MODULES = {path.stem for path in PACKAGE.glob("*.py")}


def room_of(path: Path) -> str:
    """The stage a file belongs to, or the root module's name."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem


def imported_modules(path: Path) -> set[str]:
    """The dotted names of our own modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return {name.removeprefix("hornbook.") for name in found if name.startswith("hornbook.")}


def rooms_imported(path: Path) -> set[str]:
    """The stages and root modules that a file imports."""
    return {name.split(".")[0] for name in imported_modules(path)} & (STAGES | ROOT_MODULES)


def test_every_folder_is_on_the_map_and_one_level_deep() -> None:
    folders = {path.name for path in PACKAGE.rglob("*") if path.is_dir() and path.name != "__pycache__"}
    assert folders <= STAGES | {"web"}
    assert all(len(path.relative_to(PACKAGE).parts) <= 2 for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_map(path: Path) -> None:
    room = room_of(path)
    stages = rooms_imported(path) & STAGES
    if room in COMPOSERS:
        return
    allowed = MAY_IMPORT.get(room, set()) | {room} if room in MAY_IMPORT else set()
    assert stages <= allowed, f"{room} may not import {sorted(stages - allowed)}"
    assert not rooms_imported(path) & {"cli", "__main__"}, "nothing imports the command line"


def test_no_import_circles() -> None:
    modules = {
        str(path.relative_to(PACKAGE).with_suffix("")).replace("/", ".").replace("\\", "."): path for path in FILES
    }
    edges = {name: imported_modules(path) & modules.keys() - {name} for name, path in modules.items()}
    while leaves := [name for name, targets in edges.items() if not targets & edges.keys()]:
        for name in leaves:
            del edges[name]
    assert not edges, f"a circle runs through {sorted(edges)}"


def test_init_files_are_empty_except_the_roots() -> None:
    assert [path for path in PACKAGE.glob("*/__init__.py") if path.read_text(encoding="utf-8")] == []
    assert all((folder / "__init__.py").exists() for folder in {path.parent for path in FILES})


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_pickle_no_exec_no_eval(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not calls & {"eval", "exec", "compile"}
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not names & {"pickle", "marshal", "shelve"}


def test_core_parts_are_our_own() -> None:
    """Of torch's layers only the simplest are used: attention, norms, blocks and the loop are written here.

    (Attention's fast form leaves softmax and products to one function of torch's, and is proven equal to ours. And
    `commands/_outsider.py` asks transformers what it computes, in a process of its own: the judge of an import.)
    """
    layers, modules = set(), set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("nn", "torch.nn"):
                layers.add(node.attr)
            elif isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(str(node.module).split(".")[0])
    modules_of_torch = {"Module", "ModuleList", "Parameter", "Linear", "Embedding", "Dropout", "Identity"}
    assert {name for name in layers if name[0].isupper()} <= modules_of_torch
    assert {"Linear", "Embedding"} <= layers
    assert "torch" in modules
    assert not modules & {"transformers", "tokenizers", "lightning", "accelerate"}


@pytest.mark.parametrize("shelf", ["tokenizers", "models", "optimizers", "corpora", "evaluation"])
def test_every_file_on_a_shelf_is_a_variant(shelf: str) -> None:
    for name in discovery.names(shelf):
        assert isinstance(discovery.find(shelf, name), type)
