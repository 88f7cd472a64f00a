"""A recipe, its text and a machine -> a plan: what a run will take, and whether it fits."""

from dataclasses import dataclass, replace
from typing import Any

import torch

from hornbook.commands._plan_mend import Mend, mend
from hornbook.commands._plan_probe import pace_here, sample_tokens
from hornbook.commands._plan_text import Text
from hornbook.commands._process import process_bytes
from hornbook.commands._recipe import Recipe
from hornbook.commands._recipe_model import config_of
from hornbook.commands.base import talk
from hornbook.device import has_bf16_unit
from hornbook.training.hardware import GPU_PROCESS, UTILISATION, Machine, heap_here, memory_free, memory_here
from hornbook.training.pace import Duration, Pace, dollars_of, duration_of, pace_on
from hornbook.training.plan import Disk, Job, Memory, Work, disk_of, memory_of, work_of

ROOM = 0.95  # of the memory, that a change must fit into: a plan may be a little wrong


@dataclass(frozen=True)
class Place:
    """Where a run is to be: `machine` of the table, or None for this one's `device`. `memory`: bytes of one device."""

    device: torch.device
    memory: int
    machine: Machine | None = None

    @property
    def gpu(self) -> bool:
        """Whether tensors lie in a card's memory."""
        return self.machine is not None or self.device.type == "cuda"

    @property
    def bf16_unit(self) -> bool:
        """Whether one device has a unit for matrices of bf16; every card of the table has."""
        return self.machine is not None or has_bf16_unit(self.device)

    @property
    def name(self) -> str:
        """As a plan calls it."""
        if self.machine is not None:
            return self.machine.name
        count = torch.get_num_threads()
        threads = f", {count} thread{'s' * (count > 1)}" if self.device.type == "cpu" else ""
        return f"this machine ({self.device.type}{threads})"

    @property
    def free(self) -> int | None:
        """Bytes that are free now, on this machine's CPU."""
        return None if self.gpu else memory_free()


@dataclass(frozen=True)
class Plan:
    """What a run will take. `pace` and `duration` are None where this machine hasn't the memory now to time it."""

    recipe: str
    text: Text
    place: Place
    job: Job
    memory: Memory
    work: Work
    disk: Disk
    mend: Mend | None
    pace: Pace | None
    duration: Duration | None

    @property
    def fits(self) -> bool:
        """Whether one device has the memory."""
        return self.memory.peak <= self.place.memory

    @property
    def epochs(self) -> float | None:
        """How often the training text is read."""
        return self.work.tokens / self.text.train if self.text.train else None

    @property
    def dollars(self) -> float | None:
        """The cost of a machine of the table, at its assumed price."""
        if self.place.machine is None or self.duration is None:
            return None
        return dollars_of(self.duration.total, self.place.machine)

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values; bytes, seconds, dollars."""
        place, machine = self.place, self.place.machine
        return {
            "recipe": self.recipe,
            "machine": {"name": place.name, "devices": self.job.devices, "memory": place.memory, "free": place.free},
            "parameters": self.job.sizes.parameters,
            "precision": self.job.precision,
            "tokens": {"vocabulary": self.text.vocab_size, "train": self.text.train, "validation": self.text.val,
                       "a_step": self.work.tokens_a_step, "all": self.work.tokens, "epochs": self.epochs,
                       "per_parameter": self.work.tokens_per_parameter, "note": self.text.note},
            "flops": {"a_step": self.work.flops_a_step, "all": self.work.flops, "weight_share": self.work.weight_share},
            "memory": {**vars(self.memory), "peak": self.memory.peak, "moment": self.memory.moment,
                       "kv_cache_a_text": self.job.sizes.kv_cache},
            "fits": self.fits,
            "mend": vars(self.mend) if self.mend else None,
            "disk": {**vars(self.disk), "all": self.disk.total},
            "pace": vars(self.pace) if self.pace else None,
            "seconds": {**vars(self.duration), "all": self.duration.total} if self.duration else None,
            "measured": machine is None,
            "dollars": self.dollars,
            "assumed": None if machine is None else {
                "share_of_peak": UTILISATION[self.job.precision],
                "dollars_an_hour": machine.count * machine.device.dollars},
        }  # fmt: skip


def place_of(on: Machine | None, device: torch.device) -> Place:
    """The place of a run: a machine of the table, or this machine's device."""
    if on is not None:
        return Place(device, round(on.device.memory), on)
    if device.type == "cuda":
        return Place(device, torch.cuda.get_device_properties(device).total_memory)
    return Place(device, memory_here())


def make_plan(name: str, recipe: Recipe, text: Text, place: Place) -> Plan:
    """Plan the run of a recipe; on this machine, if it fits, with a probe of about ten seconds."""
    config = config_of(recipe, text.vocab_size)
    process = GPU_PROCESS if place.gpu else process_bytes()
    job = Job(
        model_class=recipe.model_class,
        config=config,
        optimizer=recipe.optimizer,
        training=recipe.training,
        devices=place.machine.count if place.machine else 1,
        gpu=place.gpu,
        heap=1.0 if place.gpu else heap_here(),
        bf16_unit=place.bf16_unit,
    )
    memory = memory_of(job, process)
    fits = memory.peak <= place.memory
    possible = place.machine is not None or memory.peak <= min(place.memory, place.free or place.memory)
    pace = _pace(recipe, job, text, place) if possible else None
    return Plan(
        recipe=name,
        text=text,
        place=place,
        job=job,
        memory=memory,
        work=work_of(job),
        disk=disk_of(job, text.folder_bytes),
        mend=None if fits else mend(job, int(ROOM * place.memory), process, place.machine),
        pace=pace,
        duration=duration_of(job, pace) if pace else None,
    )


def _pace(recipe: Recipe, job: Job, text: Text, place: Place) -> Pace:
    if place.machine is not None:
        return pace_on(job, place.machine, text.val, sample_tokens(recipe))
    talk("trying a few steps")
    settled = recipe.training.model_copy(update={"precision": job.precision})
    return pace_here(replace(recipe, training=settled), job, text.dataset, text.val, place.device)
