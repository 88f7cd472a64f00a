"""What is sent back: OpenAI's objects, from pieces of text. Pure functions."""

import json
from collections.abc import Sequence
from typing import Any

from hornbook.generation.continuous import Written
from hornbook.serving.desk import Piece
from hornbook.tokenizers.base import Tokenizer

Json = dict[str, Any]


def event(data: Json | str) -> str:
    """One event of a stream: `data: ...` and an empty line."""
    return f"data: {data if isinstance(data, str) else json.dumps(data, ensure_ascii=True)}\n\n"


def usage(prompt_tokens: int, completion_tokens: int) -> Json:
    """The counts."""
    total = prompt_tokens + completion_tokens
    return {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total}


def completion_choice(piece: Piece, logprobs: Json | None) -> Json:
    """A text, or a piece of one, of /v1/completions."""
    return {"index": piece.choice, "text": piece.text, "logprobs": logprobs, "finish_reason": piece.finish}


def chat_choice(piece: Piece, logprobs: Json | None) -> Json:
    """A whole answer of /v1/chat/completions."""
    message = {"role": "assistant", "content": piece.text, "refusal": None}
    return {"index": piece.choice, "message": message, "logprobs": logprobs, "finish_reason": piece.finish}


def chat_delta(piece: Piece, logprobs: Json | None, *, first: bool) -> Json:
    """A piece of an answer; the first one says whose it is."""
    delta = ({"role": "assistant"} if first else {}) | ({"content": piece.text} if piece.text or first else {})
    return {"index": piece.choice, "delta": delta, "logprobs": logprobs, "finish_reason": piece.finish}


def completion_logprobs(tokens: Sequence[Written], tokenizer: Tokenizer, start: int) -> Json:
    """The logarithms of /v1/completions; `start` is where in the text the first token begins.

    A token that holds a part of a character only is written as OpenAI does, bytes:\\xe2.
    """
    offsets, place = [], start
    for written in tokens:
        offsets.append(place)
        place += len(tokenizer.decode([written.token] if written.token is not None else []))
    return {
        "tokens": [token_name(written.token, tokenizer) for written in tokens],
        "token_logprobs": [written.logarithm for written in tokens],
        "top_logprobs": [
            {token_name(token, tokenizer): value for token, value in written.likeliest} or None for written in tokens
        ],
        "text_offset": offsets,
    }


def chat_logprobs(tokens: Sequence[Written], tokenizer: Tokenizer) -> Json:
    """The logarithms of /v1/chat/completions."""

    def one(token: int | None, value: float | None) -> Json:
        raw = tokenizer.decode_bytes([token]) if token is not None else b""
        return {"token": token_name(token, tokenizer), "logprob": value, "bytes": list(raw)}

    return {
        "content": [
            {
                **one(written.token, written.logarithm),
                "top_logprobs": [one(token, value) for token, value in written.likeliest],
            }
            for written in tokens
        ],
        "refusal": None,
    }


def token_name(token: int | None, tokenizer: Tokenizer) -> str:
    """A token as text; bytes that are no text by their numbers."""
    raw = tokenizer.decode_bytes([token]) if token is not None else b""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)


def together(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces of each text as one, by choice."""
    whole: dict[int, Piece] = {}
    for piece in pieces:
        before = whole.get(piece.choice, Piece(piece.choice, "", ()))
        finish = piece.finish or before.finish
        whole[piece.choice] = Piece(piece.choice, before.text + piece.text, before.tokens + piece.tokens, finish)
    return [whole[choice] for choice in sorted(whole)]
