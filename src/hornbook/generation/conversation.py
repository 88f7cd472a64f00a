"""A conversation as a prompt that fits: where the context is full, the oldest turns are left out, the system's text never."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hornbook.chat_template import NAMES, ChatTemplate, Message, checked, end_token, named_template
from hornbook.conventions import plain
from hornbook.errors import UserError
from hornbook.tokenizers.base import Tokenizer

SHARE_OF_ANSWER = 4  # of the context, one part in so many is kept free for the answer
SHOWN_UNKNOWN = 5  # of a text's unknown characters or words, in the message


@dataclass(frozen=True, slots=True)
class Asked:
    """The tokens to answer, the ids that end the answer, how long it may be, and how many messages had no room."""

    prompt_ids: list[int]
    ends: frozenset[int]
    max_new_tokens: int
    left_out: int


def written_for(
    messages: Sequence[Message],
    template: ChatTemplate | None,
    tokenizer: Tokenizer,
    context_length: int,
    max_new_tokens: int,
) -> Asked:
    """The prompt for an answer to the last of `messages`, with room for it in the context.

    A turn is a user's message and what follows it up to the next. Room is `max_new_tokens`, or a quarter of the context
    where that is less; the last turn alone may take more of it.
    Errors: `UserError` where there is no template, the last message is no user's, or it doesn't fit alone.
    """
    if template is None:
        raise no_template()
    messages = checked(messages)
    if messages[-1]["role"] != "user":
        raise UserError(f"the last message is the {messages[-1]['role']}'s, not the user's: there is nothing to answer")
    for number, message in enumerate(messages, 1):
        require_known(f"message {number}", message["content"], tokenizer)
    room = context_length - max(1, min(max_new_tokens, context_length // SHARE_OF_ANSWER))
    kept = list(messages)
    prompt_ids = template.prompt_ids(kept, tokenizer)
    while len(prompt_ids) > room and (shorter := without_oldest_turn(kept)) is not None:
        kept = shorter
        prompt_ids = template.prompt_ids(kept, tokenizer)
    if len(prompt_ids) >= context_length:
        hint = "shorten it, or the system's text"
        raise UserError(f"the message makes {len(prompt_ids)} tokens, the context holds {context_length}", hint=hint)
    if tokenizer.count_unknown(prompt_ids):
        raise UserError("the chat template writes what this model can't read", hint="choose another with --template")
    ends = template.end_ids(tokenizer) | plain(tokenizer).ends
    new = min(max_new_tokens, context_length - len(prompt_ids))
    return Asked(prompt_ids, ends, new, len(messages) - len(kept))


def without_oldest_turn(messages: Sequence[Message]) -> list[Message] | None:
    """The messages without the oldest turn behind the system's text; None where the last turn is all there is."""
    first = next((place for place, message in enumerate(messages) if message["role"] != "system"), len(messages))
    users = [place for place, message in enumerate(messages) if message["role"] == "user" and place > first]
    return [*messages[:first], *messages[users[0] :]] if users else None


def template_for(name: str, tokenizer: Tokenizer, before: Sequence[int] = ()) -> ChatTemplate:
    """A template of ours by its name, or the one in a file, with the tokens that this model's texts begin and end with.

    Errors: `UserError` where it is neither, or the file holds no template.
    """
    names = {token: name for name, token in tokenizer.special_tokens.items()}
    begin, end = "".join(names[token] for token in before), end_token(tokenizer)
    if name not in NAMES and Path(name).is_file():
        template = ChatTemplate(read_template(Path(name)), begin, end)
        template.check()
        return template
    return named_template(name, begin, end)


def read_template(path: Path) -> str:
    """The text of a template's file. Errors: `UserError` where it is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"the chat template '{path}' is not UTF-8 text") from None


def no_template(model: str = "this model") -> UserError:
    """The error of a model that was never taught how a conversation is written."""
    named = "|".join(NAMES)
    hint = f"choose the one that it was trained with (--template {named}), or let it write on with: hornbook generate"
    return UserError(f"{model} has no chat template", hint=hint)


def require_known(what: str, text: str, tokenizer: Tokenizer) -> None:
    """Raise `UserError` where `text` has characters or words that the tokenizer doesn't know."""
    unknown = tokenizer.unknown_parts(text)
    if unknown:
        shown = ", ".join(f"'{part}'" for part in list(unknown)[:SHOWN_UNKNOWN])
        more = f" and {len(unknown) - SHOWN_UNKNOWN} more" if len(unknown) > SHOWN_UNKNOWN else ""
        hint = f"the {tokenizer.kind} vocabulary holds what the training text has; write it otherwise"
        raise UserError(f"{what} has what this model can't read: {shown}{more}", hint=hint)
