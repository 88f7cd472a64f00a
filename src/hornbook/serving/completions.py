"""/v1/completions and /v1/chat/completions: request -> orders for the desk -> the answer, whole or as a stream."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from time import time
from typing import Any

from hornbook.errors import UserError
from hornbook.generation.continuous import Request, Written
from hornbook.generation.conversation import written_for
from hornbook.generation.generate import LanguageModel
from hornbook.serving import answers
from hornbook.serving.answers import Json
from hornbook.serving.desk import Desk, Order, Piece
from hornbook.serving.problem import Problem
from hornbook.serving.prompt_logarithms import prompt_logarithms
from hornbook.serving.schema import ChatRequest, CompletionRequest, Drawing

ANSWER_TOKENS = 512  # of a conversation, where nothing is said


@dataclass(frozen=True)
class Job:
    """A request, made ready: what is to be written, and what is said around it."""

    kind: str  # OpenAI's name of the object: text_completion, chat.completion
    orders: list[Order]
    name: str
    logarithms: bool
    token_ids: bool
    before: list[Piece]  # what stands before each text already: the prompt, where it is echoed
    left_out: int = 0

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts."""
        return sum(len(order.request.prompt) for order in self.orders)


async def completion(asked: CompletionRequest, desk: Desk, name: str) -> Job:
    """Make a request for texts ready. Errors: `Problem` for what can't be done."""
    limit = desk.limits.new_tokens if asked.max_tokens is None else asked.max_tokens
    _check_size(desk, len(asked.prompts()) * asked.n, limit)
    if limit == 0 and not asked.echo:
        raise Problem(400, "max_tokens 0 asks for nothing without echo", "max_tokens")
    prompts = [await asyncio.to_thread(_prompt_ids, prompt, desk.language_model) for prompt in asked.prompts()]
    orders = [
        Order(
            _request(ids, asked, desk.language_model.conventions.ends, max(1, limit), asked.logprobs),
            asked.n,
            asked.stops,
            continues=prompt != "",
        )
        for ids, prompt in zip(prompts, asked.prompts(), strict=True)
    ]
    before = await _echo(asked, desk, prompts, limit) if asked.echo else []
    return Job(
        "text_completion", orders if limit else [], name, asked.logprobs is not None, asked.return_token_ids, before
    )


async def chat(asked: ChatRequest, desk: Desk, name: str) -> Job:
    """Make a request for an answer ready. Errors: `Problem` for what can't be done."""
    limit = asked.max_completion_tokens or asked.max_tokens or ANSWER_TOKENS
    _check_size(desk, asked.n, limit)
    model = desk.language_model
    messages: Any = [message.plain() for message in asked.messages]

    def prompt() -> Any:
        return written_for(messages, model.conventions.template, model.tokenizer, model.config.context_length, limit)

    try:
        ready = await asyncio.to_thread(prompt)
    except UserError as error:
        raise Problem(400, str(error), "messages") from None
    alternatives = (asked.top_logprobs or 0) if asked.logprobs else None
    ends = model.conventions.ends | ready.ends
    request = _request(ready.prompt_ids, asked, ends, ready.max_new_tokens, alternatives)
    order = Order(request, asked.n, asked.stops, continues=False)
    return Job("chat.completion", [order], name, bool(asked.logprobs), asked.return_token_ids, [], ready.left_out)


async def whole(job: Job, desk: Desk) -> Json:
    """The answer in one piece."""
    pieces = [*job.before, *[piece async for piece in desk.write(job.orders)]] if job.orders else job.before
    texts = answers.together(pieces)
    written = sum(len(piece.tokens) for piece in texts) - sum(len(piece.tokens) for piece in job.before)
    choice = answers.chat_choice if job.kind == "chat.completion" else answers.completion_choice
    choices = [
        choice(piece if piece.finish else replace(piece, finish="length"), _logprobs(job, piece, desk, 0))
        | _ids(job, piece)
        for piece in texts
    ]
    return _frame(job, job.kind) | {"choices": choices, "usage": answers.usage(job.prompt_tokens, written)}


async def stream(job: Job, desk: Desk, asked: Drawing, pieces: AsyncIterator[Piece]) -> AsyncIterator[str]:
    """The answer as events. What goes wrong on the way is an event too: the status has been sent already."""
    is_chat = job.kind == "chat.completion"
    frame = _frame(job, "chat.completion.chunk" if is_chat else job.kind)
    seen: set[int] = set()
    lengths: dict[int, int] = {}
    written = 0
    try:
        for piece in job.before:
            yield answers.event(frame | {"choices": [_chunk(job, piece, desk, seen, lengths)]})
        async for piece in pieces:
            written += len(piece.tokens)
            yield answers.event(frame | {"choices": [_chunk(job, piece, desk, seen, lengths)]})
        if asked.with_usage:
            yield answers.event(frame | {"choices": [], "usage": answers.usage(job.prompt_tokens, written)})
    except Problem as problem:
        yield answers.event(problem.body())
    yield answers.event("[DONE]")


