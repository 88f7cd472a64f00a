"""The turns of a conversation: a message, its answer as it comes, and what there is to say about it."""

from collections.abc import Iterable

from hornbook.commands._conversation import Conversation
from hornbook.commands._conversation_commands import Quit, obey
from hornbook.commands.base import talk
from hornbook.errors import UserError


def converse(conversation: Conversation, messages: Iterable[str], *, shown: bool, patient: bool) -> None:
    """Answer each message until they end or one says /quit; `shown` prints the answers to stdout.

    What can't be answered or done is said on stderr, and a patient conversation goes on. Errors: `UserError`, for an
    impatient one.
    """
    for message in messages:
        try:
            again = obey(message.strip(), conversation, talk) if message.startswith("/") else message
            if again is not None:
                answer(conversation, again, shown=shown)
        except UserError as error:
            if not patient:
                raise
            talk(f"error: {error}")
        except Quit:
            return


def answer(conversation: Conversation, message: str, *, shown: bool) -> None:
    """One turn. Ctrl-C ends the answer where it is. Errors: `UserError` where the message can't be answered."""
    writing = conversation.ask(message)
    already = conversation.left_out
    left_out = writing.left_out or 0
    if left_out > already:
        talk(f"(the context is full: the oldest {left_out} messages are left out, the system's text stays)")
    stopped = False
    try:
        for piece in writing:
            if shown:
                print(piece, end="", flush=True)
    except KeyboardInterrupt:
        stopped = True
    if shown:
        print()
    conversation.keep(message, writing, stopped)
    if stopped:
        talk("(stopped)")
    elif writing.stopped_by == "length":
        talk(f"(cut: the answer reached {len(writing.tokens)} tokens)")
