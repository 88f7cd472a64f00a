"""A user's own questions, read from a .jsonl file or a .json list: how each is put to a model, and what is right.

How it is put is one of three fields:

    "question"  a person's question; "context", if there is one, stands before it
    "prompt"    a text to go on from, as it is
    "messages"  a conversation, for models with a chat template
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hornbook.errors import UserError
from hornbook.text.entries import Entry, read_entries

FORMS = ("question", "prompt")


@dataclass(frozen=True, slots=True)
class Prompt:
    """How a question is put: `said` to an assistant, or `written` for a model that goes on with a text.

    `gap` stands between what is written and the answer. With `messages`, which are said as they are, nothing is
    written. `place` names the entry: "'a.jsonl' line 3".
    """

    place: str
    said: str
    written: str | None = None
    gap: str = ""
    messages: tuple[Mapping[str, str], ...] = ()

    @property
    def is_line(self) -> bool:
        """Whether the answer is the rest of a line."""
        return self.gap == " "


@dataclass(frozen=True, slots=True)
class ChoiceQuestion:
    """A question with its choices, two or more, and which of them is right."""

    prompt: Prompt
    choices: tuple[str, ...]
    right: int


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A question with its right answers, one or more."""

    prompt: Prompt
    answers: tuple[str, ...]


class Asked(Protocol):
    """Any of the two."""

    @property
    def prompt(self) -> Prompt:
        """How it is put."""


def question_prompt(place: str, question: str, context: str = "") -> Prompt:
    """A person's question: written as the village's stories ask theirs, 'CONTEXT, Question: ...', 'Answer:'."""
    before = f"{context}\n\n" if context else ""
    return Prompt(place, f"{before}{question}", f"{before}Question: {question}\nAnswer:", " ")


def read_choice_questions(path: Path) -> list[ChoiceQuestion]:
    """The entries `{"question" or "prompt", "choices": [...], "answer": text or number from 0}`, in order.

    Errors: `UserError` with file and line for a field that is missing, empty or of another type, fewer than two
    choices, the same one twice, an answer that is not among them; and for a file without entries.
    """
    return [_choice_question(entry) for entry in read_entries(path)]


def read_open_questions(path: Path) -> list[OpenQuestion]:
    """The entries `{"question" or "prompt", "answer": text}` or `{..., "answers": [text, ...]}`, in order.

    Errors: `UserError` with file and line for a field that is missing, empty or of another type; and for a file without
    entries.
    """
    return [OpenQuestion(_prompt(entry), _answers(entry)) for entry in read_entries(path)]


def repeated(questions: Sequence[Asked]) -> list[str]:
    """What to say of questions that stand more than once: ["2 questions stand more than once: 'a.jsonl' line 9 ..."]."""
    first: dict[object, str] = {}
    again: list[str] = []
    for prompt in (question.prompt for question in questions):
        before = first.setdefault((prompt.said, *(message["content"] for message in prompt.messages)), prompt.place)
        if before != prompt.place:
            again.append(f"{prompt.place} repeats {before}")
    more = f" and {len(again) - 3} more" if len(again) > 3 else ""
    return [f"questions that stand more than once: {len(again)} ({'; '.join(again[:3])}{more})"] if again else []


def _prompt(entry: Entry) -> Prompt:
    form = next((form for form in FORMS if form in entry.fields), None)
    if form is None:
        hint = "a question is put by one of: " + ", ".join(FORMS)
        raise UserError(f"{entry.place} has no field 'question'", choices=entry.fields, hint=hint)
    text = entry.filled(form)
    if form == "prompt":
        return Prompt(entry.place, text, text)
    return question_prompt(entry.place, text, entry.text("context", ""))


def _answers(entry: Entry) -> tuple[str, ...]:
    if "answers" not in entry.fields:
        return (entry.filled("answer"),)
    return _texts(entry, "answers", 1)


def _choice_question(entry: Entry) -> ChoiceQuestion:
    choices = _texts(entry, "choices", 2)
    if twice := next((choice for choice in choices if choices.count(choice) > 1), None):
        raise UserError(f"{entry.place}: the choice '{twice}' stands twice")
    return ChoiceQuestion(_prompt(entry), choices, _right(entry, choices))


def _right(entry: Entry, choices: Sequence[str]) -> int:
    answer: Any = entry.value("answer")
    if isinstance(answer, str) and answer in choices:
        return choices.index(answer)
    if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(choices):
        return answer
    hint = f"an answer is the text of a choice, or its number: 0 to {len(choices) - 1}"
    raise UserError(f"{entry.place}: the answer {answer!r:.60} is not among the choices", choices=choices, hint=hint)


def _texts(entry: Entry, name: str, least: int) -> tuple[str, ...]:
    """A list of at least so many texts, none of them blank."""
    values: Any = entry.value(name)
    if not isinstance(values, list):
        raise UserError(f"{entry.place}: the field '{name}' is not a list but {values!r:.60}")
    if len(values) < least:
        raise UserError(f"{entry.place}: the field '{name}' has {len(values)} entries, but {least} are the least")
    return tuple(Entry(f"{entry.place} ({name})", {str(n): value}).filled(str(n)) for n, value in enumerate(values, 1))
