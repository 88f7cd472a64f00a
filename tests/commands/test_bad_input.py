"""Whatever a user does wrong is one line and exit code 2, and leaves nothing half-written."""

import builtins
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hornbook
from hornbook.batches.dataset import open_dataset
from hornbook.cli import run
from hornbook.commands._recipe import packaged_recipes
from hornbook.config import read_toml
from hornbook.tokenizers.character import Character
from hornbook.training.checkpoint import newest_intact

Refused = Callable[..., str]
ENDLESS = "1000000"


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and the working one; nothing but `given` may be in it after a refusal."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "given").mkdir()
    return tmp_path


def bad_texts(folder: Path) -> dict[str, tuple[Path, str]]:
    """name -> (path, a part of the message)."""
    (folder / "empty.txt").touch()
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 4)
    (folder / "book.pdf").write_bytes(b"%PDF-1.7 ...")
    (folder / "pictures").mkdir()
    (folder / "pictures" / "a.png").write_bytes(b"\x89PNG")
    (folder / "nothing").mkdir()
    return {
        "missing": (folder / "missing.txt", "no such file"),
        "empty": (folder / "empty.txt", "is empty"),
        "binary": (folder / "binary.txt", "is a binary file"),
        "pdf": (folder / "book.pdf", "pdftotext"),
        "no text in it": (folder / "pictures", "no text files in"),
        "empty folder": (folder / "nothing", "no text files in"),
    }


@pytest.mark.parametrize("name", ["missing", "empty", "binary", "pdf", "no text in it", "empty folder"])
@pytest.mark.parametrize("verb", ["prepare", "train", "quickstart"])
def test_texts_that_are_none(place: Path, recipe: str, refused: Refused, verb: str, name: str) -> None:
    path, message = bad_texts(place / "given")[name]
    arguments = {
        "prepare": ["prepare", path, "--out", "out"],
        "train": ["train", recipe, "--data.source", path, "--out", "out"],
        "quickstart": ["quickstart", path, "--out", "out"],
    }[verb]
    line = refused(*arguments, talk=True)
    assert str(path) in line
    assert message in line
    assert files_below(place / "out") == []


