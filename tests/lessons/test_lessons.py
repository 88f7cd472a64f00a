"""Every lesson runs as a plain script, and what was built from it is built from it as it is now."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LESSONS = sorted((ROOT / "lessons").glob("[0-9][0-9]_*.py"))
QUICK = "01_text"  # the others take about 5 seconds or more
NAMES = [pytest.param(file, id=file.stem) for file in LESSONS]


def run(*command: str | Path, **options: str | Path) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2")}
    command = (sys.executable, "-W", "error", *command)
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False, **options)


@pytest.mark.parametrize(
    "file",
    [pytest.param(f, id=f.stem, marks=[pytest.mark.slow] if f.stem != QUICK else []) for f in LESSONS],
)
def test_lesson_runs_as_a_script(file: Path, tmp_path: Path) -> None:
    result = run(file, cwd=tmp_path)
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stderr == ""
    shown = re.findall(r"\[picture (\S+):", result.stdout)
    assert all((tmp_path / path).is_file() for path in shown)


@pytest.mark.parametrize("file", NAMES)
def test_lesson_has_text_exercises_and_tested_solutions(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# %% [markdown]\n# # ")
    exercises, solutions = text.split("\n# ## Exercises\n")[1].split("\n# ## Solutions\n")
    assert re.findall(r"^# \*\*(\d)\.\*\*", exercises, re.MULTILINE) == ["1", "2"]
    assert solutions.count("\n# %%\n") >= 2
    for part in solutions.split("# %% [markdown]")[1:]:
        assert "assert " in part or "number(" in part


def test_notebooks_and_pages_are_built_from_the_lessons_as_they_are() -> None:
    pytest.importorskip("jupytext")
    result = run(ROOT / "scripts" / "lessons", "--check")
    assert result.returncode == 0, result.stderr


def test_index_names_every_lesson() -> None:
    index = (ROOT / "docs" / "lessons" / "README.md").read_text(encoding="utf-8")
    assert all(f"({file.stem}.md)" in index for file in LESSONS)
