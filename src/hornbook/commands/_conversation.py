"""A conversation that goes on: what was said, how answers are drawn, and its form on disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hornbook.chat_template import Message, checked
from hornbook.device import WeightPrecision
from hornbook.errors import UserError
from hornbook.files import read_json, write_json
from hornbook.generation.conversation import no_template
from hornbook.generation.generate import Continuation, LanguageModel
from hornbook.generation.held import Held
from hornbook.generation.sampling import Sampling

FORMAT = "hornbook conversation"


class Conversation:
    """The messages so far, the model that answers, and how. The same seed and messages give the same answers."""

    def __init__(
        self,
        language_model: LanguageModel,
        name: str,
        sampling: Sampling,
        max_new_tokens: int,
        seed: int,
        stop: Sequence[str],
    ) -> None:
        self.language_model = language_model
        self.name = name
        self.sampling = sampling
        self.max_new_tokens = max_new_tokens
        self.seed = seed
        self.stop = list(stop)
        self.messages: list[Message] = []
        self.left_out = 0
        self.stopped_by: str | None = None
        self._draws = 0
        self._held = Held()  # what was read for the last turn

    @property
    def system(self) -> str:
        """The system's text; '' where there is none."""
        return self.messages[0]["content"] if self.messages and self.messages[0]["role"] == "system" else ""

    def tell(self, system: str) -> None:
        """Begin anew with this text of the system; none where it is ''."""
        self.messages = [{"role": "system", "content": system}] if system else []
        self.left_out = 0

    def ask(self, text: str) -> Continuation:
        """The answer to one more message, piece by piece. The message counts once `keep` was called.

        Errors: `UserError` where the message can't be read or doesn't fit; the conversation is then as before.
        """
        question: Message = {"role": "user", "content": text}
        self._draws += 1
        return self.language_model.stream_chat(
            [*self.messages, question],
            max_new_tokens=self.max_new_tokens,
            seed=self.seed + self._draws - 1,
            stop=self.stop,
            held=self._held,
            **self.sampling.model_dump(),
        )

    def keep(self, text: str, answer: Continuation, stopped: bool) -> None:
        """Put a message and its answer, as far as it came, into the conversation; one without an answer never was."""
        self.left_out, self.stopped_by = answer.left_out or 0, "you" if stopped else answer.stopped_by
        if answer.text or not stopped:
            self.messages += [{"role": "user", "content": text}, {"role": "assistant", "content": answer.text}]

    def take_back(self) -> str:
        """Forget the last turn and hand back its message. Errors: `UserError` where there is none."""
        if not self.messages or self.messages[-1]["role"] != "assistant":
            raise UserError("there is no answer to try again")
        *self.messages, question, _ = self.messages
        return question["content"]

    def as_json(self) -> dict[str, Any]:
        """What was said and how, as JSON values."""
        settings = {"max_new_tokens": self.max_new_tokens, **self.sampling.model_dump(), "stop": self.stop}
        return {
            "format": FORMAT,
            "model": self.name,
            "messages": [dict(message) for message in self.messages],
            "seed": self.seed,
            "settings": settings,
            "left_out": self.left_out,
            "stopped_by": self.stopped_by,
        }

    def save(self, path: Path) -> None:
        """Write it to a file, whole or not at all. Errors: `UserError` where the disk refuses."""
        write_json(path, self.as_json())

    def load(self, path: Path) -> None:
        """Go on with a saved conversation's messages. Errors: `UserError` where the file holds none."""
        document = read_json(path)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise UserError(f"'{path}' is no saved conversation", hint="/save writes one")
        messages = document.get("messages")
        if not isinstance(messages, list):
            raise UserError(f"'{path}' is damaged: it has no messages")
        try:
            read = checked(messages) if messages else []
        except UserError as error:
            raise UserError(f"'{path}': {error}") from None
        turns = [message["role"] for message in read if message["role"] != "system"]
        if turns != ["user", "assistant"] * (len(turns) // 2) or "system" in [m["role"] for m in read[1:]]:
            raise UserError(f"'{path}': user and assistant don't take turns in it")
        self.messages, self.left_out = read, 0


def open_model(name: str, template: str | None, device: str, precision: WeightPrecision) -> LanguageModel:
    """The model, with the template that was asked for or its own. Errors: `UserError` where it has neither."""
    import hornbook

    model = hornbook.load(name, device, precision)
    if template is not None:
        return model.with_template(template)
    if model.conventions.template is None:
        raise no_template(f"'{name}'")
    model.conventions.template.check()
    return model