@pytest.mark.parametrize("verb", ["train", "quickstart"])
def test_a_text_shorter_than_one_window(place: Path, recipe: str, refused: Refused, verb: str) -> None:
    short = place / "given" / "short.txt"
    short.write_text("A cat.\n")
    arguments = (
        ["train", recipe, "--data.source", short, "--out", "out"]
        if verb == "train"
        else ["quickstart", short, "--out", "out"]
    )
    line = refused(*arguments, talk=True)
    assert "more text" in line
    assert not (place / "out" / "run.toml").exists()
    if (place / "out").exists():  # the dataset stays, whole, for the next try
        assert open_dataset(place / "out" / "data")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--training.stepz", "5"], "unknown setting 'training.stepz'"),
        (["--training.stepz", "5"], "did you mean 'training.steps'?"),
        (["--data.sorce", "x"], "did you mean 'data.source'?"),
        (["--model.num_layer", "2"], "did you mean 'model.num_layers'?"),
        (["--generation.promts", "x"], "did you mean 'generation.prompts'?"),
        (["--optimiser.kind", "adamw"], "did you mean 'optimizer'?"),
        (["--model.kind", "lama"], "did you mean 'llama'?"),
        (["--optimizer.kind", "adam"], "did you mean 'adamw'?"),
        (["--model.vocab_size", "500"], "data.vocab_size"),
        (["--training.steps", "many"], "training.steps = 'many'"),
        (["--training.steps", "0"], "training.steps = 0"),
        (["--training.steps"], "has no value"),
        (["--generation.max_new_tokens", "few"], "generation.max_new_tokens = 'few'"),
        (["--generation.max_new_tokens", "0"], "generation.max_new_tokens = 0"),
        (["--generation.temperature", "-1"], "temperature"),
        (["--data.source", "5"], "data.source = 5"),
        (["--data.val_fraction", "1.5"], "val_fraction must be at least 0 and below 1, not '1.5'"),
        (["--data.val_fraction", "-0.1"], "val_fraction"),
        (["--data.val_fraction", "nan"], "val_fraction"),
        (["--data.clean", "standrd"], "did you mean 'standard'?"),
        (["--oot", "x"], "unknown argument '--oot'"),
        (["--device", "gpu"], "no device 'gpu'"),
    ],
)
def test_settings_that_are_none(place: Path, recipe: str, refused: Refused, arguments: list[str], message: str) -> None:
    talk = "--device" in arguments  # which devices there are is known only by torch, which is imported last
    assert message in refused("train", recipe, "--out", "out", *arguments, talk=talk)
    assert talk or not (place / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "shakespear-char"], "did you mean 'shakespeare-char'?"),
        (["train", "mine.toml"], "no such file 'mine.toml'"),
        (["train", "given/half.toml"], "not valid TOML"),
        (["train", "given/loose.toml"], "outside a section"),
        (["train", "given/folder.toml"], "a folder stands where a file is needed"),
        (["trian", "shakespeare-char"], 'Did you mean "train"?'),
        (["quickstart", "--minuts", "1"], "Did you mean --minutes?"),
        (["prepare", "village"], "--out requires an argument; hint: hornbook prepare --help"),
        (["quickstart", "--minutes", "0"], "minutes must be a number above 0, not '0.0'"),
        (["quickstart", "--minutes", "-1"], "'-1.0'"),
        (["quickstart", "--minutes", "nan"], "'nan'"),
        (["quickstart", "--minutes", "inf"], "'inf'"),
        (["quickstart", "--minutes", "ten"], "ten"),
        (["prepare", "village", "--out", "out", "--val-fraction", "1"], "val_fraction"),
        (["prepare", "village", "--out", "out", "--tokenizer", "bqe"], "did you mean 'bpe'?"),
        (["prepare", "vilage", "--out", "out"], "did you mean 'village'?"),
        (["fetch", "tiny-shakespear"], "did you mean 'tiny-shakespeare'?"),
        (["show", "batch", "given"], "is not a dataset folder"),
        (["resume", "given"], "is not a run folder"),
        (["resume", "nowhere"], "is not a run folder"),
    ],
)
def test_commands_that_are_none(place: Path, refused: Refused, arguments: list[str], message: str) -> None:
    (place / "given" / "half.toml").write_text("[training\nsteps = 5")
    (place / "given" / "loose.toml").write_text("steps = 5")
    (place / "given" / "folder.toml").mkdir()
    assert message in refused(*arguments)
    assert [path.name for path in place.iterdir()] == ["given"]


