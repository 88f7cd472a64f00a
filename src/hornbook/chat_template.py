"""A conversation as a model reads it: messages -> text and tokens, by a template that is kept in the model's folder.

A message is `{"role": "system" | "user" | "assistant", "content": text}`. The template is a Jinja text as Hugging
Face's programs have it. A special token that the template writes becomes its id; the same signs inside a message are
ordinary text, so that nobody ends a turn, or begins another's, by writing it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hornbook.errors import UserError, unknown
from hornbook.files import read_json, write_atomic, write_json
from hornbook.named_templates import NAMED
from hornbook.template_guard import Guard

if TYPE_CHECKING:
    from jinja2 import Template

Message = Mapping[str, str]

TEMPLATE_FILE, TOKENIZER_CONFIG, ROLES_FILE = "chat_template.jinja", "tokenizer_config.json", "special_tokens_map.json"
ROLES = ("system", "user", "assistant")
END_OF_TEXT = "<|endoftext|>"
TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>")  # what public chat models end an answer with

NAMES = tuple(NAMED)


class Encoder(Protocol):
    """What a template needs of a tokenizer."""

    special_tokens: dict[str, int]

    @property
    def end_of_text(self) -> int | None:
        """The id that ends a text, or None."""

    def split_special(self, text: str, signs: str = "") -> list[str | int]:
        """The text cut at the special tokens written in it, not at names with one of the two signs around or in them."""

    def encode_parts(self, parts: Sequence[str | int]) -> list[list[int]]:
        """The ids of each part of one text; a part that is a number is a special token already."""


@dataclass(frozen=True)
class ChatTemplate:
    """A template's text, and the tokens that it calls `bos_token` and `eos_token`; `now` is its clock, None the real one.

    >>> named_template("chatml").render([{"role": "user", "content": "Hi"}], add_generation_prompt=True)
    '<|im_start|>user\\nHi<|im_end|>\\n<|im_start|>assistant\\n'
    """

    source: str
    bos_token: str = ""
    eos_token: str = END_OF_TEXT
    now: datetime | None = None

    def render(self, messages: Sequence[Message], add_generation_prompt: bool = False) -> str:
        """The conversation's text; with `add_generation_prompt` up to where the next answer begins.

        Errors: `UserError` for a message of another form, and for what the template refuses or is refused.
        """
        return self._render(checked(messages), add_generation_prompt)

    def tokens(self, messages: Sequence[Message], tokenizer: Encoder, add_generation_prompt: bool = False) -> list[int]:
        """The ids of `render`'s text, where only the template writes special tokens. Errors: as `render`.

        Each answer begins with a token of its own, so that a conversation's ids begin with those of every prompt that
        led to it.
        """
        return self._laid_out(checked(messages), tokenizer, add_generation_prompt).ids

    def prompt_ids(self, messages: Sequence[Message], tokenizer: Encoder) -> list[int]:
        """The ids that an answer to the last message is generated from. Errors: as `render`."""
        return self.tokens(messages, tokenizer, add_generation_prompt=True)

    def marked(self, messages: Sequence[Message], tokenizer: Encoder) -> tuple[list[int], list[bool]]:
        """The ids of a whole conversation, and for each whether it is learned: every answer, and the token that ends it.

        Errors: `UserError` where there is no answer, the template writes no end after one, or an answer doesn't stand
        where the prompt for it ends; and as `render`.
        """
        laid_out = self._laid_out(messages := checked(messages), tokenizer, False)
        answers = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
        if not answers:
            raise UserError("the conversation has no message of the role 'assistant', so there is nothing to learn")
        trained = [False] * len(laid_out.ids)
        starts = [laid_out.starts[place] for place in answers]
        for place, start, bound in zip(answers, starts, [*starts[1:], None], strict=True):
            if start is None:
                raise UserError(
                    f"message {place + 1} doesn't stand where the prompt for it ends",
                    hint="the template must write add_generation_prompt as it begins the assistant's messages",
                )
            end = laid_out.end_after(start, bound, self.end_ids(tokenizer))
            if end is None:
                ends = [name for name in self._ends() if name in tokenizer.special_tokens]
                raise UserError(
                    f"a template without an end: after message {place + 1} it writes no special token that ends a text",
                    choices=ends,
                    hint="write {{ eos_token }} after the assistant's content"
                    if ends
                    else f"the tokenizer has no special token '{self.eos_token}'",
                )
            trained[start : end + 1] = [True] * (end + 1 - start)
        return laid_out.ids, trained

    def end_ids(self, tokenizer: Encoder) -> frozenset[int]:
        """The ids that end an answer."""
        return frozenset(tokenizer.special_tokens[name] for name in self._ends() if name in tokenizer.special_tokens)

    def check(self) -> None:
        """Raise `UserError` where the template is none, or tries what no template may."""
        from hornbook.template_sandbox import explained

        with explained():
            _ = self._compiled

    def _ends(self) -> tuple[str, ...]:
        return (self.eos_token, *TURN_ENDS)

    @cached_property
    def _compiled(self) -> "Template":
        from hornbook.template_sandbox import Sandbox, outside

        written_here = self.source in NAMED.values()
        return (outside() if written_here else Sandbox(self.now)).from_string(self.source)

    def _render(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        from hornbook.template_sandbox import explained, render

        names = {
            "bos_token": self.bos_token,
            "eos_token": self.eos_token,
            "add_generation_prompt": add_generation_prompt,
            "tools": None,
            "documents": None,
        }
        with explained():
            return render(self._compiled, [dict(message) for message in messages], names)

    def _laid_out(self, messages: Sequence[Message], tokenizer: Encoder, add_generation_prompt: bool) -> "LaidOut":
        from hornbook.template_sandbox import looked_for

        guard = Guard(tokenizer.special_tokens, [self.source, *(message["content"] for message in messages)])
        meant = looked_for(self.source)
        guarded = [
            {**message, "content": guard.protect(message["content"], meant if message["role"] == "assistant" else ())}
            for message in messages
        ]
        text = self._render(guarded, add_generation_prompt)
        begins = [self._answer_begins(guarded, place, text) for place in range(len(messages))]
        cuts = sorted({begin for begin in begins if begin is not None})
        stretches = [
            tokenizer.split_special(text[start:end], guard.signs)
            for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)
        ]
        encoded = tokenizer.encode_parts([part for parts in stretches for part in parts])
        ids = [token for part in encoded for token in part]
        number_before, taken, place_of = 0, 0, {}
        for cut, parts in zip(cuts, stretches, strict=False):
            number_before += sum(map(len, encoded[taken : taken + len(parts)]))
            taken += len(parts)
            place_of[cut] = number_before
        return LaidOut(ids, [None if begin is None else place_of[begin] for begin in begins])

    def _answer_begins(self, messages: Sequence[Message], place: int, text: str) -> int | None:
        """Where in `text` the answer `messages[place]` begins: where the prompt for it ends; None where it doesn't."""
        if messages[place]["role"] != "assistant" or place == 0:
            return None
        try:
            prompt = self._render(messages[:place], True)
        except UserError:
            return None
        return len(prompt) if text.startswith(prompt) else None


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A conversation's ids, and for each message where its answer begins among them; None for what is no answer."""

    ids: list[int]
    starts: list[int | None]

    def end_after(self, start: int, bound: int | None, ends: frozenset[int]) -> int | None:
        """The place of the first id from `start` on, before `bound`, that ends a text."""
        stop = len(self.ids) if bound is None else bound
        return next((place for place in range(start, stop) if self.ids[place] in ends), None)


