"""`hornbook plan`, from the command line to what is printed; and the report that a finished run leaves in run.toml."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from hornbook.cli import run
from hornbook.commands import _plan_make, _plan_probe, _plan_text
from hornbook.config import read_toml
from hornbook.training.run_folder import RunFolder

Refused = Callable[..., str]
Planned = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, nothing fetched, no network, and a probe of a moment."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a plan fetches nothing")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HORNBOOK_HOME", str(tmp_path.parent / "home"))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path.parent / "empty"))
    monkeypatch.setattr(requests.Session, "request", refuse)
    monkeypatch.setattr(_plan_probe, "STEP_SECONDS", 0.1)
    monkeypatch.setattr(_plan_probe, "WRITTEN", 1_000_000)


@pytest.fixture
def planned(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Planned:
    """`planned("gpt2-124m", "--on", "h100")` -> its JSON, after checking that nothing else was printed or left behind."""

    def check(*arguments: str | Path) -> dict[str, Any]:
        capsys.readouterr()
        assert run(["plan", *map(str, arguments), "--json"]) == 0
        assert not list(tmp_path.iterdir())
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return check


def test_a_recipe_here(planned: Planned, recipe: str) -> None:
    plan = planned(recipe, "--on", "cpu")
    tokens, memory, seconds = plan["tokens"], plan["memory"], plan["seconds"]
    assert plan["fits"] is plan["measured"] is True
    assert (tokens["vocabulary"], tokens["a_step"], tokens["all"]) == (300, 64, 768)
    assert tokens["epochs"] == pytest.approx(768 / tokens["train"])
    assert memory["peak"] == max(memory["moments"].values()) > memory["process"] > 50_000_000
    assert 0 < plan["pace"]["step"] < 60
    assert seconds["all"] == pytest.approx(sum(value for name, value in seconds.items() if name != "all"))
    assert seconds["evaluations"] > 0
    assert plan["disk"]["dataset"] > 2 * tokens["train"]
    assert plan["dollars"] is plan["mend"] is plan["assumed"] is None


def test_the_same_numbers_as_the_run_that_follows(planned: Planned, recipe: str, trained: Path) -> None:
    plan = planned(recipe, "--data", trained / "data", "--on", "cpu")
    parameters = json.loads((trained / "model" / "hornbook.json").read_text())
    weights = trained / "checkpoints" / "step-00000012" / "weights.safetensors"
    optimizer = weights.with_name("optimizer.safetensors")
    assert parameters
    assert plan["disk"]["checkpoint"] == pytest.approx(weights.stat().st_size + optimizer.stat().st_size, rel=0.1)
    records = list(RunFolder(trained).records())
    assert plan["tokens"]["all"] == sum(record["tokens"] for record in records if record["kind"] == "step")
    kept = [path for path in (trained / "checkpoints").iterdir() if path.is_dir()]
    assert plan["disk"]["checkpoints"] // plan["disk"]["checkpoint"] in (len(kept), len(kept) + 1, len(kept) + 2)


def test_a_machine_that_is_not_here(planned: Planned, recipe: str) -> None:
    plan = planned(recipe, "--on", "8xh100", "--training.batch_size", "64")
    assert plan["machine"] == {"name": "8xh100", "devices": 8, "memory": 80_000_000_000, "free": None}
    assert plan["measured"] is False
    assert plan["assumed"] == {"share_of_peak": 0.5, "dollars_an_hour": 24.0}
    assert plan["dollars"] == pytest.approx(plan["seconds"]["all"] / 3600 * 24)


def test_a_text_that_is_not_fetched(planned: Planned) -> None:
    plan = planned("gpt2-124m", "--on", "h100")
    assert plan["parameters"] == 124_439_808
    assert (plan["precision"], plan["assumed"]["share_of_peak"]) == ("bf16", 0.3)  # as the card would have it
    assert plan["tokens"]["train"] is plan["tokens"]["epochs"] is plan["pace"]["evaluation"] is None
    assert plan["tokens"]["note"] == "its text isn't here yet: hornbook fetch tiny-shakespeare"
    small = planned("shakespeare-char", "--vocab-size", "66", "--on", "h100")
    assert (small["parameters"], small["precision"]) == (861_824, "fp32")


def test_without_a_text_the_steps_are_tried_on_random_tokens(planned: Planned) -> None:
    sizes = [
        "--model.num_layers",
        "1",
        "--model.embed_dim",
        "16",
        "--training.batch_size",
        "10",
        "--training.microbatch_size",
        "2",
    ]
    plan = planned("shakespeare-char", "--vocab-size", "66", "--on", "cpu", *sizes)
    assert plan["pace"]["step"] > 0
    assert plan["pace"]["evaluation"] is None
    assert plan["seconds"]["samples"] > 0


def test_of_a_long_text_the_beginning_is_read(planned: Planned, recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = planned(recipe, "--on", "h100")["tokens"]
    monkeypatch.setattr(_plan_text, "WHOLE_BYTES", 10_000)
    part = planned(recipe, "--on", "h100")["tokens"]
    assert "estimated from the first" in part["note"]
    assert part["train"] == pytest.approx(whole["train"], rel=0.1)


def test_steps_of_minutes_are_computed(planned: Planned, recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_plan_probe, "LONGEST_STEP", 0.0)
    monkeypatch.setattr(_plan_probe, "update", lambda *_: pytest.fail("a step was tried"))
    plan = planned(recipe, "--on", "cpu")
    assert 0 < plan["pace"]["step"] < 60


TOO_LARGE = [
    "--model.num_layers",
    "4",
    "--model.embed_dim",
    "64",
    "--training.batch_size",
    "4",
    "--model.context_length",
    "64",
]
CHEAP_TO_DEAR = (
    "--training.microbatch_size",
    "--training.recompute",
    "--training.reduce",
    "--model.context_length",
    "--model.num_layers",
)


@pytest.mark.parametrize(("room", "changed"), [(0.8, 0), (0.45, 1), (0.35, 3), (0.2, 4)])
def test_what_makes_it_fit(
    room: float, changed: int, planned: Planned, recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flags that are named make a plan that fits; without the dearest of them it would not."""
    words = [recipe, "--vocab-size", "300", "--on", "cpu", *TOO_LARGE]
    monkeypatch.setattr(_plan_make, "process_bytes", lambda: 0)
    monkeypatch.setattr(_plan_make, "pace_here", lambda *_: None)  # nothing is timed
    limit = int(room * planned(*words)["memory"]["peak"])
    monkeypatch.setattr(_plan_make, "memory_here", lambda: limit)
    plan = planned(*words)
    assert plan["fits"] is False
    assert plan["seconds"] is None
    flags = shlex.split(plan["mend"]["flags"])
    assert flags[-2] == CHEAP_TO_DEAR[changed]
    mended = planned(*words, *flags)
    assert mended["fits"] is True
    assert mended["memory"]["peak"] == plan["mend"]["peak"] <= _plan_make.ROOM * limit
    assert planned(*words, *flags[:-2])["memory"]["peak"] > _plan_make.ROOM * limit