def _chunk(job: Job, piece: Piece, desk: Desk, seen: set[int], lengths: dict[int, int]) -> Json:
    start = lengths.get(piece.choice, 0)
    lengths[piece.choice] = start + len(piece.text)
    logprobs = _logprobs(job, piece, desk, start)
    if job.kind != "chat.completion":
        return answers.completion_choice(piece, logprobs) | _ids(job, piece)
    first = piece.choice not in seen
    seen.add(piece.choice)
    return answers.chat_delta(piece, logprobs, first=first) | _ids(job, piece)


def _frame(job: Job, kind: str) -> Json:
    """What every answer and every chunk of one begins with."""
    prefix = "chatcmpl" if job.kind == "chat.completion" else "cmpl"
    more = {"hornbook": {"left_out_messages": job.left_out}} if job.left_out else {}
    return {
        "id": f"{prefix}-{secrets.token_hex(12)}",
        "object": kind,
        "created": int(time()),
        "model": job.name,
        **more,
    }


def _logprobs(job: Job, piece: Piece, desk: Desk, start: int) -> Json | None:
    if not job.logarithms:
        return None
    tokenizer = desk.language_model.tokenizer
    if job.kind == "chat.completion":
        return answers.chat_logprobs(piece.tokens, tokenizer)
    return answers.completion_logprobs(piece.tokens, tokenizer, start)


def _ids(job: Job, piece: Piece) -> Json:
    """The tokens of a piece, where they were asked for."""
    return {"token_ids": [written.token for written in piece.tokens]} if job.token_ids else {}


def _request(
    ids: Sequence[int], asked: Drawing, ends: frozenset[int], max_new_tokens: int, alternatives: int | None
) -> Request:
    try:
        sampling = asked.sampling()
    except ValueError as error:
        raise Problem(400, str(error)) from None
    seed = secrets.randbits(63) if asked.seed is None else asked.seed % 2**63
    return Request(ids, sampling, max_new_tokens, seed=seed, stop_ids=ends, alternatives=alternatives)


def _check_size(desk: Desk, choices: int, new_tokens: int) -> None:
    limits = desk.limits
    if choices > limits.choices:
        raise Problem(400, f"{choices} texts at once are more than {limits.choices}", "n")
    if new_tokens > limits.new_tokens:
        raise Problem(400, f"max_tokens {new_tokens} is more than {limits.new_tokens}", "max_tokens")


def _prompt_ids(prompt: str | list[int], model: LanguageModel) -> list[int]:
    """The tokens of a prompt, which must fit into the context."""
    try:
        ids = model.prompt_ids(prompt) if isinstance(prompt, str) else list(prompt)
    except UserError as error:
        raise Problem(400, str(error), "prompt") from None
    vocab_size, context = model.tokenizer.vocab_size, model.config.context_length
    if max(ids) >= vocab_size:
        raise Problem(400, f"token {max(ids)} is outside the vocabulary of {vocab_size}", "prompt")
    if len(ids) > context:
        message = f"the prompt's {len(ids)} tokens don't fit into the context of {context}"
        raise Problem(400, message, "prompt", "context_length_exceeded")
    return ids


async def _echo(asked: CompletionRequest, desk: Desk, prompts: list[list[int]], limit: int) -> list[Piece]:
    """The prompts as the beginning of their texts, with the logarithms of their tokens where these are asked for."""
    model, pieces = desk.language_model, list[Piece]()
    for number, (prompt, ids) in enumerate(zip(asked.prompts(), prompts, strict=True)):
        tokens: tuple[Written, ...] = ()
        if asked.logprobs is not None:
            tokens = await desk.ask(_later(model, ids, asked.logprobs))
        text = prompt if isinstance(prompt, str) else model.tokenizer.decode(ids)
        finish = None if limit else "length"
        pieces += [Piece(number * asked.n + choice, text, tokens, finish) for choice in range(asked.n)]
    return pieces


def _later(model: LanguageModel, ids: list[int], alternatives: int) -> Callable[[], tuple[Written, ...]]:
    return lambda: prompt_logarithms(model.model, ids, alternatives, model.tokenizer.vocab_size)
