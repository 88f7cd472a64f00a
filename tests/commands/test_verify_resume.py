"""`hornbook verify-resume`: what it finds where runs differ, that its kills hit what they say, and a certificate."""

import json
import random
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import hornbook
from hornbook.cli import run
from hornbook.commands import _verify, _verify_child
from hornbook.commands._jobs import check_settings
from hornbook.commands._recipe import read_recipe
from hornbook.commands._verify_certificate import Certificate
from hornbook.commands._verify_child import Child
from hornbook.commands._verify_compare import Comparison, compare
from hornbook.commands._verify_kills import FINISHING, LOADING, WRITING, Kill, Ordeal, Subject, draw_aims
from hornbook.commands._verify_sight import Sight
from hornbook.commands._verify_timeline import Timeline, first_of
from hornbook.config import Layer
from hornbook.files import new_folder, read_json, write_atomic, write_json

Refused = Callable[..., str]
Record = dict[str, Any]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kills", "0"], "kills must be at least 1, not '0'"),
        (["--kills", "-2"], "kills must be at least 1, not '-2'"),
        (["--kills", "few"], "few"),
        (["--training.stepz", "5"], "did you mean 'training.steps'?"),
        (["--training.steps", "0"], "training.steps = 0"),
        (["--oot", "x"], "unknown argument '--oot'"),
        (["--out", "taken"], "'taken' already exists"),
        (["--data", "taken"], "'taken' is not a dataset folder"),
        (["--device", "gpu"], "no device 'gpu'"),
    ],
)
def test_bad_input_is_refused_before_anything_is_trained(
    arguments: list[str], message: str, recipe: str, refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(_verify_child, "subprocess", None)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    assert message in refused("verify-resume", recipe, *arguments, talk=True)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_recipe_that_is_none(refused: Refused) -> None:
    assert "requires an argument; hint: hornbook verify-resume --help" in refused("verify-resume")
    assert "did you mean 'shakespeare-char'?" in refused("verify-resume", "shakespear-char")


def fake_run(folder: Path) -> Path:
    """A finished run of 4 steps with one tensor of each kind."""
    checkpoint = folder / "checkpoints" / "step-00000004"
    checkpoint.mkdir(parents=True)
    (folder / "model").mkdir()
    save_file({"a.weight": torch.arange(6.0), "b.weight": torch.ones(2, 3)}, checkpoint / "weights.safetensors")
    save_file({"0.exp_avg": torch.zeros(6), "0.step": torch.tensor(4.0)}, checkpoint / "optimizer.safetensors")
    save_file({"a.weight": torch.arange(6.0)}, folder / "model" / "model.safetensors")
    groups = [{"lr": 0.1, "params": [0]}, {"lr": 0.2, "params": [1]}]
    write_json(checkpoint / "state.json", {"step": 4, "param_groups": groups, "sha256": {"any": folder.name}})
    write_json(folder / "checkpoints" / "best.json", {"step": 4, "loss": 2.5})
    steps: list[Record] = [{"kind": "step", "step": n, "loss": 3.0 - n / 7} for n in (1, 2, 3, 4)]
    looks = [{"kind": "evaluation", "step": n, "validation_loss": 3.0 - n / 8} for n in (2, 4)]
    write_records(folder, [*steps[:2], looks[0], *steps[2:], looks[1]])
    return folder


def write_records(folder: Path, records: list[Record]) -> None:
    lines = [json.dumps({**record, "tokens_per_second": random.randrange(1000)}) for record in records]
    write_atomic(folder / "metrics.jsonl", "".join(line + "\n" for line in lines))


def read_records(folder: Path) -> list[Record]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def change_weight(folder: Path) -> None:
    path = folder / "checkpoints" / "step-00000004" / "weights.safetensors"
    tensors = load_file(path)
    tensors["b.weight"][1, 2] += 2**-20
    save_file(tensors, path)


def change_moment(folder: Path) -> None:
    path = folder / "checkpoints" / "step-00000004" / "optimizer.safetensors"
    save_file({"0.exp_avg": torch.zeros(6), "0.step": torch.tensor(5.0)}, path)


def drop_tensor(folder: Path) -> None:
    save_file({"b.weight": torch.arange(6.0)}, folder / "model" / "model.safetensors")


def change_rate(folder: Path) -> None:
    path = folder / "checkpoints" / "step-00000004" / "state.json"
    state = read_json(path)
    state["param_groups"][1]["lr"] = 0.3
    write_json(path, state)


def double_step(folder: Path) -> None:
    records = read_records(folder)
    write_records(folder, [*records[:2], records[1], *records[2:]])


def drop_evaluation(folder: Path) -> None:
    write_records(
        folder, [record for record in read_records(folder) if (record["kind"], record["step"]) != ("evaluation", 2)]
    )


def change_loss(folder: Path) -> None:
    records = read_records(folder)
    records[3]["loss"] += 1e-15
    write_records(folder, records)


def add_step(folder: Path) -> None:
    write_records(folder, [*read_records(folder), {"kind": "step", "step": 5, "loss": 1.0}])


def swap(folder: Path) -> None:
    records = read_records(folder)
    write_records(folder, [records[0], records[2], records[1], *records[3:]])


def leave_half(folder: Path) -> None:
    (folder / "checkpoints" / ".step-00000003.k3x9w0ab.unfinished").mkdir()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (change_weight, "weights: 'b.weight' differs in 1 of 6 numbers, by up to 9.54e-07"),
        (change_moment, "optimizer: '0.step' differs in 1 of 1 numbers, by up to 1"),
        (drop_tensor, "model: only one run has 'a.weight'"),
        (lambda folder: (folder / "model" / "model.safetensors").unlink(), "model: 'model.safetensors' is missing"),
        (change_rate, "state.json: param_groups.1.lr is 0.3, not 0.2"),
        (lambda folder: write_json(folder / "checkpoints" / "best.json", {"step": 2, "loss": 2.5}), "best.json: step is 2, not 4"),
        (double_step, "metrics.jsonl: step 2 stands there 2 times"),
        (drop_evaluation, "metrics.jsonl: the evaluation of step 2 is missing"),
        (add_step, "metrics.jsonl: step 5 is one too many"),
        (change_loss, "metrics.jsonl: step 3: loss is 2.571428571428572"),
        (swap, "metrics.jsonl: step 2 stands at another place (and 1 more like it)"),
        (leave_half, "1 half-written file was left behind: 'checkpoints/.step-00000003.k3x9w0ab.unfinished'"),
    ],
)  # fmt: skip
def test_a_difference_is_found_and_named(tmp_path: Path, change: Callable[[Path], None], line: str) -> None:
    straight, killed = fake_run(tmp_path / "straight"), fake_run(tmp_path / "killed")
    assert compare(straight, killed).differences == []
    change(killed)
    found = compare(straight, killed)
    assert len(found.differences) == 1
    assert found.differences[0].startswith(line)


