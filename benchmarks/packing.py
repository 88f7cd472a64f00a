"""Padding, sorting by length and packing: tokens trained per second of processor time: `python benchmarks/packing.py`.

Needs `hornbook fetch instructions` and the vocabulary gpt2. One thread, forward and backward, the best of `TURNS`; every way
sees the same examples in batches of 16. "used" is the share of positions that hold a token of an example.
"""

import random
import time

import torch

from hornbook.chat_template import named_template
from hornbook.corpora.base import open_corpus
from hornbook.corpora.instructions import Instructions
from hornbook.finetuning.messages import read_conversations
from hornbook.finetuning.packing import pack_rows, packed_loss, width_for
from hornbook.finetuning.rows import Row, pad_rows, shifted
from hornbook.layers.loss import Batch, LossFunction, next_token_loss
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.base import named_tokenizer

VOCABULARY, CONTEXT, BATCH, EXAMPLES, TURNS = 2048, 512, 16, 64, 3
MODELS = {
    "llama, 4 layers of 128": lambda: Llama(LlamaConfig(vocab_size=VOCABULARY, context_length=CONTEXT)),
    "gpt, 6 layers of 384": lambda: GPT(
        GPTConfig(vocab_size=VOCABULARY, context_length=CONTEXT, num_layers=6, num_heads=6, embed_dim=384)
    ),
}


def instruction_lengths() -> list[int]:
    """Tokens of the published instructions, in the template alpaca."""
    corpus = open_corpus("instructions")
    assert isinstance(corpus, Instructions)
    tokenizer, template = named_tokenizer("gpt2"), named_template("alpaca")
    found = read_conversations(corpus.fetched_path(), "\n\n### Input:\n")[:EXAMPLES]
    return [len(template.tokens(each.messages, tokenizer)) for each in found]


def lengths() -> dict[str, list[int]]:
    """What examples may be like: published ones, short questions, and conversations of which a few are long."""
    draw = random.Random(0)
    return {
        "instructions": instruction_lengths(),
        "short, 10 to 30": [draw.randint(10, 30) for _ in range(EXAMPLES)],
        "uneven, 10 to 480": [min(480, 5 + int(draw.lognormvariate(4, 0.9))) for _ in range(EXAMPLES)],
    }


def ways(rows: list[Row]) -> dict[str, tuple[LossFunction, list[Batch]]]:
    """The same rows in batches of each way."""
    groups = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    alike = sorted(rows, key=lambda row: len(row.inputs))
    found: dict[str, tuple[LossFunction, list[Batch]]] = {
        "padded": (next_token_loss, [pad_rows(group, 0) for group in groups]),
        "sorted": (
            next_token_loss,
            [pad_rows(alike[start : start + BATCH], 0) for start in range(0, len(rows), BATCH)],
        ),
    }
    for most in (1, 128, 256, 512):
        widths = [width_for([len(row.inputs) for row in group], most) for group in groups]
        batches = [pack_rows(group, 0, width) for group, width in zip(groups, widths, strict=True)]
        found[f"packed into {most} at most" if most > 1 else "packed into the longest"] = (packed_loss, batches)
    return found


def seconds(model: torch.nn.Module, loss: LossFunction, batches: list[Batch]) -> float:
    """Processor time of forward and backward over all batches."""
    times = []
    for _ in range(TURNS):
        begun = time.process_time()
        for inputs, targets in batches:
            total, count = loss(model, inputs, targets)
            (total / count).backward()
            model.zero_grad(set_to_none=True)
        times.append(time.process_time() - begun)
    return min(times)


def main() -> None:
    """Print a table."""
    torch.set_num_threads(1)
    draw = random.Random(1)
    for name, make in MODELS.items():
        model = make()
        for kind, sizes in lengths().items():
            rows = [shifted([draw.randrange(VOCABULARY) for _ in range(size)], [True] * size) for size in sizes]
            tokens = sum(len(row.inputs) for row in rows)
            for way, (loss, batches) in ways(rows).items():
                used = tokens / sum(inputs.numel() for inputs, _ in batches)
                speed = tokens / seconds(model, loss, batches)
                print(f"{name} | {kind} | {way} | {speed:,.0f} tokens/s | {used:.0%} used", flush=True)


if __name__ == "__main__":
    main()
