"""Texts written together, joining and leaving, are those that each would be alone."""

import random

import pytest
import torch

from hornbook.errors import UserError
from hornbook.generation.continuous import Continuous, Request
from hornbook.generation.generate import generate_tokens
from hornbook.generation.sampling import Sampling
from hornbook.models.base import Model
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.randomness import torch_generator

SIZES = {"vocab_size": 30, "context_length": 24, "num_layers": 2, "num_heads": 2, "embed_dim": 16}
MODELS = {
    "llama": lambda: Llama(LlamaConfig(**SIZES), torch_generator(0, "weights")),
    "window": lambda: Llama(LlamaConfig(**SIZES, sliding_window=4), torch_generator(0, "weights")),
    "gpt": lambda: GPT(GPTConfig(**SIZES), torch_generator(0, "weights")),
    "alibi": lambda: GPT(GPTConfig(**SIZES, positions="alibi"), torch_generator(0, "weights")),
    "bigram": lambda: Bigram(BigramConfig(vocab_size=30, context_length=24)),
}


def clear(model: Model) -> Model:
    """Its weights made larger, so that the likeliest token leads by more than rounding."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.5, generator=torch_generator(1, "clear"))
    return model.eval()


def requests(count: int) -> list[Request]:
    draw = random.Random(0)
    samplings = [
        Sampling(temperature=0),
        Sampling(),
        Sampling(temperature=0, repetition_penalty=1.3),
        Sampling(top_k=3),
    ]
    return [
        Request(
            prompt=draw.choices(range(30), k=draw.choice([1, 2, 7, 23, 40])),
            sampling=samplings[number % 4],
            max_new_tokens=draw.choice([1, 5, 60]),
            seed=number,
            stop_ids=frozenset({3}) if number % 3 else frozenset(),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("name", MODELS)
def test_every_text_is_that_of_the_text_alone(name: str) -> None:
    model = clear(MODELS[name]())
    batch, draw, asked = Continuous(model, seats=3), random.Random(2), requests(16)
    coming, texts, endings = list(asked), dict[int, list[int]](), dict[int, str]()
    while coming or batch.busy:
        if coming and draw.random() < 0.4:
            texts[len(texts)] = []
            batch.add(len(texts) - 1, coming.pop(0))
        assert len(batch.texts) <= 3
        for written in batch.step():
            if written.token is None:
                assert written.ending is not None
                endings[written.number] = written.ending
            else:
                texts[written.number].append(written.token)
    for number, request in enumerate(asked):
        alone = list(
            generate_tokens(
                model, request.prompt, request.sampling, max_new_tokens=request.max_new_tokens, seed=request.seed,
                stop_ids=request.stop_ids,
            )
        )  # fmt: skip
        assert texts[number] == alone, number
        assert endings[number] == ("length" if len(alone) == request.max_new_tokens else "end of text")


def test_a_text_that_is_removed_leaves_the_others_as_they_are() -> None:
    model = clear(MODELS["llama"]())
    one, other = (Request([number], Sampling(), 20, seed=number) for number in (1, 2))
    batch = Continuous(model, seats=2)
    first, second, third = 10, 20, 30
    for number, request in ((first, one), (second, other), (third, one)):
        batch.add(number, request)
    written = [item for _ in range(4) for item in batch.step()]
    batch.remove(first)
    batch.remove(third)
    batch.remove(99)
    while batch.busy:
        written += batch.step()
    assert {item.number for item in written} == {first, second}
    alone = list(generate_tokens(model, [2], Sampling(), max_new_tokens=20, seed=2))
    assert [item.token for item in written if item.number == second and item.token is not None] == alone


def test_logarithms_are_those_of_the_model() -> None:
    model = clear(MODELS["llama"]())
    batch = Continuous(model)
    batch.add(0, Request([4, 5], Sampling(temperature=0), 3, alternatives=2))
    text = [4, 5]
    while batch.busy:
        for written in batch.step():
            if written.token is None:
                continue
            with torch.no_grad():
                expected = model(torch.tensor([text]))[0, -1].log_softmax(-1)
            assert written.logarithm == pytest.approx(float(expected[written.token]), abs=1e-4)
            assert [token for token, _ in written.likeliest] == expected.topk(2).indices.tolist()
            text.append(written.token)


def test_a_model_without_numbers_ends_its_texts_and_says_so() -> None:
    model = clear(MODELS["gpt"]())
    with torch.no_grad():
        model.token_embedding.weight[7] = float("nan")  # type: ignore[union-attr, index, operator]
    batch = Continuous(model)
    batch.add(0, Request([7], Sampling(), 3))
    assert [written.ending for written in batch.step()] == ["no numbers"]
    assert not batch.busy


@pytest.mark.parametrize(("prompt", "limit"), [([], 3), ([1], 0)])
def test_a_request_that_asks_for_nothing_is_refused(prompt: list[int], limit: int) -> None:
    with pytest.raises(UserError):
        Request(prompt, Sampling(), limit)
