"""Settings: typed, frozen, strict. A TOML file, then the environment, then flags; a later layer wins key by key."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from hornbook.errors import UserError, nearest, unknown

Layer = dict[str, dict[str, Any]]  # section -> key -> value
T = TypeVar("T", bound=BaseModel)

PREFIX = "HORNBOOK_"
PLAIN_VARIABLES = (
    "HORNBOOK_HOME",  # fetched texts
    "HORNBOOK_SHARED_DATA",  # the texts that tests look for
    "HORNBOOK_API_KEY",  # of hornbook serve
    "HORNBOOK_HANG_SECONDS",  # how long processes of one run wait for each other
)
ALL_SETTINGS = "the run.toml of any run holds all settings"


class Settings(BaseModel):
    """The base of every config: values can't change, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_toml(path: Path) -> Layer:
    """Read a settings file of [sections]. Errors: `UserError` where it is missing, not TOML, or has a key outside them."""
    try:
        layer = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"no such file '{path}'") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"'{path}' is not valid TOML: {error}") from None
    for section, keys in layer.items():
        if not isinstance(keys, dict):
            raise UserError(f"'{section}' in '{path}' stands outside a section", hint="write it under a [section]")
    return layer


def environment_layer(sections: Sequence[str], environment: Mapping[str, str] | None = None) -> Layer:
    """Settings from variables: HORNBOOK_TRAINING_STEPS=500 -> {"training": {"steps": 500}}.

    Errors: `UserError` for a HORNBOOK_ variable of no section: a setting that is silently not taken is worse.
    """
    layer: Layer = {}
    for name, text in (os.environ if environment is None else environment).items():
        if name.startswith(PREFIX) and name not in PLAIN_VARIABLES:
            section, _, key = name.removeprefix(PREFIX).lower().partition("_")
            if section not in sections or not key:
                raise _unknown_variable(name, sections)
            layer.setdefault(section, {})[key] = value_of(text)
    return layer


def _unknown_variable(name: str, sections: Sequence[str]) -> UserError:
    words = name.removeprefix(PREFIX)
    section, _, key = words.partition("_")
    close = nearest(section.lower(), sections)
    plain = [variable.removeprefix(PREFIX) for variable in PLAIN_VARIABLES]
    near = f"{close.upper()}_{key}" if close and key else nearest(words, plain)
    choices = [*PLAIN_VARIABLES, *(f"{PREFIX}{section.upper()}_..." for section in sections)]
    hint = f"did you mean '{PREFIX}{near}'?" if near else "unset it"
    return UserError(f"unknown environment variable '{name}'", choices=choices, hint=hint)


def flag_layer(tokens: Sequence[str], sections: Sequence[str]) -> Layer:
    """Settings from flags: ["--model.num_layers", "4", "--training.seed=1"] -> {"model": {...}, "training": {...}}.

    Dashes in a key are underscores. Errors: `UserError` for anything else than `--section.key value`.
    """
    layer: Layer = {}
    waiting = list(tokens)
    while waiting:
        name, equals, text = waiting.pop(0).partition("=")
        section, dot, key = name.removeprefix("--").partition(".")
        if not name.startswith("--") or not dot or not key:
            raise UserError(f"unknown argument '{name}'", hint="settings are written --section.key value")
        if section not in sections:
            raise unknown("section", section, sections)
        if not equals and not waiting:
            raise UserError(f"'{name}' has no value", hint=f"write {name} VALUE")
        layer.setdefault(section, {})[key.replace("-", "_")] = value_of(text if equals else waiting.pop(0))
    return layer


def value_of(text: str) -> Any:
    """A value as TOML reads it, or the text itself: '4' -> 4, '[1, 2]' -> [1, 2], 'gpt' -> 'gpt', 'none' -> 'none'."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def merge(*layers: Layer) -> Layer:
    """One layer from several; for each key the last layer that has it wins."""
    merged: Layer = {}
    for layer in layers:
        for section, keys in layer.items():
            merged[section] = {**merged.get(section, {}), **keys}
    return merged


def build(model: type[T], values: Mapping[str, Any], section: str) -> T:
    """Check `values` against a pydantic model. The text "none" is None where the setting may be None (TOML has no word for it).

    Errors: one `UserError` line about the first mistake, with its mend.
    """
    optional = {name for name, field in model.model_fields.items() if type(None) in get_args(field.annotation)}
    try:
        return model.model_validate(
            {key: None if key in optional and value == "none" else value for key, value in values.items()}
        )
    except ValidationError as error:
        raise _first_mistake(error, model, section) from None


def _first_mistake(error: ValidationError, model: type[BaseModel], section: str) -> UserError:
    mistake = error.errors()[0]
    place = ".".join([section, *map(str, mistake["loc"])])
    match mistake["type"]:
        case "extra_forbidden":
            keys = [f"{section}.{key}" for key in model.model_fields]
            return unknown("setting", place, keys, ALL_SETTINGS)
        case "missing":
            return UserError(f"the setting '{place}' is missing", hint=f"add --{place} VALUE")
        case "value_error":
            return UserError(f"{place}: {mistake['msg'].removeprefix('Value error, ')}")
        case _:
            return UserError(f"{place} = {mistake['input']!r} is not allowed: {mistake['msg'].lower()}")


def to_toml(layer: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of a settings file, which `read_toml` reads back equal, but for None: that stands as "none" (see `build`)."""
    lines: list[str] = []
    for section, keys in layer.items():
        lines += [
            "",
            f"[{section}]",
            *(f"{key} = {_toml_value(value)}" for key, value in keys.items()),
        ]
    return "\n".join(lines).lstrip("\n") + "\n"


def _toml_value(value: Any) -> str:
    match value:
        case None:
            return '"none"'
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case list() | tuple():
            return "[" + ", ".join(map(_toml_value, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{key} = {_toml_value(inner)}" for key, inner in value.items()) + "}"
        case _:
            escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
            return '"' + "".join(_escape_control(letter) for letter in escaped) + '"'


def _escape_control(letter: str) -> str:
    return f"\\u{ord(letter):04x}" if ord(letter) < 32 or ord(letter) == 127 else letter
