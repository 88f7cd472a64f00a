"""An incident computed once more: the model and the step as they were, and what is to be seen of them."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from hornbook.commands._finetuning import Finetuning
from hornbook.commands._parts import dataset_of_run
from hornbook.commands._sections import is_finetuning
from hornbook.config import build, read_toml
from hornbook.device import autocast, choose_device
from hornbook.discovery import find, names
from hornbook.errors import UserError
from hornbook.layers.evaluating import evaluating
from hornbook.layers.loss import next_token_loss
from hornbook.models.base import Model
from hornbook.tokenizers.base import Tokenizer
from hornbook.training.diagnosis import Examination, examine
from hornbook.training.distributed import ALONE
from hornbook.training.incident import Incident, choices, made_on, meanings, writable
from hornbook.training.update import Parts, Training, gradients


@dataclass(frozen=True)
class Row:
    """A row of the batch: its place, its mean loss without dropout, its tokens and, where there is a tokenizer, its text."""

    place: int
    loss: float
    tokens: list[int]
    text: str | None = None


@dataclass(frozen=True)
class Replay:
    """What came out: the numbers of the step as computed now, its layers, and the rows of its batch, the worst first."""

    folder: Path
    incident: Incident
    loss: float
    norm: float
    made: dict[str, Any]  # device, threads and torch, as those in the incident
    examination: Examination
    rows: list[Row]

    @property
    def same(self) -> bool:
        """Whether loss and gradient norm are those that were recorded, to the last bit."""
        trouble = self.incident.trouble
        return _equal(self.loss, trouble.loss) and _equal(self.norm, trouble.norm)

    @property
    def vanished(self) -> bool:
        """Whether all numbers are finite now, and were not: then there is no wrong layer to be seen."""
        return not self.incident.trouble.finite and math.isfinite(self.loss) and math.isfinite(self.norm)

    @property
    def seen(self) -> Incident:
        """The incident, with the first wrong layer as it was found now."""
        return self.incident if self.vanished else replace(self.incident, finding=self.examination.finding)

    @property
    def run(self) -> Path:
        """The run that it lies in; `RUN` where the folder was taken out of it."""
        return run_of(self.folder) or Path("RUN")

    @property
    def ways(self) -> dict[str, tuple[str, str]]:
        """How the run may go on: skip -> (command, what it does)."""
        meant = meanings(self.seen)
        return {name: (command, meant[name]) for name, command in choices(self.run, self.seen).items()}

    def as_json(self) -> dict[str, Any]:
        """All of it for programs."""
        trouble, finding, before = self.incident.trouble, self.seen.finding, self.incident.finding
        return {
            "incident": str(self.folder),
            "step": trouble.step,
            "what": trouble.what,
            "recorded": {"loss": writable(trouble.loss), "gradient_norm": writable(trouble.norm)},
            "replayed": {"loss": writable(self.loss), "gradient_norm": writable(self.norm)},
            "same": self.same,
            "usual": trouble.usual,
            "made": {"recorded": self.incident.made, "replayed": self.made},
            "finding": vars(finding) if finding else None,
            "recorded_finding": vars(before) if before else None,
            "layers": [
                {"layer": reading.layer, **{part: vars(getattr(reading, part)) for part in ("weights", "output", "gradient")}}
                for reading in self.examination.readings
            ],
            "rows": [{**vars(row), "loss": writable(row.loss)} for row in self.rows],
            "choices": {name: command for name, (command, _) in self.ways.items()},
        }  # fmt: skip


def replay_of(folder: Path, incident: Incident, device: str) -> Replay:
    """Compute the failed step again. Errors: `UserError` where its model can't be built from what was kept."""
    parts, tokenizer = _as_it_was(folder, incident, _place(incident, device))
    training = build(Training, incident.settings.get("training", {}), "training")
    with _threads(incident):
        found = gradients(parts, training, incident.trouble.step - 1)
        examination = examine(
            parts.model, lambda: gradients(parts, training.plainly, incident.trouble.step - 1), found.loss
        )
        made, rows = made_on(parts.model), _rows(parts, incident, training, tokenizer)
    return Replay(folder, incident, found.loss, found.norm, made, examination, rows)


