"""How a question becomes tokens for a model, with or without a chat template, and what the model answers.

A model that has a chat template is asked as `hornbook chat` asks it: the question is the user's message. Any other goes
on from what is written: "Question: ..." and "Answer:".
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from hornbook.chat_template import ChatTemplate, Message
from hornbook.errors import UserError
from hornbook.evaluation._questions import Prompt
from hornbook.generation.conversation import SHARE_OF_ANSWER, no_template, require_known
from hornbook.generation.generate import LanguageModel
from hornbook.generation.lockstep import Picker, generate_batch
from hornbook.generation.sampling import Sampling
from hornbook.generation.text_stream import StopStrings, TextStream

STOPS = ("\n", "Question:")  # a word tokenizer knows no line ends: there the next question ends the answer


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered; `ended`: by itself, not by the limit; `cut`: the question's beginning was not read."""

    text: str
    ended: bool
    cut: bool = False


def can_chat(language_model: LanguageModel) -> bool:
    """Whether the model has a chat template, so that questions are put to it as messages."""
    return language_model.conventions.template is not None


def replies(language_model: LanguageModel, prompts: Sequence[Prompt], max_new_tokens: int) -> list[Reply]:
    """What the model answers to each, greedily; a written question's answer is the rest of the line.

    An answer has `max_new_tokens`, or a quarter of the context where that is less; a prompt that leaves it less room is
    cut from the left. Errors: `UserError` with the place of a prompt that the model can't read.
    """
    limit = language_model.config.context_length
    room = max(1, limit - max(1, min(max_new_tokens, limit // SHARE_OF_ANSWER)))
    asked = [prompt_ids(language_model, prompt, room) for prompt in prompts]
    stops = [STOPS if prompt.is_line and not can_chat(language_model) else () for prompt in prompts]
    texts = greedy_texts(language_model, [ids for ids, _ in asked], stops, max_new_tokens)
    return [Reply(text.strip(), ended, cut) for (text, ended), (_, cut) in zip(texts, asked, strict=True)]


def prompt_ids(language_model: LanguageModel, prompt: Prompt, room: int) -> tuple[list[int], bool]:
    """The tokens after which the answer comes, `room` at most, and whether the beginning was cut for that.

    Errors: `UserError` with the place of what the model can't read, or of messages where it has no chat template.
    """
    try:
        template = language_model.conventions.template
        if template is not None:
            messages = prompt.messages or ({"role": "user", "content": prompt.said},)
            return _chat_ids(language_model, template, messages, room)
        if prompt.written is None:
            raise no_template()
        return cut_left(language_model, language_model.prompt_ids(prompt.written), room)
    except UserError as error:
        raise UserError(f"{prompt.place}: {error}") from None


def cut_left(language_model: LanguageModel, ids: Sequence[int], room: int) -> tuple[list[int], bool]:
    """At most `room` tokens: the last ones, behind what this model has before every text; and whether some are gone."""
    before = language_model.conventions.before if len(language_model.conventions.before) < room else ()
    if len(ids) <= room:
        return list(ids), False
    return [*before, *ids[len(ids) - room + len(before) :]], True


def _chat_ids(
    language_model: LanguageModel, template: ChatTemplate, messages: Sequence[Message], room: int
) -> tuple[list[int], bool]:
    """The prompt of a conversation; where it is too long, the last message loses its beginning, not the template."""
    tokenizer, *before, last = language_model.tokenizer, *messages
    for message in messages:
        require_known("the question", message["content"], tokenizer)
    ids = template.prompt_ids(messages, tokenizer)
    if tokenizer.count_unknown(ids):
        raise UserError("the chat template writes what this model can't read", hint="choose another with --template")
    content, cut = tokenizer.encode(last["content"]), False
    while (excess := len(ids) - room) > 0:
        if excess >= len(content):
            raise UserError(f"{len(ids)} tokens don't fit into {room}, even without the last message's text")
        content, cut = content[excess:], True
        shorter = tokenizer.decode(content).lstrip("\ufffd")  # a character may have been cut in two
        ids = template.prompt_ids([*before, {**last, "content": shorter}], tokenizer)
    return ids, cut


def greedy_texts(
    language_model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    stops: Sequence[Sequence[str]],
    max_new_tokens: int,
) -> list[tuple[str, bool]]:
    """The likeliest text after each prompt (tokens), before the first of its stop strings, and whether it ended so.

    It may also end with one of the model's ends; `max_new_tokens` and the context's end only cut it off.
    """
    tokenizer, limit = language_model.tokenizer, language_model.config.context_length
    streams = [TextStream(tokenizer, prompt) for prompt in prompts]
    stoppers = [StopStrings(stop) for stop in stops]
    texts, ended = ["" for _ in prompts], [False for _ in prompts]
    draw = Picker(Sampling(temperature=0), 0, language_model.conventions.ends, tokenizer.vocab_size)

    def pick(number: int, place: int, logits: Tensor, row: Sequence[int]) -> int | None:
        if len(row) >= limit:
            return None
        token = None if stoppers[number].stopped else draw(number, place, logits, row)
        ended[number] = token is None
        return None if place == max_new_tokens else token

    # one more is drawn than wanted: an answer of just that many tokens may end there
    for number, token in generate_batch(language_model.model, prompts, pick, max_new_tokens=max_new_tokens + 1):
        texts[number] += stoppers[number].push(streams[number].push(token))
    for number, (stream, stopper) in enumerate(zip(streams, stoppers, strict=True)):
        texts[number] += stopper.push(stream.finish()) + stopper.finish()
        ended[number] = ended[number] or stopper.stopped
    return list(zip(texts, ended, strict=True))