def named_template(name: str, bos_token: str = "", eos_token: str = END_OF_TEXT) -> ChatTemplate:
    """A template written here: `alpaca`, `chatml`, `phi3` or `plain`; answers end with `eos_token`, texts begin with `bos_token`.

    Errors: `UserError` for another name.
    """
    if name not in NAMED:
        raise unknown("chat template", name, NAMES)
    begin = "{{ bos_token }}" if bos_token else ""
    return ChatTemplate(begin + NAMED[name], bos_token, eos_token)


def template_of(folder: Path, tokenizer: Encoder) -> ChatTemplate | None:
    """The template of a model folder, with the tokens that its tokenizer's settings name; None where there is none.

    It stands in chat_template.jinja, or in tokenizer_config.json: one, or several by name, of which 'default' is taken.
    Errors: `UserError` where it is no text.
    """
    source = read_settings(folder / TOKENIZER_CONFIG).get("chat_template")
    if (folder / TEMPLATE_FILE).is_file():
        source = (folder / TEMPLATE_FILE).read_text(encoding="utf-8")
    if isinstance(source, list):
        source = {entry.get("name"): entry.get("template") for entry in source if isinstance(entry, dict)}.get(
            "default"
        )
    if source is None:
        return None
    if not isinstance(source, str):
        raise UserError(f"'{folder / TOKENIZER_CONFIG}': the chat_template is no text")
    roles = roles_of(folder)
    return ChatTemplate(source, roles.get("bos_token") or "", roles.get("eos_token") or end_token(tokenizer))


def roles_of(folder: Path) -> dict[str, Any]:
    """tokenizer_config.json, and what special_tokens_map.json adds; a token written as an object becomes its text."""
    stated = read_settings(folder / TOKENIZER_CONFIG).items()
    roles = read_settings(folder / ROLES_FILE) | {key: value for key, value in stated if value is not None}
    return {
        key: value["content"] if isinstance(value, dict) and "content" in value else value
        for key, value in roles.items()
    }


def write_template(folder: Path, template: ChatTemplate) -> None:
    """Put a template into a folder, with the tokens that it names, so that transformers writes the same text by it."""
    write_atomic(folder / TEMPLATE_FILE, template.source)
    settings = read_settings(folder / TOKENIZER_CONFIG)
    settings = {key: value for key, value in settings.items() if key not in ("chat_template", "bos_token", "eos_token")}
    named = {"bos_token": template.bos_token, "eos_token": template.eos_token}
    write_json(folder / TOKENIZER_CONFIG, settings | {role: name for role, name in named.items() if name})


def end_token(tokenizer: Encoder) -> str:
    """The name of the token that ends a text; '' where the tokenizer has none."""
    return next((name for name, token in tokenizer.special_tokens.items() if token == tokenizer.end_of_text), "")


def read_settings(path: Path) -> dict[str, Any]:
    """A JSON object from a file that need not be there. Errors: `UserError` where it is something else."""
    content = read_json(path) if path.is_file() else {}
    if not isinstance(content, dict):
        raise UserError(f"'{path}' is damaged: it is not a JSON object")
    return content


def checked(messages: Sequence[Message]) -> list[Message]:
    """The messages, each a role and a text. Errors: `UserError` naming the first that is none."""
    if not messages:
        raise UserError("the conversation has no messages")
    for number, message in enumerate(messages, 1):
        if not isinstance(message, Mapping) or set(message) != {"role", "content"}:
            fields = ", ".join(map(str, message)) if isinstance(message, Mapping) else type(message).__name__
            raise UserError(f"message {number} has {fields or 'nothing'}, not the fields role and content alone")
        if message["role"] not in ROLES:
            raise unknown(f"role in message {number}:", str(message["role"]), ROLES)
        if not isinstance(message["content"], str):
            raise UserError(f"message {number}: the content is no text", hint="pictures and tools are not read here")
    return list(messages)
