"""A classifier: a language model whose output layer gives way to a small one that scores classes instead of tokens.

A causal model has read the whole text only at its last token, so that is where the class is asked: one target in a
row, all others -100. Batches and loss are then those of pretraining, over K classes instead of V tokens.
B batch, T tokens, C embed_dim, K classes.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hornbook.errors import UserError
from hornbook.finetuning.rows import Row, in_order, pad_rows
from hornbook.finetuning.trainable import train_only
from hornbook.layers.evaluating import evaluating
from hornbook.layers.loss import IGNORED, Batch, LossFunction
from hornbook.models.base import INITIAL_STD, Model, ModelConfig

Pooling = Literal["last", "mean"]
Trained = Literal["head", "last_block", "all"]


class Classifier(nn.Module):
    """`model` up to its final norm, then `head`: C -> K, without bias, as transformers' classes have it.

    `pooling`: the head reads the vector of the last token, or the mean of all vectors up to and including it.
    The head's weights are drawn from `generator`, or the global one.
    """

    def __init__(
        self, model: Model, num_classes: int, pooling: Pooling = "last", generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.model, self.num_classes, self.pooling = model, num_classes, pooling
        weight = next(model.parameters())
        self.head = nn.Linear(model.width(), num_classes, bias=False)
        nn.init.normal_(self.head.weight, std=INITIAL_STD, generator=generator)
        self.head.to(weight.device, weight.dtype)

    @property
    def config(self) -> ModelConfig:
        """The model's own settings, its context among them."""
        return self.model.config

    def forward(self, tokens: Tensor) -> Tensor:
        """What would be said if the text ended at each token: (B, T) int64 -> (B, T, K), padding behind it unseen."""
        hidden = self.model.hidden(tokens)  # (B, T, C)
        if self.pooling == "mean":
            counts = torch.arange(1, hidden.shape[1] + 1, device=hidden.device).unsqueeze(-1)  # (T, 1)
            hidden = (hidden.float().cumsum(dim=1) / counts).to(hidden.dtype)  # the mean of each beginning
        return self.head(hidden)  # type: ignore[no-any-return]

    def scores(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """The scores at each row's last real token: (B, T), lengths (B,) -> (B, K)."""
        rows = torch.arange(len(tokens), device=tokens.device)
        return self(tokens)[rows, lengths - 1]  # type: ignore[no-any-return]


def train_parts(classifier: Classifier, trained: Trained) -> None:
    """Freeze all but the head; the head, the final norm and the last block; or nothing ("all").

    The last block's vectors still serve to guess the next token, so a head alone learns little from them.
    Errors: `UserError` where the last block of a model without blocks is asked for.
    """
    if trained == "all":
        classifier.requires_grad_(True)
        return
    parts = ["head"]
    if trained == "last_block":
        blocks = dict(classifier.model.named_children()).get("blocks")
        if not isinstance(blocks, nn.ModuleList):
            raise UserError("this model has no blocks, so no last one to train", choices=["head", "all"])
        last = [f"blocks.{len(blocks) - 1}", "final_norm"]
        has_norm = any(name.startswith("final_norm.") for name, _ in classifier.model.named_parameters())
        parts += [f"model.{name}" for name in (last if has_norm else last[:1])]
    train_only(classifier, parts)


def label_row(tokens: Sequence[int], class_number: int, max_length: int) -> Row:
    """The row that asks for the class at the text's last token; of a longer text the first `max_length` are kept.

    [5, 6, 7], 1 -> Row([5, 6, 7], [-100, -100, 1]). Errors: `UserError` for a text without tokens.
    """
    if not tokens:
        raise UserError("an empty text can't be classified")
    kept = list(tokens[:max_length])
    return Row(kept, [IGNORED] * (len(kept) - 1) + [class_number])


def class_weights(numbers: Sequence[int], num_classes: int) -> Tensor:
    """How much a text of each class counts so that all classes count alike, 1 in the mean: [0, 0, 0, 1] -> [2/3, 2]."""
    counts = torch.bincount(torch.tensor(numbers), minlength=num_classes)
    return len(numbers) / (num_classes * counts.clamp(min=1))


def class_loss(weights: Tensor | None = None, smoothing: float = 0.0) -> LossFunction:
    """The loss in which a text counts as much as its class's weight (K,), and no class is asked to be certain.

    With `smoothing` 0.1 the right class is wanted with 0.9 and 0.1 / K more, every other with 0.1 / K (Szegedy et al.
    2016, section 7): few texts are soon known by heart, and without it the loss then only grows surer.
    """

    def loss(classifier: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        scores, wanted = classifier(inputs).flatten(0, -2).float(), targets.flatten()
        own = None if weights is None else weights.to(scores.device)
        total = F.cross_entropy(scores, wanted, own, ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing)
        return total, (targets != IGNORED).sum()

    return loss


def accuracy(classifier: Classifier, batches: Iterable[Batch]) -> float:
    """The share of rows whose highest score is their class's, 0..1."""
    right, asked, device = 0, 0, classifier.head.weight.device
    with evaluating(classifier):
        for inputs, targets in batches:
            wanted = targets != IGNORED
            found = classifier(inputs.to(device)).argmax(dim=-1).to(targets.device)
            right += int((found == targets)[wanted].sum())
            asked += int(wanted.sum())
    assert asked > 0, "nothing to evaluate: every target is ignored"
    return right / asked


def probabilities(
    classifier: Classifier,
    texts: Sequence[Sequence[int]],
    pad_id: int,
    max_length: int | None = None,
    batch_size: int = 32,
) -> Tensor:
    """The probability of every class for tokenized texts: N texts -> (N, K), rows sum to 1.

    Of a longer text the first `max_length` tokens are read (default: the context). Errors: `UserError` for an empty
    text and for a `max_length` that the model can't read.
    """
    context = classifier.config.context_length
    length = context if max_length is None else max_length
    if not 1 <= length <= context:
        raise UserError(f"max_length {length} is not between 1 and the model's context of {context} tokens")
    device = classifier.head.weight.device
    found = [torch.empty(0, classifier.num_classes)]
    rows = [label_row(tokens, 0, length) for tokens in texts]
    with evaluating(classifier):
        for inputs, targets in in_order(rows, lambda some: pad_rows(some, pad_id), batch_size):
            ends = (targets != IGNORED).int().argmax(dim=-1)  # (B,)
            found.append(classifier.scores(inputs.to(device), ends.to(device) + 1).float().softmax(dim=-1).cpu())
    return torch.cat(found)