def test_equal_runs_have_equal_hashes(tmp_path: Path) -> None:
    found = compare(fake_run(tmp_path / "straight"), fake_run(tmp_path / "killed"))
    assert set(found.hashes) == {"weights", "optimizer", "model"}
    assert all(straight == killed and len(straight) == 64 for straight, killed in found.hashes.values())
    assert found.records == {"step": 4, "evaluation": 2}


def test_a_run_that_ended_earlier_is_not_compared_further(tmp_path: Path) -> None:
    straight, killed = fake_run(tmp_path / "straight"), fake_run(tmp_path / "killed")
    (killed / "checkpoints" / "step-00000004").rename(killed / "checkpoints" / "step-00000003")
    assert compare(straight, killed).differences == [
        "the last checkpoint is of step 4 in one run, of step 3 in the other"
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 50])
def test_a_third_of_the_kills_aims_at_writes(count: int) -> None:
    aims = draw_aims(count, random.Random(count))
    assert len(aims) == count
    assert 3 * aims.count(WRITING) >= count
    assert (LOADING in aims) == (count >= 3)
    assert aims.count(FINISHING) == (count >= 6)
    assert FINISHING not in aims[:-1]  # after it nothing is left to kill
    assert draw_aims(count, random.Random(count)) == aims


def test_moments_lie_evenly_over_what_is_left() -> None:
    draw = random.Random(1)
    for count in (1, 4):
        moments = [first_of(count, 10.0, 20.0, draw) for _ in range(4000)]
        assert min(moments) >= 10.0
        assert max(moments) <= 20.0
        assert sum(moments) / 4000 == pytest.approx(10 + 10 / (count + 1), abs=0.15)  # the least of `count` even ones


