"""docs/coverage.toml names, for every item of the source documents, something that exists."""

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hornbook.cli import build_app
from hornbook.discovery import names, typed

ROOT = Path(__file__).parents[1]
SPECIFICATION = ROOT.parent / "shared" / "SPECIFICATION.md"
RECIPES = {path.stem for path in (ROOT / "recipes").glob("*.toml")}
ITEMS = tomllib.loads((ROOT / "docs" / "coverage.toml").read_text(encoding="utf-8"))["item"]


@cache
def functions(path: Path) -> set[str]:
    return {
        node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)
    }


def require(name: str) -> None:
    """Fail where `name` (a test, a file, or a command) does not exist."""
    if name.startswith("hornbook "):
        verb, *words = name.split()[1:]
        choices = {"train": RECIPES, "show": set(build_app()["show"])}.get(verb)
        known = verb in map(typed, names("commands")) and (choices is None or (bool(words) and words[0] in choices))
        assert known, f"no such command: {name}"
        return
    path, _, test = name.partition("::")
    assert (ROOT / path).is_file(), f"no such file: {name}"
    assert not test or test in functions(ROOT / path), f"no such test: {name}"


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: str(item["number"]))
def test_what_shows_an_item_exists(item: dict[str, Any]) -> None:
    assert item["says"]
    assert item["shown_by"], "nothing shows it"
    for name in item["shown_by"]:
        require(name)


def test_every_required_item_has_one_entry() -> None:
    if not SPECIFICATION.exists():
        pytest.skip(f"{SPECIFICATION} is absent")
    required = {int(number) for number in re.findall(r"^(\d+)\. \*\*does\*\*", SPECIFICATION.read_text(), re.MULTILINE)}
    numbers = [item["number"] for item in ITEMS]
    assert len(set(numbers)) == len(numbers), "an item stands twice"
    assert not required - set(numbers), f"items without an entry: {sorted(required - set(numbers))}"


@pytest.mark.parametrize(
    "name",
    ["tests/none.py", "tests/test_coverage.py::test_none", "hornbook fly", "hornbook show fly", "hornbook train fly"],
)
def test_a_name_that_does_not_exist_fails(name: str) -> None:
    with pytest.raises(AssertionError, match="no such"):
        require(name)


def test_the_page_is_current() -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts" / "coverage", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
