"""The command line as a whole: help that is quick and fits a terminal, and what `main` makes of an outcome."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hornbook
from hornbook.cli import main, run
from hornbook.discovery import names, typed

NAMES = [typed(name) for name in names("commands")]  # as they are typed
VERBS = [[], *([verb] for verb in NAMES), ["show", "batch"]]
HEAVY = ("torch", "numpy", "matplotlib", "transformers", "tokenizers", "safetensors", "tiktoken", "rustbpe")


def test_no_help_imports_anything_heavy() -> None:
    """A quick start is measured by what is imported, which no busy machine can change."""
    program = (
        "import sys\n"
        "from hornbook.cli import run\n"
        f"for verb in {VERBS}:\n"
        "    assert run([*verb, '--help']) == 0\n"
        f"    heavy = [name for name in {HEAVY} if name in sys.modules]\n"
        "    assert not heavy, (verb, heavy)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(hornbook.__file__).parents[1]), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage: hornbook") == len(VERBS)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_fits_a_terminal_of_80_columns(
    verb: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*verb, "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"Usage: hornbook {' '.join(verb)}".rstrip())
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_says_nothing_for_nothing(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """No argument without its name, no default that says only "off" or "empty"."""
    assert run([*verb, "--help"]) == 0
    out, _ = capsys.readouterr()
    for clutter in (
        "ARGS",
        "[default: False]",
        "[default: ()]",
        '[default: ""]',
        "[default: None]",
        "--no-",
        "--empty-",
    ):
        assert clutter not in out


@pytest.mark.parametrize(
    ("verb", "usage"),
    [
        ("train", "hornbook train [OPTIONS] [RECIPE] [SETTINGS...]"),
        ("prepare", "hornbook prepare --out PATH [OPTIONS] [SOURCE...]"),
        ("fetch", "hornbook fetch [OPTIONS] NAME"),
        ("show batch", "hornbook show batch [OPTIONS] FOLDER"),
    ],
)
def test_the_usage_names_the_arguments(verb: str, usage: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*verb.split(), "--help"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"Usage: {usage}"


def test_other_defaults_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["quickstart", "--help"]) == 0
    out, _ = capsys.readouterr()
    assert "[default: 0]" in out  # a number that is nothing and yet says something


def test_hornbook_alone_shows_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    out, _ = capsys.readouterr()
    assert all(f" {verb} " in out for verb in NAMES)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == hornbook.__version__


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["nothing"], 2)])
def test_main_exits_with_the_code(
    arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)  # the test's process keeps its own handlers
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == code
    capsys.readouterr()


def test_a_reader_that_leaves_early_gets_no_traceback() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(hornbook.__file__).parents[1]), "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "hornbook", "--help"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.close()
        _, err = writer.communicate(timeout=60)
    assert err == b""


@pytest.mark.parametrize(("processes", "taken_apart"), [("1", True), ("2", False)])
def test_one_of_several_processes_ends_at_once(processes: str, taken_apart: bool) -> None:
    """What is said arrives and the exit code is kept; only a process alone takes its interpreter apart."""
    program = "import atexit; atexit.register(print, 'apart'); from hornbook.cli import main; main(['show', 'nothing'])"
    environment = os.environ | {"WORLD_SIZE": processes, "RANK": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=False, encoding="utf-8", env=environment
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert ("apart" in done.stdout) == taken_apart