LINE = Timeline(5.0, ((0.0, 0), (1.0, 1), (2.0, 2), (4.0, 3)), (0.1, 0.2, 0.4), 9.0)


def test_a_moment_is_a_step_and_seconds_since_it() -> None:
    assert [LINE.place(seconds) for seconds in (0.5, 1.0, 3.5, 8.0)] == [(0, 0.5), (1, 0.0), (2, 1.5), (3, 4.0)]
    assert [LINE.seconds(step) for step in (0, 2, 3, 9)] == [0.0, 2.0, 4.0, 4.0]
    assert (LINE.last_step, LINE.write_seconds) == (3, 0.2)


def test_a_run_is_read_from_outside(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints"
    path.mkdir()
    sight = Sight(tmp_path, steps=12, evaluate_every=6)
    assert (sight.step, sight.checkpoint, sight.doing()) == (0, None, "training step 1")

    def add(text: str) -> None:
        with open(tmp_path / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write(text)

    add('{"kind": "step", "step": 6, "loss": 1.0}\n{"kind": "step", "st')
    assert (sight.step, sight.doing()) == (6, "training step 7")
    with new_folder(path / "step-00000006") as beside:
        (beside / "weights.safetensors").touch()
        assert sight.checkpoint == beside
        assert sight.doing() == "writing checkpoint 6 (1 file of it)"
        assert Sight(tmp_path, 12, 6).checkpoint is None  # it was there before
    assert sight.doing() == "evaluating step 6"
    add('ep": 7}\n')
    assert sight.doing() == "training step 8"
    with new_folder(tmp_path / "model"):
        assert sight.doing() == "writing model"
    (path / ".step-00000003.k3x9w0ab.removed").mkdir()
    assert (sight.checkpoint, sight.doing()) == (None, "removing step-00000003")
    (path / ".step-00000003.k3x9w0ab.removed").rmdir()
    add('{"kind": "step", "step": 12}\n{"kind": "evaluation", "step": 12}\n')
    assert sight.doing() == "writing samples of step 12"
    add(json.dumps({"kind": "sample", "step": 12, "texts": ["x" * 100_000]}) + "\n")
    assert sight.doing() == "writing samples of step 12"  # longer than what is read: the record before it counts
    add('{"kind": "sample", "step": 12, "texts": []}\n')
    assert sight.doing() == "finishing"


PLAY = """
import sys, time
from pathlib import Path
from hornbook.config import Layer
from hornbook.files import new_folder
print("going on after step 1,040 of 2,000", file=sys.stderr)
print("12 parameters, 34 training tokens, 56 steps", file=sys.stderr, flush=True)
for step in range(1000):
    with new_folder(Path(sys.argv[1], "checkpoints", f"step-{step:08d}")) as beside:
        (beside / "a").write_text("a")
        time.sleep(0.002)
        (beside / "b").write_text("b")
    time.sleep(0.002)
"""


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Child]:
    """A process that says what a training says and does nothing but write checkpoints into tmp_path."""
    (tmp_path / "checkpoints").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(Path(hornbook.__file__).parents[1]))
    begin = _verify_child.subprocess.Popen
    monkeypatch.setattr(
        _verify_child.subprocess, "Popen", lambda words, **how: begin([words[0], "-c", PLAY, *words[3:]], **how)
    )
    with Child([str(tmp_path)]) as child:
        yield child


def ordeal(run_folder: Path) -> Ordeal:
    subject = Subject("", (), run_folder, "cpu", steps=2000, evaluate_every=2000)
    return Ordeal(subject, run_folder, replace(LINE, writes=(0.004,)), random.Random(0))


def test_a_kill_aimed_at_a_write_is_inside_one(tmp_path: Path, play: Child) -> None:
    trial = ordeal(tmp_path)
    kill = trial._strike(play, Sight(tmp_path, 2000, 2000), [WRITING])
    assert kill is not None
    assert kill.inside_checkpoint
    assert re.fullmatch(r"writing checkpoint \d+ \([012] files? of it\)", kill.during)
    left = [path for path in (tmp_path / "checkpoints").iterdir() if path.name.startswith(".")]
    assert len(left) == 1  # it is still there: the write never came to its end
    assert play.went_on_after == 1040
    assert play.ended


