"""What `hornbook finetune chat` is told beside model and data. Read for `--help`, so nothing heavy is imported."""

from typing import Literal

from pydantic import Field, PositiveInt

from hornbook.config import Settings

TooLong = Literal["cut", "drop", "refuse"]


class ExampleSettings(Settings):
    """How conversations become examples: also what `hornbook show examples` is told.

    template: auto (the model's own, else alpaca), alpaca, chatml, phi3, plain, or a file of Jinja; `new_tokens` adds its marks to
    the vocabulary. An example of more than `max_length` tokens (default: the context) loses its oldest turns, is dropped,
    or is an error. `train_prompt`: the questions are learned too.
    """

    template: str = "auto"
    new_tokens: bool = False
    max_length: PositiveInt | None = None
    too_long: TooLong = "cut"
    train_prompt: bool = False


class ChatSettings(ExampleSettings):
    """The section [finetune] of a chat fine-tuning, but for what every kind has.

    `packing`: several examples in one row, none seeing another. `val_fraction` of the examples choose the best weights,
    `test_fraction` are only asked at the end: at most `answers` of them, each answer at most `answer_tokens` long.
    `template_hash`, of a template that is a file, is written into run.toml.
    """

    template_hash: str | None = None
    packing: bool = True
    val_fraction: float = Field(default=0.05, gt=0, lt=1)
    test_fraction: float = Field(default=0.05, ge=0, lt=1)
    answers: int = Field(default=100, ge=0)
    answer_tokens: PositiveInt = 200
