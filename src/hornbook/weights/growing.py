"""A finished model made larger: more special tokens in its vocabulary, a longer or shorter context.

Nothing that it computed changes unless its positions have to be squeezed together. V vocabulary, C embed_dim.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hornbook.config import build
from hornbook.models.base import Model
from hornbook.models.bigram import Bigram
from hornbook.tokenizers._more_specials import with_special_tokens
from hornbook.tokenizers.base import Tokenizer
from hornbook.weights._context import context_changes, require_length
from hornbook.weights.disk_format import Tensors

EMBEDDING, OUTPUT = "token_embedding.weight", "output.weight"


def add_tokens(model: Model, tokenizer: Tokenizer, names: Sequence[str]) -> tuple[Model, Tokenizer]:
    """Model and tokenizer with these special tokens too, behind all others; what is there already is found.

    A model that has more rows than its tokenizer has ids uses those first. Every new row, of the embedding and of an
    output of its own, is the mean of the rows in use. So a new token's logit is the mean of all logits, and as exp is
    convex, its probability is at most the mean one: k new tokens cost a text at most ln(1 + k / V) nats a token
    (Hewitt 2021, "Initializing new word embeddings for pretrained language models"). Rows drawn at random may take all.
    They are equal to each other, and part with the first step of training, as they stand in different places.

    Out: the same two objects where no name is new; else the model is a new one, and weights that did not grow are
    shared with the old. Errors: `UserError`, see `with_special_tokens`.
    """
    known = tokenizer.vocab_size
    grown = with_special_tokens(tokenizer, names)
    if grown.vocab_size == known:
        return model, grown
    size = max(model.config.vocab_size, grown.vocab_size)
    state = dict(model.state_dict())
    for name in {EMBEDDING, OUTPUT} & state.keys():
        state[name] = _with_mean_rows(state[name], known, grown.vocab_size)
    if isinstance(model, Bigram):  # of its table each column is a token as well
        state[EMBEDDING] = _with_mean_rows(state[EMBEDDING].T, known, grown.vocab_size).T.contiguous()
    return rebuilt(model, {"vocab_size": size}, state), grown


def change_context(model: Model, length: int, scaling: str | None = None) -> tuple[Model, str]:
    """The model with a context of `length` tokens, and what was done to its positions, in words.

    Learned positions are interpolated, or cut off where the context becomes shorter. A Llama's rotation is slowed by
    `scaling`: theta (the default), linear, llama3 or none. Whatever sees only distances stays as it is.
    Errors: `UserError` for a length or scaling that can't be.
    """
    require_length(model.config, length)
    changes, tensors, how = context_changes(model, length, scaling)
    return rebuilt(model, changes, model.state_dict() | tensors), how


def rebuilt(model: Model, changes: dict[str, Any], state: Tensors) -> Model:
    """A model of the same class and mode with some settings changed, around these weights: none is drawn.

    Errors: `UserError` for settings that the config doesn't allow.
    """
    config = build(type(model.config), model.config.model_dump() | changes, "model")
    with torch.device("meta"):
        new = type(model)(config)
    new.load_state_dict({name: tensor.detach() for name, tensor in state.items()}, assign=True)
    place = next(iter(state.values())).device
    return new.to(place).train(model.training)


def _with_mean_rows(rows: Tensor, known: int, size: int) -> Tensor:
    """Rows `known` .. `size` - 1 become the mean of those before, which are more or as many as were: (V, C) -> (V', C)."""
    mean = rows[:known].double().mean(dim=0).to(rows.dtype)
    return torch.cat([rows[:known], mean.expand(size - known, -1), rows[size:]])