def test_more_devices_make_it_fit(planned: Planned) -> None:
    large = ["--model.num_layers", "96", "--training.batch_size", "64", "--training.microbatch_size", "1"]
    plan = planned("gpt2-774m", *large, "--on", "rtx4090")
    assert plan["fits"] is False
    assert "--training.sharded true" in plan["mend"]["flags"]
    mended = planned("gpt2-774m", *large, *shlex.split(plan["mend"]["flags"]))
    assert mended["fits"] is True
    assert mended["machine"]["devices"] > 1


def test_nothing_may_make_it_fit(planned: Planned, recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_plan_make, "memory_here", lambda: 1000)
    assert planned(recipe, "--on", "cpu")["mend"] is None


@pytest.mark.parametrize(
    "arguments",
    [
        ["--on", "cpu"],
        [
            "--on",
            "64xh100",
            "--training.batch_size",
            "512",
            "--training.precision",
            "bf16",
            "--training.sharded",
            "true",
        ],
        ["--on", "l4", "--model.num_layers", "90", "--model.embed_dim", "4096", "--optimizer.kind", "muon"],
    ],
)
def test_the_words_fit_a_terminal(arguments: list[str], recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", recipe, *arguments]) == 0
    out = capsys.readouterr().out
    assert all(len(line) <= 80 for line in out.splitlines() if "--" not in line)
    assert out.startswith("tiny on ")
    for label in ("model", "text", "reads", "computes", "memory", "disk", "time", "fits"):
        assert f"\n{label} " in out


def test_devices_without_work_are_named(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(["plan", recipe, "--on", "8xh100", "--training.batch_size", "16", "--training.microbatch_size", "4"]) == 0
    )
    assert "only 4 of 8 devices have a microbatch: --training.microbatch_size 2" in " ".join(
        capsys.readouterr().out.split()
    )


class TestMistakes:
    """Each in one line."""

    def test_no_recipe(self, refused: Refused) -> None:
        assert "no recipe given" in refused("plan", talk=True)

    def test_an_unknown_recipe(self, refused: Refused) -> None:
        assert "unknown recipe 'shakespear'" in refused("plan", "shakespear")

    def test_an_unknown_machine(self, refused: Refused) -> None:
        line = refused("plan", "gpt2-124m", "--on", "h10")
        assert "unknown machine 'h10' (choices: cpu, a100, b200, h100, h200, l4, l40s, rtx4090)" in line
        assert line.endswith("hint: did you mean 'h100'? several are written 8xh100")

    def test_a_setting_that_is_none(self, refused: Refused) -> None:
        assert "training.step" in refused("plan", "gpt2-124m", "--training.step", "4")

    def test_a_vocabulary_that_follows_from_an_absent_text(self, refused: Refused) -> None:
        line = refused("plan", "shakespeare-char", "--on", "h100")
        assert "the character vocabulary follows from the text, and its text isn't here yet" in line
        assert line.endswith("hint: hornbook fetch tiny-shakespeare, or give --vocab-size")

    def test_two_vocabularies(self, refused: Refused, trained: Path, recipe: str) -> None:
        assert "leave --vocab-size out" in refused("plan", recipe, "--data", trained / "data", "--vocab-size", "9")


class TestReport:
    """What a finished run says of itself."""

    def test_predicted_beside_measured(self, trained: Path) -> None:
        report = read_toml(trained / "run.toml")["report"]
        assert (report["first_step"], report["last_step"]) == (1, 12)
        assert report["predicted_peak_memory"] > 50_000_000
        assert report["measured_peak_memory"] > 50_000_000
        assert report["measured_seconds"] > 0
        assert report["predicted_seconds"] > 0
        assert report["tokens_per_second"] > 0
        assert report["finished_at"].endswith("+00:00")

    def test_it_is_no_setting(self, trained: Path, planned: Planned) -> None:
        assert "report" not in RunFolder(trained).settings
        assert planned(trained / "run.toml", "--data", trained / "data", "--on", "h100")["tokens"]["all"] == 768

    def test_a_resumed_run_tells_of_its_last_part(self, recipe: str, trained: Path, tmp_path: Path) -> None:
        out = tmp_path / "run"
        data = ["--data", str(trained / "data"), "--device", "cpu"]
        assert run(["train", recipe, "--out", str(out), *data, "--training.steps", "6"]) == 0
        before = read_toml(out / "run.toml")["report"]
        assert run(["resume", str(out), "--device", "cpu"]) == 0  # finished already: nothing new to tell
        assert read_toml(out / "run.toml")["report"] == before
        assert run(["resume", str(out), "--device", "cpu", "--training.steps", "12"]) == 0
        report = read_toml(out / "run.toml")["report"]
        assert (report["first_step"], report["last_step"]) == (7, 12)


@pytest.mark.slow
def test_memory_is_as_planned(recipe: str, tmp_path: Path) -> None:
    """In fresh processes, within 15 %: what was planned, and what the run predicts of itself, beside what it took."""
    sizes = ["--model.num_layers", "4", "--model.embed_dim", "256", "--model.context_length", "64"]
    words = [recipe, *sizes, "--training.batch_size", "32", "--training.steps", "8"]
    start, environment = [sys.executable, "-m", "hornbook"], {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*start, "plan", *words, "--on", "cpu", "--json"], capture_output=True, env=environment, check=True
    )
    subprocess.run([*start, "train", *words, "--device", "cpu", "--out", "run"], env=environment, check=True)
    report = read_toml(tmp_path / "run" / "run.toml")["report"]
    measured = report["measured_peak_memory"]
    assert json.loads(done.stdout)["memory"]["peak"] == pytest.approx(measured, rel=0.15)
    assert report["predicted_peak_memory"] == pytest.approx(measured, rel=0.15)
