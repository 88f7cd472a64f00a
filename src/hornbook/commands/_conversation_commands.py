"""What a line that begins with / does in a conversation."""

from collections.abc import Callable
from pathlib import Path

from hornbook.commands._conversation import Conversation
from hornbook.config import build
from hornbook.errors import UserError, unknown
from hornbook.generation.sampling import Sampling

HELP = """\
/system TEXT     begin anew with this text of the system (without TEXT: say it)
/reset           forget what was said, keep the system's text
/retry           another answer to the last message
/temperature X   0 always takes the likeliest token, 1 draws as trained
/save FILE       write the conversation to a JSON file
/load FILE       go on with a saved one
/help            this list
/quit            end, as Ctrl-D does
A line that ends in \\ goes on in the next one; \"\"\" begins and ends a message of
several lines. Ctrl-C stops an answer and keeps what came of it."""


class Quit(Exception):
    """The person wants to leave."""


def obey(line: str, conversation: Conversation, talk: Callable[[str], None]) -> str | None:
    """Do what the line says -> a message to answer again, or None. Errors: `UserError`, for which nothing changed; `Quit`."""
    name, _, rest = line.partition(" ")
    rest = rest.strip()
    if name == "/retry":
        if conversation.sampling.greedy:
            talk("(at temperature 0 the same answer comes again)")
        return conversation.take_back()
    actions: dict[str, Callable[[], str]] = {
        "/help": lambda: HELP,
        "/load": lambda: _load(conversation, rest),
        "/quit": _quit,
        "/reset": lambda: _reset(conversation),
        "/save": lambda: _save(conversation, rest),
        "/system": lambda: _system(conversation, rest),
        "/temperature": lambda: _temperature(conversation, rest),
    }
    if name not in actions:
        raise unknown("command", name, [*actions, "/retry"])
    talk(actions[name]())
    return None


def _quit() -> str:
    raise Quit


def _system(conversation: Conversation, text: str) -> str:
    if not text:
        return f"system: {conversation.system}" if conversation.system else "there is no text of the system"
    conversation.tell(text)
    return "a new conversation, with this text of the system"


def _reset(conversation: Conversation) -> str:
    conversation.tell(conversation.system)
    return "forgotten; the system's text stays" if conversation.system else "forgotten"


def _temperature(conversation: Conversation, text: str) -> str:
    if text:
        settings = conversation.sampling.model_dump() | {"temperature": text}
        conversation.sampling = build(Sampling, settings, "/temperature")
    return f"temperature {conversation.sampling.temperature:g}"


def _save(conversation: Conversation, file: str) -> str:
    path = _path(file, "/save")
    conversation.save(path)
    return f"saved to '{path}'"


def _load(conversation: Conversation, file: str) -> str:
    path = _path(file, "/load")
    conversation.load(path)
    return f"loaded '{path}': {_count(len(conversation.messages))}"


def _path(file: str, command: str) -> Path:
    if not file:
        raise UserError(f"{command} needs a file", hint=f"{command} talk.json")
    return Path(file).expanduser()


def _count(number: int) -> str:
    return "1 message" if number == 1 else f"{number} messages"