def test_a_corpus_that_is_not_fetched_leads_to_fetch(
    place: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HORNBOOK_HOME", str(place / "home"))
    line = refused("train", "shakespeare-char")
    assert "'tiny-shakespeare' is not on this machine yet; hint: hornbook fetch tiny-shakespeare" in line
    assert [path.name for path in place.iterdir()] == ["given"]


@pytest.mark.parametrize("flags", [[], ["--out", "out"]])
def test_train_without_a_recipe_lists_them(place: Path, capsys: pytest.CaptureFixture[str], flags: list[str]) -> None:
    assert run(["train", *flags]) == 2
    out, err = capsys.readouterr()
    *listed, last = err.splitlines()
    assert out == ""
    assert last == "error: no recipe given; hint: name one of these, or a .toml file of your own"
    shown = dict(line.split(maxsplit=1) for line in listed)
    assert {name: packaged_recipes()[name].read_text().partition("\n")[0] for name in shown} == {
        name: f"# {description}" for name, description in shown.items()
    }
    assert shown.keys() == packaged_recipes().keys()


def test_the_example_in_the_help_of_train_works(capsys: pytest.CaptureFixture[str]) -> None:
    """The recipe exists, and where its text must be fetched first the example says so."""
    assert run(["train", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    examples = set(re.findall(r"hornbook train ([\w-]+)", shown)) & packaged_recipes().keys()
    assert examples
    for name in examples:
        source = read_toml(packaged_recipes()[name])["data"]["source"]
        assert source == "village" or f"hornbook fetch {source}, then hornbook train {name}" in shown


def test_a_misspelt_variable_is_not_ignored(
    place: Path, recipe: str, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HORNBOOK_TRANING_STEPS", "5")
    assert "did you mean 'HORNBOOK_TRAINING_STEPS'?" in refused("train", recipe, "--out", "out")
    assert not (place / "out").exists()


@pytest.mark.parametrize("flag", ["--model.layers", "--model.zzz", "--training.zzz", "--data.zzz"])
def test_the_line_about_a_wrong_setting_is_short(place: Path, recipe: str, refused: Refused, flag: str) -> None:
    line = refused("train", recipe, "--out", "out", flag, "3")
    assert len(line) < 240
    assert "the run.toml of any run holds all settings" in line


def test_a_dataset_whose_tokenizer_was_replaced(place: Path, recipe: str, trained: Path, refused: Refused) -> None:
    data = place / "given" / "data"
    shutil.copytree(trained / "data", data)
    (data / "tokenizer.json").unlink()
    Character.train(["a tokenizer of another vocabulary"]).save(data / "tokenizer.json")
    for arguments in (["train", recipe, "--data", data, "--out", "out"], ["show", "batch", data]):
        assert "is not the tokenizer that made the tokens" in refused(*arguments)
    assert not (place / "out").exists()


def test_a_dataset_with_a_cut_token_file(place: Path, recipe: str, trained: Path, refused: Refused) -> None:
    data = place / "given" / "data"
    shutil.copytree(trained / "data", data)
    tokens = data / "train-00000.bin"
    tokens.write_bytes(tokens.read_bytes()[:-2])
    assert "is damaged" in refused("train", recipe, "--data", data, "--out", "out")
    assert not (place / "out").exists()


def test_prompts_that_the_tokenizer_does_not_know(place: Path, recipe: str, refused: Refused) -> None:
    arguments = ["--data.tokenizer", "character", "--data.vocab_size", "none", "--generation.prompts", "Ж ☃"]
    line = refused("train", recipe, "--out", "out", *arguments, talk=True)
    assert "'Ж', '☃'" in line
    assert not (place / "out" / "run.toml").exists()
    assert open_dataset(place / "out" / "data")


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_model_folder_with_a_changed_byte(place: Path, trained: Path, refused: Refused, name: str) -> None:
    model = place / "given" / "model"
    shutil.copytree(trained / "model", model)
    content = bytearray((model / name).read_bytes())
    content[-3] ^= 1
    (model / name).write_bytes(content)
    for verb in ("generate", "evaluate"):
        assert f"{name}' was changed after the model was saved" in refused(verb, model)


def test_out_that_exists(place: Path, recipe: str, tale: Path, trained: Path, refused: Refused) -> None:
    mine = place / "given" / "precious.txt"
    mine.write_text("mine")
    for arguments in (["train", recipe], ["quickstart", tale], ["prepare", tale]):
        assert "'given' already exists" in refused(*arguments, "--out", "given")
        assert "precious.txt' already exists" in refused(*arguments, "--out", mine)
    assert mine.read_text() == "mine"
    before = {path: path.read_bytes() for path in files_below(trained)}
    assert "already holds a run; hint: hornbook resume" in refused("train", recipe, "--out", trained)
    assert before == {path: path.read_bytes() for path in files_below(trained)}


def test_a_folder_that_may_not_be_read(
    place: Path, recipe: str, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read everything, so the system's answer is put on."""
    scandir = os.scandir

    def forbidden(path: Any = ".") -> Iterator[os.DirEntry[str]]:
        if "given" in str(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    for arguments in (["prepare", "given"], ["train", recipe, "--data.source", "given"], ["quickstart", "given"]):
        assert "can't read the folder 'given': permission denied" in refused(*arguments, "--out", "out", talk=True)
    monkeypatch.undo()
    assert not (place / "out").exists()


@pytest.mark.parametrize("name", ["secret.txt", "secret.toml"])
def test_a_file_that_may_not_be_read(place: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = place / "given" / name
    path.write_text("secret")
    really_open = builtins.open

    def forbidden(file: Any, *rest: Any, **options: Any) -> Any:
        if str(file).endswith(name):
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return really_open(file, *rest, **options)

    monkeypatch.setattr(builtins, "open", forbidden)
    monkeypatch.setattr("io.open", forbidden)  # what pathlib calls
    arguments = ["train", path] if name.endswith(".toml") else ["prepare", path]
    line = refused(*arguments, "--out", place / "out")
    assert "permission" in line
    assert name in line
    assert not (place / "out").exists()


def test_a_disk_that_is_full_while_preparing(
    place: Path, tale: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "no space left on the disk" in refused("prepare", tale, "--out", place / "out", talk=True)
    assert [path.name for path in place.iterdir()] == ["given"]


def test_a_disk_that_fills_up_while_training(
    place: Path, recipe: str, trained: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run keeps the checkpoints that it has, and goes on when there is space again."""
    usage = shutil.disk_usage(place)
    out = place / "out"

    def full(path: Any) -> Any:
        return usage._replace(free=usage.free if newest_intact(out / "checkpoints")[0] is None else 0)

    monkeypatch.setattr(shutil, "disk_usage", full)
    line = refused("train", recipe, "--data", trained / "data", "--out", out, talk=True)
    assert "no space left on the disk" in line
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["step-00000003"]
    assert not (out / "model").exists()
    monkeypatch.undo()
    assert run(["resume", str(out)]) == 0
    assert (out / "model" / "model.safetensors").read_bytes() == (trained / "model" / "model.safetensors").read_bytes()


def test_a_run_whose_checkpoints_are_all_damaged_begins_anew(
    place: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = place / "given" / "run"
    shutil.copytree(trained, copy)
    for weights in (copy / "checkpoints").glob("*/weights.safetensors"):
        weights.write_bytes(weights.read_bytes()[:-1])
    assert run(["resume", str(copy)]) == 0
    assert "is damaged" in capsys.readouterr().err
    assert (copy / "model" / "model.safetensors").read_bytes() == (trained / "model" / "model.safetensors").read_bytes()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_resume(
    place: Path, recipe: str, trained: Path, number: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    out = place / "out"
    environment = {**os.environ, "PYTHONPATH": str(Path(hornbook.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "hornbook", "train", recipe, "--data", str(trained / "data"), "--out", str(out)]
    command += ["--training.steps", ENDLESS, "--training.evaluate_every", ENDLESS, "--device", "cpu"]
    command += ["--training.checkpoint_every", "20"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as going:
        waiting = time.monotonic() + 60
        while not list((out / "checkpoints").glob("step-*")) and time.monotonic() < waiting:
            time.sleep(0.002)
        going.send_signal(number)
        stdout, err = going.communicate(timeout=60)
    assert going.returncode == code, err
    assert stdout == ""
    assert "Traceback" not in err
    assert err.splitlines()[-1].endswith(f"saved; go on with: hornbook resume {out}")
    assert not (out / "model").exists()
    checkpoint, messages = newest_intact(out / "checkpoints")
    assert checkpoint is not None
    assert messages == []
    steps = str(int(checkpoint.name.removeprefix("step-")) + 3)  # a shorter way to the end
    settings = (out / "run.toml").read_text().replace(f"steps = {ENDLESS}", f"steps = {steps}")
    (out / "run.toml").write_text(settings)
    assert run(["resume", str(out)]) == 0
    assert f"at step {steps}" in capsys.readouterr().out
    assert (out / "model" / "model.safetensors").is_file()
