"""The parts of an import that changes the model on its way: more special tokens, another context."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.commands._import_compare import compare_with_outsider
from hornbook.commands._import_effect import Effect, Texts, measure
from hornbook.commands.base import talk
from hornbook.errors import UserError
from hornbook.models.base import Model
from hornbook.tokenizers.base import Tokenizer
from hornbook.weights.changed import write_changed
from hornbook.weights.growing import add_tokens, change_context
from hornbook.weights.imported import found_in
from hornbook.weights.model_folder import CONFIG, load_model_folder, read_object
from hornbook.weights.own import PREFIX


@dataclass(frozen=True)
class Changes:
    """What is to become of a model; `data` is what the effect of another context is measured on."""

    add_tokens: tuple[str, ...] = ()
    context_length: int | None = None
    rope_scaling: str | None = None
    data: Path | None = None

    @property
    def any(self) -> bool:
        """Whether anything is asked. Errors: `UserError` for a setting that belongs to another one which is absent."""
        for name, value in (("rope-scaling", self.rope_scaling), ("data", self.data)):
            if value is not None and self.context_length is None:
                raise UserError(f"--{name} belongs to another context", hint="add --context-length N")
        return bool(self.add_tokens) or self.context_length is not None


@dataclass(frozen=True)
class Changed:
    """What came out: facts of the new model, what was changed, what another context did, and what was compared."""

    facts: dict[str, Any]
    changes: dict[str, Any]
    effect: Effect | None
    parity: dict[str, Any] | None

    def lines(self) -> list[str]:
        """What was changed, for people."""
        hidden = ("effect", "context_length_before")
        shown = [
            f"{name.replace('_', ' ')}: {_words(fact)}" for name, fact in self.changes.items() if name not in hidden
        ]
        return shown + (self.effect.lines() if self.effect else [])


def split_names(text: str | None) -> tuple[str, ...]:
    """Names from a flag: "<|a|>,<|b|>" -> both. Errors: `UserError` where one of them is empty."""
    names = tuple(text.split(",")) if text is not None else ()
    if any(not name.strip() for name in names):
        raise UserError(f"--add-tokens '{text}' has an empty name", hint="names with a comma between, as '<|a|>,<|b|>'")
    return names


def import_changed(folder: Path, out: Path, changes: Changes, origin: dict[str, Any], compare: bool) -> Changed:
    """Write the changed model of `folder` at `out`; what comes out is compared with what transformers makes of it.

    Errors: `UserError` for what can't be changed so; `Failed` where transformers disagrees.
    """
    model, tokenizer, known = load_model_folder(folder, dtype=None)
    texts = Texts.read(changes.data, tokenizer, model, changes.context_length) if changes.data else None
    changed, new_tokenizer, made = apply(changes, model, tokenizer)
    effect = measure(texts, model, changed) if texts else None
    made |= {"effect": effect.facts()} if effect else {}
    facts = found_in(folder, changed, new_tokenizer).facts()
    about = known | ({} if known else {"imported": origin | facts}) | {"changed": {"from": origin["source"], **made}}

    def judge(beside: Path) -> dict[str, Any]:
        parity = compare_with_outsider(beside, talk) if compare and _has_outsider(beside) else None
        return about | ({"parity": parity} if parity else {})

    info = write_changed(folder, out, changed, new_tokenizer, judge)
    return Changed(facts, made, effect, info.get("parity"))


def apply(changes: Changes, model: Model, tokenizer: Tokenizer) -> tuple[Model, Tokenizer, dict[str, Any]]:
    """The changed model and tokenizer, and what was changed."""
    facts: dict[str, Any] = {}
    before = tokenizer.special_tokens
    if changes.add_tokens:
        model, tokenizer = add_tokens(model, tokenizer, changes.add_tokens)
        facts["tokens_added"] = {
            name: tokenizer.special_tokens[name] for name in tokenizer.special_tokens if name not in before
        }
        facts["tokens_found"] = {name: before[name] for name in changes.add_tokens if name in before}
    if changes.context_length is not None:
        old = model.config.context_length
        model, how = change_context(model, changes.context_length, changes.rope_scaling)
        facts |= {"context_length": changes.context_length, "context_length_before": old, "positions": how}
    return model, tokenizer, {name: fact for name, fact in facts.items() if fact != {}}


def _has_outsider(folder: Path) -> bool:
    return not str(read_object(folder / CONFIG)["model_type"]).startswith(PREFIX)


def _words(fact: Any) -> str:
    """{"<|a|>": 300} -> '<|a|> (300)'."""
    if isinstance(fact, dict):
        return ", ".join(f"{name} ({number})" for name, number in fact.items())
    return f"{fact:,}" if isinstance(fact, int) else str(fact)
