"""An incident: an update that was not made because its numbers were wrong, kept so that it can be looked at.

incidents/step-00000037/  batch.safetensors (inputs and targets of each microbatch), weights.safetensors (as before
                          the update), incident.json (what was wrong, the settings, sha256 of the two others)
"""

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hornbook.config import Layer
from hornbook.errors import UserError
from hornbook.files import new_folder, read_json, require_space, sha256_of, system_error, write_json
from hornbook.layers.loss import Batch
from hornbook.models.base import ModelConfig
from hornbook.training.diagnosis import Finding, first_wrong_layer
from hornbook.training.run_folder import RunFolder

BATCH, WEIGHTS, INCIDENT = "batch.safetensors", "weights.safetensors", "incident.json"
FORMAT = 1


@dataclass(frozen=True)
class Trouble:
    """What was wrong with an update: its number in metrics.jsonl, in words, loss, norm, and the medians of those before."""

    step: int
    what: str
    loss: float
    norm: float
    usual: dict[str, float]

    @property
    def finite(self) -> bool:
        """Whether loss and gradient are numbers at all, only much too large."""
        return math.isfinite(self.loss) and math.isfinite(self.norm)


@dataclass(frozen=True)
class Incident:
    """What is kept of an update that was not made.

    `finding` is None where the layer could not be looked for. `kind` and `config` are the model's file on the shelf and
    its settings; `made` are device, threads and torch, which decide the last bit; `weights` have the model's own names.
    """

    trouble: Trouble
    finding: Finding | None
    settings: Layer
    kind: str
    config: dict[str, Any]
    made: dict[str, Any]
    microbatches: Sequence[Batch]
    weights: Mapping[str, Tensor]

    @property
    def folder(self) -> str:
        """Where it lies in the run's folder."""
        return f"incidents/step-{self.trouble.step:08d}"

    @property
    def sentence(self) -> str:
        """What went wrong, at which step, and where."""
        line = f"{self.trouble.what} at step {self.trouble.step:,}"
        if self.finding is None:
            return line
        return f"{line}, {'most' if self.trouble.finite else 'first'} in {self.finding.layer}, {self.finding.how}"

    def record(self) -> dict[str, Any]:
        """The line for metrics.jsonl."""
        found = {"layer": self.finding.layer, "how": self.finding.how} if self.finding else {}
        return {"kind": "incident", **_numbers(self.trouble), **found, "folder": self.folder}


def incident_of(
    model: nn.Module,
    trouble: Trouble,
    settings: Layer,
    microbatches: Sequence[Batch],
    weights: Mapping[str, Tensor],
    compute: Callable[[], object] | None,
) -> Incident:
    """Gather what is to be kept, and find the first wrong layer by `compute`, as in `examine` (None: don't look).

    `microbatches` are those of all processes, `weights` whole tensors.
    """
    finding = None
    if compute:
        with suppress(torch.OutOfMemoryError):  # looking takes more than the step did, which may have had just enough
            finding = first_wrong_layer(model, compute, trouble.loss)
    kind, config = type(model).__module__.rpartition(".")[2], cast(ModelConfig, model.config)
    described = config.model_dump(mode="json")
    return Incident(trouble, finding, settings, kind, described, made_on(model), microbatches, weights)


def made_on(model: nn.Module) -> dict[str, Any]:
    """What decides the last bit of what this process computes: device, threads, torch."""
    device = next(model.parameters()).device.type
    return {"device": device, "threads": torch.get_num_threads(), "torch": str(torch.__version__)}


def keep(run: Path, incident: Incident) -> UserError:
    """Save the incident, and return the error that ends the run: what, where, and the choices. A full disk is part of it."""
    told = [f"hornbook resume {shlex.quote(str(run))}"]
    try:
        folder = save_incident(run, incident)
        kept = f"kept in {folder}"
        told.insert(0, f"hornbook replay {shlex.quote(str(folder))} looks at it")
    except UserError as error:
        kept = f"it could not be kept: {error}"
    options = [f"--after {name} {meaning}" for name, meaning in meanings(incident).items()]
    told[-1] += f" {', '.join(options)}"
    return UserError(f"{incident.sentence}; {kept}", hint="; ".join(told))


def meanings(incident: Incident) -> dict[str, str]:
    """How a run may go on after the incident: the word for `hornbook resume --after`, and what it does."""
    skip = {} if incident.finding and incident.finding.in_weights else {"skip": "leaves that batch out"}
    return {**skip, "slower": "goes back to the last checkpoint with half the learning rate"}


