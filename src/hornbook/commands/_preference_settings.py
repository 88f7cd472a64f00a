"""What `hornbook finetune preference` is told beside model and data. Read for `--help`, so nothing heavy is imported."""

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from hornbook.config import Settings

TooLong = Literal["cut", "drop", "refuse"]


class PreferenceSettings(Settings):
    """The section [finetune] of a training on preferences, but for what every kind has.

    `beta`: how dearly the model pays for leaving its beginnings: the loss sees beta x (nats gained). `label_smoothing`:
    the share of pairs taken to be labelled the wrong way round. `chosen_weight`: how much the chosen answer's own loss a
    token counts beside. `template`, `template_hash`, `max_length`, `too_long`: as
    for a chat. `val_fraction` of the pairs choose the best weights, `test_fraction` are only measured, before and after;
    at most `answers` of their prompts are answered too, each answer at most `answer_tokens` long.
    """

    beta: PositiveFloat = 0.1
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    chosen_weight: float = Field(default=0.0, ge=0)
    template: str = "auto"
    template_hash: str | None = None
    max_length: PositiveInt | None = None
    too_long: TooLong = "cut"
    val_fraction: float = Field(default=0.1, gt=0, lt=1)
    test_fraction: float = Field(default=0.1, gt=0, lt=1)
    answers: int = Field(default=50, ge=0)
    answer_tokens: PositiveInt = 100
