"""Every exact number is asserted somewhere: a test or a lesson asks for it by its id."""

import json
import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
ASKED = re.compile(r"""\bnumber\(\s*["']([a-z]+-\d+)["']\s*[,)]""")


def asked_for() -> dict[str, list[str]]:
    """Which files ask for each number: id -> their paths, seen from the project's folder."""
    found: dict[str, list[str]] = {}
    sources = {*(ROOT / "tests").rglob("*.py"), *(ROOT / "lessons").glob("*.py")} - {Path(__file__)}
    for path in sorted(sources):
        for name in sorted(set(ASKED.findall(path.read_text(encoding="utf-8")))):
            found.setdefault(name, []).append(str(path.relative_to(ROOT)))
    return found


def test_an_id_is_found_however_the_call_is_laid_out() -> None:
    lines = ["expected = number('aa-01')['x']", 'number(\n    "aa-02", 3.5)', 'a_number("aa-03")', 'number(f"aa-{n}")']
    assert ASKED.findall("\n".join(lines)) == ["aa-01", "aa-02"]


def test_every_number_is_asked_for(shared_data: Callable[[str], Path]) -> None:
    entries = json.loads(shared_data("../reference-numbers.json").read_text(encoding="utf-8"))
    asked = asked_for()
    assert [entry["id"] for entry in entries if entry["id"] not in asked] == []