def test_a_kill_aimed_at_loading_comes_before_the_training_begins(tmp_path: Path, play: Child) -> None:
    trial = ordeal(tmp_path)
    trial.timeline = replace(LINE, startup=0.0)
    assert trial._strike(play, Sight(tmp_path, 2000, 2000), [LOADING]) == Kill(LOADING, None, "loading", False)


def test_a_process_that_is_halted_stands_still(tmp_path: Path, play: Child) -> None:
    def written() -> int:
        return len(list((tmp_path / "checkpoints").iterdir()))

    assert play.wait_for(lambda: written() > 3)
    assert play.stop()
    count = written()
    time.sleep(0.05)
    assert written() == count
    play.go()
    assert play.wait_for(lambda: written() > count)
    play.kill()
    assert not play.stop()
    assert not play.wait_for(lambda: False)


def certificate(differences: list[str], kills: int = 2) -> Certificate:
    hit = [Kill(WRITING, 1_040, "writing checkpoint 1040 (2 files of it)", True, "resume", 1_000)]
    hit += [Kill(LOADING, None, "loading", False, "train")] * (kills - 1)
    hashes = {"weights": ("a" * 64, "b" * 64 if differences else "a" * 64)}
    machine: dict[str, str | int] = {
        "cpu": "A Processor (R) with a long name @ 2.60GHz", "threads": 1, "device": "cpu", "torch": "2.13.0+cpu",
        "python": "3.11.7", "system": "Linux 6.1",
    }  # fmt: skip
    settings = {"training.steps": {"recipe": 5000, "here": 2000}, "training.seed": {"recipe": None, "here": 1}}
    found = Comparison(hashes, {"step": 2000, "evaluation": 1}, differences)
    settled: Layer = {
        "data": {"fingerprint": "f" * 64},
        "model": {"kind": "llama", "dropout": 0.1},
        "optimizer": {"kind": "muon"},
        "training": {"precision": "bf16", "batch_size": 12, "microbatch_size": 4},
    }
    return Certificate("a-recipe", settings, settled, 2000, machine, 7, 2, tuple(hit), found, None, 1.0)


def test_a_certificate_of_a_fine_tuning_says_what_kind_and_which_data() -> None:
    kept = certificate([])
    run = {name: kept.run[name] for name in ("optimizer", "training")}
    tuned = replace(kept, run=run | {"finetune": {"kind": "chat", "data_hash": "0123456789abcdef0123"}})
    text = "\n".join(tuned.lines())
    assert "training   fine-tuning, chat, muon, bf16, batches of 12 in microbatches of 4\n" in text
    assert "data       sha256 0123456789abcdef\n" in text


def test_a_certificate_fits_a_terminal_and_says_what_was_found() -> None:
    good, bad = certificate([]), certificate([f"weights: {'a.b.' * 20} differs"] * 9)
    assert good.exact
    assert not bad.exact
    for one in (good, bad):
        assert max(map(len, one.lines())) <= 80
    text = "\n".join(good.lines())
    assert "training.steps = 2000, in the recipe 5000\n           training.seed = 1\n" in text
    assert "training   llama, dropout 0.1, muon, bf16, batches of 12 in microbatches of 4\n" in text
    assert "   1       1,040  writing checkpoint 1040 (2 files of it)     after 1,000\n" in text
    assert "   2           -  loading                                     anew\n" in text
    assert "1 of 2 inside the write of a checkpoint; moments drawn with seed 7" in text
    assert f"weights    {'a' * 64}\nrecords    2,000 steps, 1 evaluation: each once, all numbers the same" in text
    assert "verdict    exact: after 2 kills the run ended as the one that was never stopped" in text
    text = "\n".join(bad.lines())
    assert f"  killed   {'b' * 64}" in text
    assert "and 3 more" in text
    assert "verdict    not exact: weights: a.b." in text
    assert json.loads(json.dumps(bad.as_json()))["exact"] is False


def test_kills_that_were_not_delivered_prove_nothing() -> None:
    short = certificate([], kills=1)
    assert not short.exact
    assert short.verdict == "not shown: the training is too short for 2 kills, 1 was delivered"


