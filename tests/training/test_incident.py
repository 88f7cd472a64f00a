"""An incident: what is kept of a step that went wrong is enough to compute it again, bit for bit, and ends the run well."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from hornbook.config import build
from hornbook.errors import UserError
from hornbook.layers.loss import Batch, next_token_loss
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.training import incident as module
from hornbook.training.checkpoint import folder_of, load_checkpoint
from hornbook.training.diagnosis import Finding
from hornbook.training.incident import (
    Incident,
    Trouble,
    choices,
    find_incident,
    incident_of,
    keep,
    load_incident,
    save_incident,
)
from hornbook.training.loop import Loop
from hornbook.training.update import Parts, Training, gradients

MakeLoop = Callable[..., Loop]
STEP = 37
LAYER = "blocks.0.attention.qkv"


def ignore(record: dict[str, Any]) -> None:
    """A report that nobody reads."""


def spoil(model: nn.Module, name: str = f"{LAYER}.weight") -> None:
    with torch.no_grad():
        model.get_parameter(name)[3, 2] = math.nan


def incident_at(loop: Loop, step: int = STEP, what: str = "the loss is no longer a number") -> Incident:
    """What the loop keeps of update `step` with the weights that the model has now."""
    parts, training = loop.parts, loop.training
    found = gradients(parts, training, step - 1)
    trouble = Trouble(step, what, found.loss, found.norm, {"loss": 2.5, "gradient_norm": 0.75})
    weights = parts.model.state_dict()

    def compute() -> object:
        return gradients(parts, training, step - 1)

    return incident_of(parts.model, trouble, loop.folder.settings, parts.batches(step - 1), weights, compute)


def again(incident: Incident) -> tuple[float, float]:
    """Loss and norm from nothing but what was kept."""
    assert incident.kind == "llama"
    model = Llama(LlamaConfig(**incident.config))
    model.load_state_dict(dict(incident.weights))
    optimizer = torch.optim.SGD(model.parameters())
    parts = Parts(model, optimizer, lambda step: incident.microbatches, next_token_loss, lambda: iter(()))
    found = gradients(parts, build(Training, incident.settings["training"], "training"), incident.trouble.step - 1)
    return found.loss, found.norm


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_kept_computes_the_same_to_the_last_bit(make_loop: MakeLoop, precision: str) -> None:
    """With dropout and microbatches of unequal size, and an explosion, whose numbers are finite."""
    loop = make_loop("run", dropout=0.2, microbatch_size=3, precision=precision)
    with torch.no_grad():
        loop.parts.model.get_parameter("blocks.0.feed_forward.up.weight").mul_(1e5)
    kept = incident_at(loop, what="the gradient norm 8.1e+05 is 66,000 times the usual 12.3")
    read = load_incident(save_incident(loop.folder.path, kept))
    assert again(read) == (kept.trouble.loss, kept.trouble.norm)
    other = Incident(**{**vars(read), "trouble": Trouble(STEP + 1, "", 0.0, 0.0, {})})
    assert again(other) != again(read)  # the dropout is that of the step


def test_an_incident_is_read_back_as_it_was_written(make_loop: MakeLoop) -> None:
    loop = make_loop("run", microbatch_size=3)
    spoil(loop.parts.model)
    kept = incident_at(loop)
    folder = save_incident(loop.folder.path, kept)
    assert folder == loop.folder.path / "incidents" / "step-00000037"
    assert {path.name for path in folder.iterdir()} == {"batch.safetensors", "weights.safetensors", "incident.json"}
    read = load_incident(folder)
    assert math.isnan(read.trouble.loss)
    assert read.trouble.what == kept.trouble.what
    assert read.trouble.usual == {"loss": 2.5, "gradient_norm": 0.75}
    assert read.finding == Finding(LAYER, "1 of whose 768 weights are not finite", in_weights=True)
    assert read.made == {"device": "cpu", "threads": 1, "torch": torch.__version__}
    assert read.settings["training"]["seed"] == 3
    assert len(read.microbatches) == 3  # 8 rows as 3 + 3 + 2
    for ours, theirs in zip(kept.microbatches, read.microbatches, strict=True):
        assert all(torch.equal(first, second) for first, second in zip(ours, theirs, strict=True))
    assert kept.weights.keys() == read.weights.keys()
    for name, tensor in kept.weights.items():
        assert torch.equal(tensor.nan_to_num(7.0), read.weights[name].nan_to_num(7.0))


def test_what_is_written_others_can_read(make_loop: MakeLoop) -> None:
    """JSON in the strict sense, which knows no NaN; tensors by the library of safetensors."""
    loop = make_loop("run")
    spoil(loop.parts.model)
    incident = incident_at(loop)
    folder = save_incident(loop.folder.path, incident)

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    written = json.loads((folder / "incident.json").read_text(), parse_constant=refuse)
    assert (written["loss"], written["gradient_norm"]) == ("nan", "nan")
    assert json.loads(json.dumps(incident.record()), parse_constant=refuse) == {
        "kind": "incident", "step": 37, "what": "the loss is no longer a number", "loss": "nan", "gradient_norm": "nan",
        "layer": LAYER, "how": "1 of whose 768 weights are not finite", "folder": "incidents/step-00000037",
    }  # fmt: skip
    assert safetensors.torch.load_file(folder / "batch.safetensors")["inputs.0"].shape == (8, 16)


def test_tied_weights_are_kept_twice(tmp_path: Path) -> None:
    shared = torch.ones(3)
    trouble = Trouble(1, "the loss is infinite", math.inf, 1.0, {})
    incident = Incident(trouble, None, {}, "llama", {}, {"threads": 1}, [], {"a": shared, "b": shared})
    read = load_incident(save_incident(tmp_path, incident))
    assert read.trouble.loss == math.inf
    assert read.finding is None
    assert all(torch.equal(read.weights[name], shared) for name in ("a", "b"))


@pytest.mark.parametrize(
    ("loss", "finding", "line"),
    [
        (
            math.nan,
            Finding("blocks.0", "in its output"),
            "it went wrong at step 1,200, first in blocks.0, in its output",
        ),
        (3.0, Finding("blocks.0", "whose gradient"), "it went wrong at step 1,200, most in blocks.0, whose gradient"),
        (math.nan, None, "it went wrong at step 1,200"),
    ],
)
def test_the_sentence(loss: float, finding: Finding | None, line: str) -> None:
    incident = Incident(Trouble(1200, "it went wrong", loss, 1.0, {}), finding, {}, "llama", {}, {"threads": 1}, [], {})
    assert incident.sentence == line


def test_the_line_that_ends_the_run(make_loop: MakeLoop) -> None:
    loop = make_loop("a run")
    with torch.no_grad():
        loop.parts.model.get_parameter(f"{LAYER}.weight").fill_(3e38)
    run = loop.folder.path
    line = str(keep(run, incident_at(loop)))
    folder = run / "incidents" / "step-00000037"
    assert line == (
        f"the loss is no longer a number at step 37, first in {LAYER}, in its output; kept in {folder}; "
        f"hint: hornbook replay '{folder}' looks at it; hornbook resume '{run}' --after skip leaves that batch out, "
        "--after slower goes back to the last checkpoint with half the learning rate"
    )
    assert find_incident(run) == folder


def test_wrong_weights_are_not_mended_by_another_batch(make_loop: MakeLoop) -> None:
    loop = make_loop("run")
    spoil(loop.parts.model)
    incident = incident_at(loop)
    assert "--after skip" not in str(keep(loop.folder.path, incident))
    assert choices(Path("runs/x"), incident) == {"slower": "hornbook resume runs/x --after slower"}


class Usage(NamedTuple):
    """What `shutil.disk_usage` says of a full disk."""

    total: int = 0
    used: int = 0
    free: int = 1000


def no_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage())


def refused_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """As safetensors says it where the disk fills on the way."""

    def save(tensors: dict[str, Tensor], path: Path) -> None:
        Path(path).write_bytes(b"a part")
        raise safetensors.SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(module, "save_file", save)


@pytest.mark.parametrize("disk", [no_space, refused_write])
def test_a_full_disk_ends_the_run_in_one_line_too(
    make_loop: MakeLoop, monkeypatch: pytest.MonkeyPatch, disk: Callable[[pytest.MonkeyPatch], None]
) -> None:
    loop = make_loop("run")
    incident = incident_at(loop)
    disk(monkeypatch)
    line = str(keep(loop.folder.path, incident))
    assert "it could not be kept: no space left on the disk that holds" in line
    assert "hornbook replay" not in line
    assert "--after slower" in line
    assert "\n" not in line
    assert [path.name for path in loop.folder.path.rglob("*")] == ["run.toml"]


def test_looking_may_run_out_of_memory(make_loop: MakeLoop) -> None:
    loop = make_loop("run")

    def compute() -> object:
        raise torch.OutOfMemoryError

    parts, trouble = loop.parts, Trouble(1, "the loss is infinite", math.inf, 1.0, {})
    incident = incident_of(parts.model, trouble, {}, parts.batches(0), parts.model.state_dict(), compute)
    assert incident.finding is None
    assert str(keep(loop.folder.path, incident)).startswith("the loss is infinite at step 1; kept in ")


def spoil_file(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)

    return change


def rewrite(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "incident.json"
        kept = {**json.loads(path.read_text()), **changes}
        path.write_text(json.dumps({key: value for key, value in kept.items() if value is not None}))

    return change


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (spoil_file("batch.safetensors"), "is damaged: 'batch.safetensors' is not what was written"),
        (spoil_file("weights.safetensors"), "is damaged: 'weights.safetensors' is not what was written"),
        (lambda folder: (folder / "weights.safetensors").unlink(), "is damaged: 'weights.safetensors'"),
        (lambda folder: (folder / "incident.json").write_text('{"format": 1, '), "is not valid JSON"),
        (lambda folder: (folder / "incident.json").write_text("[]"), "is damaged: incident.json"),
        (lambda folder: (folder / "incident.json").unlink(), r"is not an incident \(it has no incident.json\); hint"),
        (rewrite(format=2), "has format 2, and this version reads 1"),
        (rewrite(format=None), "is damaged: incident.json lacks or garbles 'format'"),
        (rewrite(loss="much"), "is damaged: incident.json lacks or garbles .*much"),
        (rewrite(finding={"layer": "a"}), "is damaged: incident.json lacks or garbles"),
        (rewrite(sha256={}), "is damaged: incident.json lacks or garbles 'batch.safetensors'"),
        (rewrite(made={"device": "cpu"}), "is damaged: incident.json lacks or garbles 'threads'"),
        (rewrite(model=7), "is damaged: incident.json lacks or garbles"),
    ],
)
def test_a_damaged_incident_is_one_line(make_loop: MakeLoop, damage: Callable[[Path], None], words: str) -> None:
    loop = make_loop("run")
    folder = save_incident(loop.folder.path, incident_at(loop))
    damage(folder)
    with pytest.raises(UserError, match=words):
        load_incident(folder)


def test_the_newest_incident_of_a_run_is_the_last_in_its_metrics(make_loop: MakeLoop) -> None:
    """After going back with a lower rate, an earlier step may be the later incident."""
    loop = make_loop("run")
    run = loop.folder.path
    with pytest.raises(UserError, match="has no incidents: no step of it went wrong"):
        find_incident(run)
    for step in (9, 5):
        incident = incident_at(loop, step)
        folder = save_incident(run, incident)
        assert find_incident(run) == run / "incidents" / "step-00000009"  # the metrics know of none yet
    loop.folder.append(incident.record())
    loop.folder.close()
    assert find_incident(run) == folder
    assert find_incident(folder) == folder


# ---------------------------------------------------------------------------------------------------- in the loop


def spoilt_at(loop: Loop, step: int) -> Loop:
    """Its model is so made that the forward pass of update `step` goes wrong in one layer; the batches stay as they are."""
    batches, layer = loop.parts.batches, loop.parts.model.get_submodule("blocks.0.feed_forward.up")
    now = [0]

    def told(number: int) -> Any:
        now[0] = number + 1
        return batches(number)

    def spoil_output(part: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        return output * math.nan if now[0] == step and part.training else output

    object.__setattr__(loop.parts, "batches", told)
    layer.register_forward_hook(spoil_output)
    return loop


def test_a_run_stops_before_the_update_that_went_wrong(make_loop: MakeLoop) -> None:
    """The weights that are kept are those after 36 updates, of the run and of one that was never spoiled."""
    loop = spoilt_at(make_loop("run", steps=60, evaluate_every=30, dropout=0.1), STEP)
    with pytest.raises(
        UserError, match="no longer a number at step 37, first in blocks.0.feed_forward.up, in its output"
    ):
        loop.run(ignore)
    read = load_incident(find_incident(loop.folder.path))
    reference = make_loop("reference", steps=60, evaluate_every=36, keep=9, dropout=0.1)
    reference.run(ignore)
    load_checkpoint(folder_of(reference.folder.checkpoints, 36), reference.parts.model, reference.parts.optimizer)
    for name, tensor in reference.parts.model.state_dict().items():
        assert torch.equal(tensor, read.weights[name]), name
        assert torch.equal(tensor, loop.parts.model.state_dict()[name]), name
    assert [record["step"] for record in loop.folder.records("step")] == list(range(1, 37))
    assert [record["folder"] for record in loop.folder.records("incident")] == ["incidents/step-00000037"]
    expected: list[Batch] = list(reference.parts.batches(STEP - 1))
    for ours, theirs in zip(expected, read.microbatches, strict=True):
        assert all(torch.equal(first, second) for first, second in zip(ours, theirs, strict=True))
