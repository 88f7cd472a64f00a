"""What a quickstart found: one table, the paths of the pictures, and what to try next."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.batches.dataset import Dataset
from hornbook.commands._pretraining import generate_command
from hornbook.device import peak_memory_bytes
from hornbook.generation.generate import LanguageModel


@dataclass(frozen=True)
class Measured:
    """A trained model and its numbers on the validation text."""

    name: str
    model: LanguageModel
    folder: Path
    numbers: dict[str, float]
    tokens_per_second: float

    @property
    def loss(self) -> float:
        """Mean loss in nats per token."""
        return self.numbers["loss (nats per token)"]

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return self.model.model.num_parameters()


@dataclass(frozen=True)
class QuickstartResult:
    """All that the last screen shows."""

    out: Path
    dataset: Dataset
    bigram: Measured
    gpt: Measured
    questions: dict[str, float] | None
    seconds: float

    @property
    def text(self) -> dict[str, float]:
        """Characters, tokens and characters per token of the whole text."""
        splits = self.dataset.info["splits"].values()
        characters, tokens = (sum(split[key] for split in splits) for key in ("characters", "tokens"))
        return {"characters": characters, "tokens": tokens, "characters_per_token": characters / tokens}

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            **self.text,
            "vocab_size": self.dataset.vocab_size,
            "models": {
                model.name: {
                    "parameters": model.parameters,
                    **model.numbers,
                    "tokens_per_second": round(model.tokens_per_second),
                    "folder": str(model.folder),
                }
                for model in (self.bigram, self.gpt)
            },
            "below_bigram": 1 - self.gpt.loss / self.bigram.loss,
            "questions": self.questions,
            "peak_memory_bytes": peak_memory_bytes(),
            "seconds": round(self.seconds, 1),
        }

    def show(self) -> None:
        """Print the table on stdout."""
        from rich.console import Console
        from rich.table import Table

        console = Console(highlight=False)
        text = self.text
        print(
            f"\n{text['characters']:,} characters = {text['tokens']:,} tokens of {self.dataset.vocab_size:,} kinds "
            f"({text['characters_per_token']:.2f} characters per token)\n"
        )
        table = Table(box=None, pad_edge=False)
        table.add_column("on the validation text")
        for model in (self.bigram, self.gpt):
            table.add_column(model.name, justify="right")
        for label, row in self._rows().items():
            table.add_row(label, *row)
        console.print(table)
        print(f"\nThe GPT's loss is {1 - self.gpt.loss / self.bigram.loss:.0%} below the bigram's.")
        if self.questions:
            share, asked = self.questions["right (share)"], self.questions["questions"]
            print(f"Of {asked:.0f} questions about new stories it answers {share:.0%} exactly.")
        print(f"{peak_memory_bytes() / 1e6:,.0f} MB of memory at most, {self.seconds:.0f} seconds in all.\n")
        for path in self.pictures:
            print(f"picture  {path}")
        print(f"model    {self.gpt.folder}\n\nNext, try:")
        for command in self.next_commands:
            print(f"  {command}")

    @property
    def pictures(self) -> list[Path]:
        """The pictures to look at (each also as .svg)."""
        return [self.out / "gpt" / "pictures" / "loss.png", self.out / "pictures" / "tokens.png"]

    @property
    def next_commands(self) -> list[str]:
        """What goes on from here, the page first."""
        return [
            f"hornbook serve {self.gpt.folder} --open",
            generate_command(self.gpt.folder, self.dataset),
            f"hornbook show batch {self.dataset.folder} --step 0",
            f"hornbook evaluate {self.gpt.folder} --data {self.dataset.folder}",
        ]

    def _rows(self) -> dict[str, list[str]]:
        models = (self.bigram, self.gpt)
        return {
            "parameters": [f"{model.parameters:,}" for model in models],
            "loss (nats per token)": [f"{model.loss:.3f}" for model in models],
            "perplexity": [f"{model.numbers['perplexity']:.2f}" for model in models],
            "bits per character": [f"{model.numbers['bits per character']:.3f}" for model in models],
            "training tokens per second": [f"{model.tokens_per_second:,.0f}" for model in models],
        }