def test_a_run_that_is_over_before_all_kills_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken: list[list[str]] = []

    def two_at_most(self: Ordeal, aims: list[str], tell: Callable[[str], None]) -> None:
        taken.append(list(aims))
        self.kills = [Kill(aim, 1, aim, False) for aim in aims[:2]]
        fake_run(self.run)

    monkeypatch.setattr(Ordeal, "go", two_at_most)
    fake_run(tmp_path / "straight")
    plan = _verify.Plan("any", (), 5, 0, None, None, "cpu")
    subject = Subject("any", (), tmp_path, "cpu", 4, 2)
    kills, found = _verify._killed(plan, subject, LINE, tmp_path)
    assert [len(aims) for aims in taken] == [5, 3, 1]
    assert sorted(kill.aim for kill in kills) == sorted(taken[0])
    assert found.differences == []
    assert "run 2 takes 3 more" in capsys.readouterr().err


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What processes started here need, and temporary folders where they are seen."""
    monkeypatch.setenv("PYTHONPATH", str(Path(hornbook.__file__).parents[1]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))


@pytest.mark.slow
@pytest.mark.usefixtures("environment")
def test_a_tiny_training_survives_four_kills(
    recipe: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dropout is on; the certificate's hash is that of a run that this test trained itself."""
    flags = ["--data", str(trained / "data"), "--training.steps", "40", "--training.evaluate_every", "20"]
    out = tmp_path / "kept"
    assert run(["verify-resume", recipe, *flags, "--kills", "4", "--json", "--out", str(out)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == read_json(out / "certificate.json")
    assert found["exact"]
    assert found["differences"] == []
    assert len(found["kills"]) == 4
    assert sum(kill["inside_checkpoint"] for kill in found["kills"]) >= 2
    assert sum(kill["during"] == "loading" for kill in found["kills"]) == 1
    assert found["records"] == {"step": 40, "evaluation": 2, "sample": 2}
    assert found["settings"]["training.steps"] == {"recipe": 12, "here": 40}
    assert run(["train", recipe, *flags, "--out", str(tmp_path / "mine"), "--device", "cpu"]) == 0
    assert compare(tmp_path / "mine", out / "killed").hashes["weights"][0] == found["sha256"]["weights"]["killed"]
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.slow
@pytest.mark.usefixtures("environment")
def test_a_resume_that_is_not_exact_is_found_out(
    recipe: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The resumed processes are another program here: its optimizer's state is not loaded."""
    program = tmp_path / "forgetful.py"
    broken = (
        "import torch\n"
        "from hornbook import cli\n"
        "torch.optim.Optimizer.load_state_dict = lambda self, state: None\n"
        "cli.main()\n"
    )
    program.write_text(broken)
    resume = Subject.resume
    monkeypatch.setattr(Subject, "resume", lambda self, place: ["BROKEN", *resume(self, place)])
    begin = _verify_child.subprocess.Popen

    def other(words: list[str], **how: Any) -> Any:
        return begin([words[0], str(program), *words[4:]] if "BROKEN" in words else words, **how)

    monkeypatch.setattr(_verify_child.subprocess, "Popen", other)
    flags = ["--data", str(trained / "data"), "--training.steps", "40", "--training.evaluate_every", "20"]
    assert run(["verify-resume", recipe, *flags, "--kills", "1", "--seed", "2"]) == 1  # about half way
    out, err = capsys.readouterr()
    assert err.splitlines()[-1].startswith("not exact: metrics.jsonl: ")
    assert "difference weights: " in out
    assert "difference optimizer: " in out
    assert "two trainings that nobody stopped are the same here: it is the resuming that differs" in " ".join(
        out.split()
    )
    (kept,) = (tmp_path / "temporary").iterdir()
    assert (kept / "killed" / "metrics.jsonl").is_file()
    assert read_json(kept / "certificate.json")["exact"] is False


@pytest.mark.parametrize("kept", [["data"], ["data", ".run.toml.k3x9w0ab.unfinished"], [".data.k3x9w0ab.unfinished"]])
def test_a_training_killed_before_its_run_began_can_begin_again(
    recipe: str, trained: Path, tmp_path: Path, kept: list[str]
) -> None:
    out = tmp_path / "run"
    for name in kept:
        shutil.copytree(trained / "data", out / name)
    assert run(["train", recipe, "--training.steps", "1", "--out", str(out), "--device", "cpu"]) == 0
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_the_plan_is_what_was_asked_for(recipe: str) -> None:
    training = check_settings(read_recipe(recipe))
    assert _verify._more_checkpoints(training) == []  # it says how often itself
    often = training.model_copy(update={"checkpoint_every": None, "steps": 400})
    assert _verify._more_checkpoints(often) == ["--training.checkpoint_every", "20"]
