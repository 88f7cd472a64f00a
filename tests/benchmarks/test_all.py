"""The program that runs all: every row has a name of its own, results are kept, the page tells the whole."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import all as everything
import pytest
from page import write_page

ROOT = Path(__file__).parents[2]
MACHINE = {
    "processor": "A processor", "cores": 2, "threads": 2, "units": ["avx2"], "memory_gb": 8.0, "gpu": None,
    "fp32_gflops": 340, "bf16_gflops": 2300, "read_gb_per_second": 26.0, "system": "Linux", "versions": {"torch": "2"},
}  # fmt: skip
PROGRAM = '''"""Adding numbers: `python benchmarks/adding.py`."""
import sys
from side_by_side import Row, main
FIGURE = {"first": 4.0, "second": 6.0}
def one(name):
    def setup(contest):
        contest.add("hornbook", lambda: FIGURE[name])
        contest.peer("peer", lambda: lambda: 2.0)
    return setup
def rows():
    return [Row(name, f"the {name} sum", "sums/s", one(name), aim=5, turns=2) for name in FIGURE]
if __name__ == "__main__":
    main(rows)
'''


def test_programs_list_their_rows_without_torch_and_no_name_comes_twice() -> None:
    code = (
        "import sys, all; print([n for p in all.PROGRAMS for n in all.row_names(p)]); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "benchmarks", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = [*json.loads(done.stdout.replace("'", '"')), *everything.PROGRAMS]
    mine = [name for name in names if names.count(name) > 1 and name not in everything.PROGRAMS]
    assert not mine


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one program, whose results and page lie beside it."""
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "adding.py").write_text(PROGRAM)
    (folder / "machine.py").write_text(f"import json\nprint(json.dumps({MACHINE!r}))")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "benchmarks"))
    for name, value in {"HERE": folder, "KEPT": tmp_path / "speed.json", "PAGE": tmp_path / "speed.md"}.items():
        monkeypatch.setattr(everything, name, value)
    monkeypatch.setattr(everything, "PROGRAMS", ("adding",))
    return tmp_path


def run(*words: str) -> object:
    with pytest.raises(SystemExit) as ended:
        everything.main(words)
    return ended.value.code


def test_a_row_measured_again_leaves_the_others(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda form: "2026-01-01 10:00")
    assert run() == 0
    program = place / "benchmarks" / "adding.py"
    program.write_text(PROGRAM.replace("4.0", "8.0").replace("6.0", "1.0"))
    monkeypatch.setattr("time.strftime", lambda form: "2026-01-02 10:00")
    assert run("--only", "first", "--turns", "1") == 0
    kept = json.loads((place / "speed.json").read_text())
    medians = {name: found["figures"]["hornbook"]["median"] for name, found in kept["rows"].items()}
    assert medians == {"first": 8.0, "second": 6.0}
    assert [found["turns"] for found in kept["rows"].values()] == [1, 2]
    page = (place / "speed.md").read_text()
    assert "- second: measured 2026-01-01 10:00" in page
    assert "| the first sum [first] | sums/s | hornbook 8 | >= 5 | peer | 2 | 4 (4 to 4) |" in page


def test_what_a_broken_program_had_measured_is_kept(place: Path) -> None:
    program = place / "benchmarks" / "adding.py"
    program.write_text(PROGRAM.replace('"second": 6.0', '"second": None'))
    assert run() == 1
    assert list(json.loads((place / "speed.json").read_text())["rows"]) == ["first"]


def test_a_name_that_is_neither_row_nor_program_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--only", "third") == 2
    assert "no row or program 'third'; choose from adding, first, second" in capsys.readouterr().err


def test_the_page_names_machine_versions_and_commands(place: Path) -> None:
    result: dict[str, Any] = {
        "program": "adding", "measured": "2026-01-01 10:00", "name": "first", "work": "sums", "unit": "s", "aim": 6.0,
        "smaller_is_better": True, "figures": {"hornbook": {"median": 5.0}, "peer": {"median": 57.0}},
        "ratios": {"peer": {"median": 11.4, "least": 9.0, "most": 14.0}}, "wide": ["peer"], "missing": {}, "facts": {},
    }  # fmt: skip
    page = write_page({"2026-01-01 10:00": MACHINE}, [result])
    assert "## Adding numbers\n\n`python benchmarks/adding.py`" in page
    assert "| hornbook 5 | <= 6 | peer | 57 | 11.4 (9 to 14) (wide: measure again) |" in page
    assert "| matrix product, measured | fp32 340, bf16 2,300 GFLOP/s |" in page
    assert "torch 2" in page
