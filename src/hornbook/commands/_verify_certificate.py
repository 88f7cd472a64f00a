"""The certificate: what was trained on which machine, every kill and what it hit, the hashes, the verdict."""

import platform
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.commands._verify_compare import Comparison
from hornbook.commands._verify_kills import Kill
from hornbook.config import Layer

WIDTH, LABEL = 80, 11
SHOWN_DIFFERENCES = 6


@dataclass(frozen=True)
class Certificate:
    """All that `verify-resume` found. `control` is the difference of two undisturbed runs, looked for where `found` has any."""

    recipe: str
    settings: dict[str, dict[str, Any]]  # "training.steps" -> {"recipe": 1000, "here": 60}
    run: Layer  # run.toml: every setting, resolved
    steps: int
    machine: dict[str, str | int]
    seed: int  # of the moments of the kills
    asked: int
    kills: tuple[Kill, ...]
    found: Comparison
    control: str | None
    seconds: float

    @property
    def shortfall(self) -> int:
        """How many kills the training was too short for."""
        return self.asked - len(self.kills)

    @property
    def exact(self) -> bool:
        """Whether every kill was delivered, and nothing differs."""
        return not self.found.differences and not self.shortfall

    @property
    def verdict(self) -> str:
        """One line."""
        if self.found.differences:
            return f"not exact: {self.found.differences[0]}"
        if self.shortfall:
            were = "was" if len(self.kills) == 1 else "were"
            return f"not shown: the training is too short for {self.asked} kills, {len(self.kills)} {were} delivered"
        return (
            f"exact: after {self.asked} {_plural(self.asked, 'kill')} the run ended as the one that was never stopped"
        )

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "exact": self.exact,
            "verdict": self.verdict,
            "recipe": self.recipe,
            "settings": self.settings,
            "run": self.run,
            "steps": self.steps,
            "machine": self.machine,
            "seed": self.seed,
            "kills": [kill.as_json() for kill in self.kills],
            "sha256": {name: {"straight": pair[0], "killed": pair[1]} for name, pair in self.found.hashes.items()},
            "records": self.found.records,
            "differences": self.found.differences,
            "control": self.control,
            "seconds": round(self.seconds, 1),
        }

    def lines(self) -> Iterator[str]:
        """The certificate as a person reads it, at most 80 columns wide."""
        yield "certificate of exact resume"
        yield ""
        yield from _entry("recipe", f"{self.recipe}, {self.steps:,} steps")
        for number, (name, value) in enumerate(self.settings.items()):
            was = "" if value["recipe"] is None else f", in the recipe {value['recipe']}"
            yield from _entry("" if number else "settings", f"{name} = {value['here']}{was}")
        yield from _entry("training", self._training())
        tuning = self.run.get("finetune")
        data = f"sha256 {tuning['data_hash'][:16]}" if tuning else f"fingerprint {self.run['data']['fingerprint'][:16]}"
        yield from _entry("data", data)
        for number, part in enumerate(self._machine()):
            yield from _entry("" if number else "machine", part)
        yield ""
        yield from self._kill_table()
        yield ""
        yield from self._comparison()
        yield ""
        yield from _entry("verdict", self.verdict)
        if self.control:
            yield from _entry("", self.control)

    def _training(self) -> str:
        """What may make a resume go wrong, in a few words: "llama, dropout 0.1, adamw, fp32, microbatches of 4 of 12"."""
        tuning, model, training = self.run.get("finetune"), self.run.get("model", {}), self.run["training"]
        rows, micro = training["batch_size"], training["microbatch_size"]
        portions = f"batches of {rows}" if micro == "none" else f"batches of {rows} in microbatches of {micro}"
        shape = f"{model.get('kind')}, dropout {model.get('dropout', 0.0):g}"
        what = f"fine-tuning, {tuning['kind']}" if tuning else shape
        return f"{what}, {self.run['optimizer']['kind']}, {training['precision']}, {portions}"

    def _machine(self) -> list[str]:
        has = self.machine
        threads = f"{has['threads']} {_plural(int(has['threads']), 'thread')}"
        return [
            f"{has['cpu']}, {threads}, device {has['device']}",
            f"torch {has['torch']}, python {has['python']}, {has['system']}",
        ]

    def _kill_table(self) -> Iterator[str]:
        yield f"{'kill':>4}  {'after step':>10}  {'during':<42}  went on"
        for number, kill in enumerate(self.kills, 1):
            step = "-" if kill.after_step is None else f"{kill.after_step:,}"
            yield f"{number:4}  {step:>10}  {kill.during[:42]:<42}  {_went_on(kill)}"
        inside = sum(kill.inside_checkpoint for kill in self.kills)
        yield f"{inside} of {len(self.kills)} inside the write of a checkpoint; moments drawn with seed {self.seed}"

    def _comparison(self) -> Iterator[str]:
        for what, (straight, killed) in self.found.hashes.items():
            yield from _entry(what, straight)
            if killed != straight:
                yield from _entry("  killed", killed)
        if self.found.records:
            counts = ", ".join(f"{count:,} {_plural(count, kind)}" for kind, count in self.found.records.items())
            same = not any(line.startswith("metrics") for line in self.found.differences)
            yield from _entry("records", counts + (": each once, all numbers the same" if same else ""))
        for line in self.found.differences[:SHOWN_DIFFERENCES]:
            yield from _entry("difference", line)
        if (more := len(self.found.differences) - SHOWN_DIFFERENCES) > 0:
            yield from _entry("", f"and {more:,} more")


def describe_machine(device: str) -> dict[str, str | int]:
    """What the bits of a training may depend on: processor, threads, libraries."""
    import torch

    chosen = torch.device(device)
    name = torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else chosen.type
    return {
        "cpu": _processor(),
        "threads": torch.get_num_threads(),
        "device": name,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def _processor() -> str:
    """The processor's name: Linux has it in a file, other systems say it."""
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _went_on(kill: Kill) -> str:
    if kill.next_command == "train":
        return "anew"
    return "killed again" if kill.went_on_after is None else f"after {kill.went_on_after:,}"


def _plural(count: int, word: str) -> str:
    return word if count == 1 else word + "s"


def _entry(label: str, text: str) -> list[str]:
    """A label and what stands behind it, wrapped under itself."""
    lines = textwrap.wrap(text, WIDTH - LABEL, break_on_hyphens=False) or [""]
    return [f"{label if not number else '':{LABEL}}{line}" for number, line in enumerate(lines)]
