"""What every test may use: the real texts and the exact numbers, where this machine has them."""

import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("HORNBOOK_SHARED_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """`shared_data("the-verdict.txt")` -> its path; the test is skipped, saying so, where the file is absent."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"{path} is absent (set HORNBOOK_SHARED_DATA to the folder with the shared texts)")
        return path

    return find


@cache
def _numbers() -> dict[str, Any]:
    path = SHARED.parent / "reference-numbers.json"
    entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return {entry["id"]: entry["expected"] for entry in entries}


@pytest.fixture
def number() -> Callable[[str], Any]:
    """`number("att-01")` -> the exact values expected there; the test is skipped, saying so, where the file is absent."""

    def find(name: str) -> Any:
        if not _numbers():
            pytest.skip("reference-numbers.json is absent (it lies beside the folder with the shared texts)")
        return _numbers()[name]

    return find
