"""Sections of a recipe that no stage owns alone: `data` is origin and preparation, `generation` samples and sampling."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from pydantic import Field, field_validator

from hornbook.config import ALL_SETTINGS, Layer, Settings, build
from hornbook.errors import unknown

SECTIONS = ("data", "model", "optimizer", "schedule", "training", "generation")
FINETUNING_SECTIONS = ("finetune", "lora", "optimizer", "schedule", "training")

First = TypeVar("First", bound=Settings)
Second = TypeVar("Second", bound=Settings)


def is_finetuning(layer: Layer) -> bool:
    """Whether these are the settings of a fine-tuning: they say what of, in the section [finetune]."""
    return "finetune" in layer


def sections_of(layer: Layer) -> tuple[str, ...]:
    """The sections that settings of this kind may have."""
    return FINETUNING_SECTIONS if is_finetuning(layer) else SECTIONS


class Origin(Settings):
    """Where the text of a run comes from: a dataset that is prepared already, else the source to prepare.

    `fingerprint` is written into run.toml, so that a run never goes on with another text.
    """

    folder: str | None = None
    fingerprint: str | None = None
    source: tuple[str, ...] = ("village",)

    @field_validator("source", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class Samples(Settings):
    """What the model is asked to write at every evaluation."""

    prompts: tuple[str, ...] = ()
    max_new_tokens: int = Field(default=60, ge=1)

    @field_validator("prompts", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


def build_both(first: type[First], second: type[Second], layer: Layer, section: str) -> tuple[First, Second]:
    """One section of a recipe, typed by two settings classes that share its keys."""
    keys = layer.get(section, {})
    check_keys(section, keys, [*first.model_fields, *second.model_fields])
    mine = {key: value for key, value in keys.items() if key in first.model_fields}
    rest = {key: value for key, value in keys.items() if key in second.model_fields}
    return build(first, mine, section), build(second, rest, section)


def check_keys(section: str, keys: Iterable[str], known: Sequence[str]) -> None:
    """Errors: `UserError` with the choices and the near name for a key that is not among `known`."""
    for key in keys:
        if key not in known:
            raise unknown("setting", f"{section}.{key}", [f"{section}.{name}" for name in known], ALL_SETTINGS)