def run_of(folder: Path) -> Path | None:
    """The run that an incident's folder lies in, None where it was taken out."""
    run = folder.absolute().parents[1]
    if not (run / "run.toml").is_file():
        return None
    return folder.parent.parent if folder.parent.name == "incidents" else run


def _place(incident: Incident, device: str) -> torch.device:
    """auto is the device that it happened on, where this machine has one."""
    happened = str(incident.made["device"])
    try:
        return choose_device(happened if device == "auto" else device)
    except UserError:
        if device != "auto":
            raise
        return choose_device("cpu")


def _as_it_was(folder: Path, incident: Incident, place: torch.device) -> tuple[Parts, Tokenizer | None]:
    """The model with its weights before the step, the loss and the batch; and the tokenizer, where it is still there."""
    run = run_of(folder)
    if is_finetuning(incident.settings):
        if run is None:
            raise UserError(
                f"'{folder}' is an incident of a fine-tuning and was taken out of its run",
                hint="put it back to RUN/incidents: the run says what was learned from what",
            )
        job = Finetuning.of_run(run, read_toml(run / "run.toml"))
        built = job.build(str(place), ALONE)
        model, loss, tokenizer = built.model, built.loss, cast(Tokenizer | None, job.tokenizer)
    else:
        model, loss, tokenizer = _model(folder, incident), next_token_loss, _tokenizer(run)
    try:
        model.load_state_dict(dict(incident.weights))
    except RuntimeError:
        raise UserError(f"the incident '{folder}' is damaged: its weights are not those of its model") from None
    model = model.to(place).train()
    optimizer = torch.optim.SGD(model.parameters())  # never asked to step
    return Parts(model, optimizer, lambda step: incident.microbatches, loss, lambda: iter(())), tokenizer


def _model(folder: Path, incident: Incident) -> nn.Module:
    """A model of the shelf, as it was configured."""
    if incident.kind not in names("models"):
        raise UserError(f"the incident '{folder}' is of a model that isn't built here, '{incident.kind}'")
    kind: type[Model] = find("models", incident.kind)
    return kind(build(kind.config_class, incident.config, "model"))


def _tokenizer(run: Path | None) -> Tokenizer | None:
    """That of the run's dataset; None where it is gone, another by now, or the run was begun in Python."""
    if run is None:
        return None
    try:
        return dataset_of_run(run, read_toml(run / "run.toml")).tokenizer
    except (UserError, KeyError):
        return None


@contextmanager
def _threads(incident: Incident) -> Iterator[None]:
    """As many threads as there were: sums are cut by them, which decides the last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(incident.made["threads"])
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _rows(parts: Parts, incident: Incident, training: Training, tokenizer: Tokenizer | None) -> list[Row]:
    """Every row with its mean loss, those that are no number first, then the highest."""
    rows: list[Row] = []
    place = parts.device
    with evaluating(parts.model):
        for inputs, targets in incident.microbatches:
            for row in range(len(inputs)):
                with autocast(place, training.computes_in):
                    total, count = parts.loss(
                        parts.model, inputs[row : row + 1].to(place), targets[row : row + 1].to(place)
                    )
                tokens = inputs[row].flatten(0, -2)[0].tolist() if inputs.dim() > 2 else inputs[row].tolist()
                tokens = [max(token, -1 - token) for token in tokens]  # packed, the first of an example is written so
                text = tokenizer.decode(tokens) if tokenizer else None
                rows.append(Row(len(rows), float(total) / max(1, int(count)), tokens, text))
    return sorted(rows, key=lambda row: -row.loss if math.isfinite(row.loss) else -math.inf)


def _equal(first: float, second: float) -> bool:
    return first == second or (math.isnan(first) and math.isnan(second))
