"""What two runs were told differently: their settings side by side, as "section.key" -> both values."""

import tomllib
from collections.abc import Mapping
from typing import Any

from hornbook.commands._sections import SECTIONS
from hornbook.config import Layer, to_toml

SAMPLES = "generation"  # the section that decides nothing of what is learned
PLACES = ("data.folder", "data.fingerprint", "model.from")  # where a text or a model lies, and a text's hash
ABSENT = "(not set)"


def settings_apart(first: Layer, second: Layer) -> dict[str, tuple[Any, Any]]:
    """The settings that differ, in order: {"optimizer.learning_rate": (0.001, 0.003)}.

    Samples written on the way don't count, nor where the text lies. Where the text is another one though it was made
    by the same settings, its fingerprint says so.
    """
    one, other = _flat(first), _flat(second)
    apart = {
        name: (one.get(name, ABSENT), other.get(name, ABSENT))
        for name in dict.fromkeys([*one, *other])
        if one.get(name, ABSENT) != other.get(name, ABSENT)
    }
    told = {name: both for name, both in apart.items() if name not in PLACES}
    prints = apart.get("data.fingerprint")
    if prints and not any(name.startswith("data.") for name in told) and ABSENT not in prints:
        told["data.fingerprint"] = (prints[0][:12], prints[1][:12])
    return told


def as_written(settings: Mapping[str, Mapping[str, Any]]) -> Layer:
    """Settings as run.toml gives them back: None as "none", tuples as lists."""
    return tomllib.loads(to_toml(settings))


def _flat(settings: Layer) -> dict[str, Any]:
    return {
        f"{section}.{key}": value
        for section in SECTIONS
        if section != SAMPLES
        for key, value in settings.get(section, {}).items()
    }
