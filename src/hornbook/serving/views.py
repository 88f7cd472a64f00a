"""What the page asks for beside the API: /view/... Each answer is about one text, and reads no file."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

from hornbook.errors import UserError
from hornbook.generation.generate import LanguageModel
from hornbook.serving import inside
from hornbook.serving.leaving import unless_gone
from hornbook.serving.problem import Problem
from hornbook.serving.runs import Runs
from hornbook.serving.schema import Id, Text
from hornbook.serving.served import Served, no_language_model
from hornbook.serving.vocabularies import Vocabularies

LONGEST_MAP = 128  # tokens of a text whose attention is drawn: layers x heads x 128 x 128 numbers are enough


class Looked(BaseModel):
    """A text to look at, or its tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Text = ""
    tokens: Annotated[list[Id], Field(min_length=1)] | None = None


class Compared(BaseModel):
    """A text to cut by other vocabularies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Text


def add_views(app: FastAPI, served: Served, runs: Runs | None = None) -> None:
    """Put the paths into the application; the vocabularies of `runs` are compared with the model's."""
    model = served.subject.language_model
    vocabularies = Vocabularies(model.tokenizer, runs) if model else None

    @app.get("/view/model")
    async def card() -> dict[str, Any]:
        return _card(served)

    @app.post("/view/tokens")
    async def tokens(asked: Looked) -> dict[str, Any]:
        language_model = served.desk.language_model
        ids = await asyncio.to_thread(_encode, asked, language_model, None, bare=True)
        words = len(asked.text.split())
        counts = {"letters": len(asked.text), "words": words, "bytes": len(asked.text.encode()), "tokens": len(ids)}
        return {"tokens": inside.pieces(ids, language_model.tokenizer), "counts": counts}

    @app.post("/view/vocabularies")
    async def cut_otherwise(asked: Compared) -> dict[str, Any]:
        if vocabularies is None:
            raise no_language_model()
        try:
            return await asyncio.to_thread(vocabularies.compare, asked.text)
        except UserError as error:
            raise Problem(400, str(error), "text") from None

    @app.post("/view/write")
    async def write(asked: Looked, request: Request) -> dict[str, Any]:
        return await _look(served, request, asked, None, inside.likelihoods)

    @app.post("/view/attention")
    async def attention(asked: Looked, request: Request) -> dict[str, Any]:
        def question(model: Any, ids: list[int], tokenizer: Any) -> dict[str, Any]:
            return {"tokens": inside.pieces(ids, tokenizer), **inside.attention(model, ids)}

        return await _look(served, request, asked, LONGEST_MAP, question)

    @app.post("/view/layers")
    async def layers(asked: Looked, request: Request) -> dict[str, Any]:
        def question(model: Any, ids: list[int], tokenizer: Any) -> dict[str, Any]:
            return {"tokens": inside.pieces(ids, tokenizer), "layers": inside.lens(model, ids, tokenizer)}

        return await _look(served, request, asked, LONGEST_MAP, question)


async def _look(
    served: Served, request: Request, asked: Looked, limit: int | None, question: Callable[..., dict[str, Any]]
) -> dict[str, Any]:
    language_model = served.desk.language_model
    ids = await asyncio.to_thread(_encode, asked, language_model, limit)
    model, tokenizer = language_model.model, language_model.tokenizer
    return await unless_gone(served.desk.ask(lambda: question(model, ids, tokenizer)), request)


def _encode(asked: Looked, model: LanguageModel, limit: int | None, *, bare: bool = False) -> list[int]:
    """The tokens to look at; only the text's own (`bare`) may be none. Errors: `Problem`."""
    if asked.tokens is not None:
        ids = list(asked.tokens)
        if max(ids) >= model.tokenizer.vocab_size:
            raise Problem(400, f"token {max(ids)} is outside the vocabulary", "tokens")
    else:
        try:
            ids = model.tokenizer.encode(asked.text) if bare else model.prompt_ids(asked.text)
        except UserError as error:
            raise Problem(400, str(error), "text") from None
    longest = min(limit or model.config.context_length, model.config.context_length)
    if len(ids) > longest and not bare:
        raise Problem(400, f"the text's {len(ids)} tokens are more than {longest}", "text", "context_length_exceeded")
    return ids


def _card(served: Served) -> dict[str, Any]:
    """What the page has to know of what is served."""
    model = served.subject.language_model
    if model is None:
        return {"name": served.subject.name, "kind": "classifier"}
    config = model.config.model_dump(mode="json")
    return {
        "name": served.subject.name,
        "kind": type(model.model).__module__.rpartition(".")[2],
        "parameters": model.model.num_parameters(),
        "vocab_size": model.tokenizer.vocab_size,
        "context_length": model.config.context_length,
        "layers": config.get("num_layers", 0),
        "heads": config.get("num_heads", 0),
        "chat": model.conventions.template is not None,
        "tokenizer": model.tokenizer.kind,
    }
