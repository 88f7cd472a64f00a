"""Conversations: what a person and an assistant say in turn, read from the three formats in which such data comes.

    alpaca    {"instruction": "...", "input": "..." (may be absent), "output": "..."}
    messages  {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}
    sharegpt  {"conversations": [{"from": "human", "value": "..."}, {"from": "gpt", "value": "..."}]}

The first entry says which one a file is in; an entry in another is an error.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.chat_template import Message
from hornbook.errors import UserError
from hornbook.text.entries import Entry, entries_of_one_format

ROLES = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
}
NOT_READ = {  # fields that other programs give a meaning which would be lost here
    "entry": ("history", "tools", "functions"),
    "message": ("tool_calls", "function_call", "weight"),
}


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages in order, the last one an answer; `place` names its entry: "'a.jsonl' line 3".

    `unanswered` is how many messages stood behind the last answer: nothing can be learned from them, so they are gone.
    """

    messages: tuple[Message, ...]
    place: str
    unanswered: int = 0

    @property
    def prompt(self) -> tuple[Message, ...]:
        """What comes before the last answer."""
        return self.messages[:-1]

    @property
    def prompt_text(self) -> str:
        """The prompt as one text, to find those that are asked twice; blanks are all the same, however many."""
        return "\n".join(" ".join(f"{each['role']} {each['content']}".split()) for each in self.prompt)

    @property
    def answer(self) -> str:
        """The last answer."""
        return self.messages[-1]["content"]


def read_conversations(path: Path, input_heading: str = "\n\n") -> list[Conversation]:
    """The conversations of a .json list or a .jsonl file, in order; `input_heading` parts an instruction from its input.

    Errors: `UserError` with file and line for what is in no format or in another than the first, a missing, empty or
    broken field, an unknown role, an order in which nobody talks, a conversation without an answer.
    """
    found: list[Conversation] = []
    for form, entry in entries_of_one_format(path, format_of):
        _refuse(entry, "entry")
        found.append(finished(FORMATS[form](entry, input_heading), entry.place))
    return found


def format_of(entry: Entry) -> str:
    """The format of an entry: "alpaca", "messages" or "sharegpt". Errors: `UserError` for one that is in none."""
    for name, field in FIELDS.items():
        if field in entry.fields:
            return name
    raise UserError(
        f"{entry.place} is in no format of conversations: its fields are {', '.join(map(repr, entry.fields)) or 'none'}",
        choices=[f"'{field}' of {name}" for name, field in FIELDS.items()],
    )


def _alpaca(entry: Entry, input_heading: str) -> list[Message]:
    """One question and its answer; a `system` of its own, which some files have, comes before."""
    about = entry.text("input", "")
    question = entry.filled("instruction") + (f"{input_heading}{about}" if about.strip() else "")
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": entry.filled("output")}]
    return [*_system(entry), *turns]


def _messages(entry: Entry, _: str) -> list[Message]:
    return turns_of(entry, "messages", "role", "content")


def _sharegpt(entry: Entry, _: str) -> list[Message]:
    turns = entry.fields.get("conversations")
    openai = isinstance(turns, list) and bool(turns) and isinstance(turns[0], dict) and "role" in turns[0]
    names = ("role", "content") if openai else ("from", "value")
    return [*_system(entry), *turns_of(entry, "conversations", *names)]


FORMATS: dict[str, Callable[[Entry, str], list[Message]]] = {
    "alpaca": _alpaca,
    "messages": _messages,
    "sharegpt": _sharegpt,
}
FIELDS = {"alpaca": "instruction", "messages": "messages", "sharegpt": "conversations"}


def _system(entry: Entry) -> list[Message]:
    text = entry.text("system", "")
    return [{"role": "system", "content": text}] if text.strip() else []


def turns_of(entry: Entry, field: str, role_field: str = "role", text_field: str = "content") -> list[Message]:
    """The messages of a field. Errors: `UserError` with the place of what is none, or of an unknown role."""
    turns: Any = entry.value(field)
    if not isinstance(turns, list) or not turns:
        raise UserError(f"{entry.place}: '{field}' is not a list of messages but {turns!r:.60}")
    return [
        _turn(turn, f"{entry.place} message {number}", role_field, text_field) for number, turn in enumerate(turns, 1)
    ]


def _turn(turn: Any, place: str, role_field: str, text_field: str) -> Message:
    if not isinstance(turn, dict):
        raise UserError(f"{place} is not a JSON object but {turn!r:.60}")
    message = Entry(place, turn)
    _refuse(message, "message")
    role = message.filled(role_field)
    if role not in ROLES:
        raise UserError(f"{place}: unknown role '{role}'", choices=ROLES)
    return {"role": ROLES[role], "content": message.filled(text_field)}


def _refuse(entry: Entry, kind: str) -> None:
    """Errors: `UserError` for a field that means something and isn't read here; null and empty ones mean nothing."""
    for name in NOT_READ[kind]:
        if entry.fields.get(name) not in (None, [], {}, "", 1):
            raise UserError(f"{entry.place} has the field '{name}', which is not understood here")


def finished(messages: Sequence[Message], place: str) -> Conversation:
    """The conversation up to its last answer. Errors: `UserError` where its order makes no sense."""
    roles = [message["role"] for message in messages]
    if "assistant" not in roles:
        raise UserError(f"{place} has no answer of the assistant, so nothing to learn")
    end = len(roles) - roles[::-1].index("assistant")
    for number, role in enumerate(roles[:end], 1):
        before = roles[number - 2] if number > 1 else None
        if role == "system" and number > 1:
            raise UserError(f"{place} message {number}: 'system' stands only at the beginning")
        if role == "assistant" and before in (None, "system"):
            raise UserError(f"{place} message {number}: an answer before any question")
        if role == "assistant" and before == "assistant":
            raise UserError(f"{place} message {number}: two answers in a row", hint="join them into one")
    return Conversation(tuple(messages[:end]), place, len(messages) - end)