def choices(run: Path, incident: Incident) -> dict[str, str]:
    """The same as commands to paste: {"skip": "hornbook resume runs/x --after skip", ...}."""
    return {name: f"hornbook resume {shlex.quote(str(run))} --after {name}" for name in meanings(incident)}


def save_incident(run: Path, incident: Incident) -> Path:
    """Write the incident to RUN/incidents/step-00000037; the same step's older one is replaced.

    Errors: `UserError` where the disk refuses or has too little space; nothing half-written is left then.
    """
    folder = Path(run) / incident.folder
    batch = {
        f"{name}.{place}": tensor.cpu().clone(memory_format=torch.contiguous_format)
        for place, microbatch in enumerate(incident.microbatches)
        for name, tensor in zip(("inputs", "targets"), microbatch, strict=True)
    }
    files = {BATCH: batch, WEIGHTS: _apart(incident.weights)}
    require_space(folder, sum(tensor.nbytes for file in files.values() for tensor in file.values()) + 1_000_000)
    with new_folder(folder, replace=True) as beside:
        for name, tensors in files.items():
            try:
                save_file(tensors, beside / name)
            except SafetensorError as error:  # what the disk refused comes as text
                raise system_error(str(error), folder) or error from None
        hashes = {name: sha256_of(beside / name) for name in files}
        write_json(beside / INCIDENT, {**_described(incident), "sha256": hashes})
    return folder


def _apart(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tied weights share their memory, which safetensors refuses to write twice."""
    seen: dict[int, str] = {}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    return {
        name: tensor if seen.setdefault(tensor.data_ptr(), name) == name else tensor.clone()
        for name, tensor in plain.items()
    }


def _described(incident: Incident) -> dict[str, Any]:
    return {
        "format": FORMAT,
        **_numbers(incident.trouble),
        "usual": incident.trouble.usual,
        "finding": asdict(incident.finding) if incident.finding else None,
        "choices": meanings(incident),
        "model": {"kind": incident.kind, **incident.config},
        "made": incident.made,
        "settings": incident.settings,
    }


def _numbers(trouble: Trouble) -> dict[str, Any]:
    loss, norm = writable(trouble.loss), writable(trouble.norm)
    return {"step": trouble.step, "what": trouble.what, "loss": loss, "gradient_norm": norm}


def writable(number: float) -> float | str:
    """What JSON can write: nan becomes "nan", which `float` reads back."""
    return number if math.isfinite(number) else str(number)


def load_incident(folder: Path) -> Incident:
    """Read an incident back. Errors: `UserError` where it is none, of another format, or damaged."""
    folder = Path(folder)
    if not (folder / INCIDENT).is_file():
        raise UserError(f"'{folder}' is not an incident (it has no {INCIDENT})", hint="name a folder in RUN/incidents")
    kept = read_json(folder / INCIDENT)
    try:
        if kept["format"] != FORMAT:
            raise UserError(f"'{folder}' has format {kept['format']}, and this version reads {FORMAT}")
        for name in (BATCH, WEIGHTS):
            if not (folder / name).is_file() or sha256_of(folder / name) != kept["sha256"][name]:
                raise UserError(f"the incident '{folder}' is damaged: '{name}' is not what was written")
        return _read(folder, kept)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"the incident '{folder}' is damaged: {INCIDENT} lacks or garbles {error}") from None


def _read(folder: Path, kept: dict[str, Any]) -> Incident:
    batch, model, words = load_file(folder / BATCH), dict(kept["model"]), ("step", "what", "loss", "gradient_norm")
    step, what, loss, norm = (kept[word] for word in words)
    return Incident(
        Trouble(int(step), str(what), float(loss), float(norm), kept["usual"]),
        Finding(**kept["finding"]) if kept["finding"] else None,
        kept["settings"],
        kind=model.pop("kind"),
        config=model,
        made={**kept["made"], "threads": int(kept["made"]["threads"])},
        microbatches=[(batch[f"inputs.{place}"], batch[f"targets.{place}"]) for place in range(len(batch) // 2)],
        weights=load_file(folder / WEIGHTS),
    )


def find_incident(path: Path) -> Path:
    """A run's newest incident, by its metrics; the folder of an incident stays itself. Errors: `UserError` where there is none."""
    path = Path(path)
    if (path / INCIDENT).is_file() or not (path / "run.toml").is_file():
        return path
    in_order = [path / str(record["folder"]) for record in RunFolder(path).records("incident")]
    found = [folder for folder in in_order if folder.is_dir()] or sorted((path / "incidents").glob("step-*"))
    if not found:
        raise UserError(f"the run '{path}' has no incidents: no step of it went wrong")
    return found[-1]
