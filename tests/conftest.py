"""What every test may use: the real texts, where this machine has them."""

import os
from collections.abc import Callable
from pathlib import Path

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
