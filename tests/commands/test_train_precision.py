"""`training.precision = "auto"`: settled once, when a training is new, and recorded; a run goes on in what it began in."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from hornbook import device
from hornbook.batches.prepare import open_dataset
from hornbook.cli import run
from hornbook.commands import _plan_make, _plan_probe, _train, _variants
from hornbook.commands._finetuning import Finetuning
from hornbook.commands._recipe import check_recipe, read_recipe, resolved
from hornbook.config import Layer, read_toml
from hornbook.device import Precision
from hornbook.errors import UserError
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.bpe import BPE
from hornbook.training import update
from hornbook.training.distributed import ALONE, World
from hornbook.weights.model_folder import save_model_folder

Refused = Callable[..., str]
FEW = ("--training.steps", "2", "--training.evaluate_every", "2", "--device", "cpu")
SAID = "computing in bf16"


def give_unit(patch: pytest.MonkeyPatch, there: bool) -> None:
    """A processor with the unit or without, on which the tests' models count as large."""
    patch.setattr(device, "LARGE", 1000)
    for module in (_train, _variants, _plan_make):
        patch.setattr(module, "has_bf16_unit", lambda place: there)


def the_next(*_: object) -> None:
    raise UserError("the next one's turn")


def precision_of(folder: Path) -> str:
    return str(read_toml(folder / "run.toml")["training"]["precision"])


def test_it_is_settled_once(
    recipe: str,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    refused: Refused,
) -> None:
    used: list[Precision] = []
    autocast = update.autocast

    def noted(place: torch.device, precision: Precision) -> Any:
        used.append(precision)
        return autocast(place, precision)

    monkeypatch.setattr(update, "autocast", noted)
    out, data = tmp_path / "runs" / "seed-5", ("--data", str(trained / "data"))
    several = ["train", recipe, "--out", str(out.parent), "--seeds", "2", *data, *FEW]
    give_unit(monkeypatch, True)
    assert run(["train", recipe, "--out", str(out), *data, *FEW]) == 0
    assert SAID in capsys.readouterr().err
    assert precision_of(out) == "bf16"
    monkeypatch.setattr(_variants, "_train", the_next)
    assert "the next one's turn" in refused(*several, talk=True)  # the first is as "auto" would have it
    give_unit(monkeypatch, False)
    assert "was trained with training.precision 'bf16', not 'fp32'" in refused(*several)
    assert run(["resume", str(out), "--training.steps", "3", "--device", "cpu"]) == 0
    assert precision_of(out) == "bf16"
    assert set(used) == {"bf16"}
    line = refused("resume", out, "--training.precision", "fp32")
    assert "training.precision is 'bf16' in this run and can't become 'fp32'" in line


@pytest.mark.parametrize(
    ("there", "flags"), [(True, ["--training.precision", "fp32"]), (False, ["--training.precision", "auto"])]
)
def test_what_is_asked_for_stays_and_nothing_is_said_of_fp32(
    there: bool,
    flags: list[str],
    recipe: str,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    give_unit(monkeypatch, there)
    words = ["--out", str(tmp_path / "run"), "--data", str(trained / "data")]
    assert run(["train", recipe, *words, *flags, *FEW]) == 0
    assert precision_of(tmp_path / "run") == "fp32"
    assert SAID not in capsys.readouterr().err


def test_another_precision_is_one_line_with_the_choices(
    recipe: str, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HORNBOOK_TRAINING_PRECISION", "fp16")
    line = refused("train", recipe, "--out", tmp_path / "run")
    assert "training.precision = 'fp16' is not allowed: input should be 'auto', 'fp32' or 'bf16'" in line


@pytest.mark.parametrize(("answers", "all_have"), [(["yes", "yes"], True), (["yes", ""], False), (["", "yes"], False)])
def test_processes_come_to_one_answer(answers: list[str], all_have: bool) -> None:
    world = cast(World, SimpleNamespace(exchange=lambda said: answers))
    assert _train._have_bf16_unit("cpu", world) is all_have


def test_what_nobody_settled_is_written_as_it_is_computed(recipe: str, trained: Path) -> None:
    unsettled = check_recipe(read_recipe(recipe))
    assert unsettled.training.precision == "auto"
    written = resolved(unsettled, open_dataset(trained / "data"), trained)["training"]
    assert written["precision"] == unsettled.training.computes_in == "fp32"
    assert list(written) == list(type(unsettled.training).model_fields)  # in the order of always


@pytest.mark.parametrize(
    ("there", "flags", "precision"),
    [
        (True, [], "bf16"),
        (False, [], "fp32"),
        (True, ["--training.precision", "fp32"], "fp32"),
        (False, ["--training.precision", "bf16"], "bf16"),
    ],
)
def test_a_plan_of_this_machine_knows_it(
    there: bool,
    flags: list[str],
    precision: str,
    recipe: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    give_unit(monkeypatch, there)
    tried: list[str] = []

    def probe(recipe: Any, *_: object) -> Any:
        tried.append(recipe.training.computes_in)
        return _plan_probe.Pace(1.0, 1.0, 1.0, 1e9, 1e9)

    monkeypatch.setattr(_plan_make, "pace_here", probe)
    assert run(["plan", recipe, "--on", "cpu", "--vocab-size", "300", "--json", *flags]) == 0
    assert [json.loads(capsys.readouterr().out)["precision"], *tried] == [precision, precision]


@pytest.fixture(scope="module")
def preferences(tmp_path_factory: pytest.TempPathFactory) -> Layer:
    """The settings of a training on pairs, of a model whose logits are so large that bf16 shows in them."""
    words = ["fox", "hen", "cow", "cat", "dog", "owl"]
    headings = "Below is an instruction that describes a task. ### Instruction:\n\n### Response:\n"
    folder = tmp_path_factory.mktemp("base")
    tokenizer = BPE.train([(" ".join(words) + headings) * 3], vocab_size=330, special_tokens=["<|endoftext|>"])
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, context_length=96, num_layers=1, num_heads=2, embed_dim=32)
    model = Llama(config, torch.Generator().manual_seed(1))
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(20)
    pairs = [
        {"prompt": f"{one} {two}", "chosen": two, "rejected": f"{two} {one}"} for one in words for two in words[:4]
    ]
    data = folder / "pairs.jsonl"
    data.write_text("\n".join(map(json.dumps, pairs)))
    base = save_model_folder(folder / "model", model, tokenizer)
    return {"finetune": {"kind": "preference", "model": str(base), "data": str(data)}}


def test_a_fine_tuning_settles_it_too_and_its_reference_is_computed_alike(
    preferences: Layer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_unit(monkeypatch, True)
    assert Finetuning.new(preferences, None, tmp_path, ALONE).training.precision == "fp32"  # nobody says it has a unit
    job = Finetuning.new(preferences, None, tmp_path, ALONE, bf16_unit=True)
    assert job.settings(tmp_path)["training"]["precision"] == "bf16"
    parts = job.build("cpu", ALONE)
    losses = []
    for precision in ("bf16", "fp32"):
        with device.autocast(parts.device, cast(Precision, precision)), torch.no_grad():
            total, count = parts.loss(parts.model.eval(), *parts.batches(0)[0])
        losses.append(abs(float(total / count) - math.log(2)))
    assert losses[0] < losses[1] / 5  # before the first step the model is its reference, to the last bits
