"""A file of fewer bits in another program: what rounding explains passes, and every kind of wrong file is found."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from hornbook.errors import Failed
from hornbook.layers.positions import rotary_tables
from hornbook.models.base import Model
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.weights.parity import Answers
from hornbook.weights.parity_rounded import compare_rounded, expect
from hornbook.weights.rounded import as_stored, round_inputs, round_weights

KINDS = ("f32", "f16", "q8_0", "q4_0")
SIZES = {"vocab_size": 160, "context_length": 64, "num_layers": 2, "num_heads": 4, "embed_dim": 64, "hidden_dim": 96}
MODELS = {
    "llama": lambda: Llama(LlamaConfig(**SIZES, num_kv_heads=2, qk_norm=False)),
    "qwen3": lambda: Llama(LlamaConfig(**SIZES, tied_output=False)),
    "gpt": lambda: GPT(GPTConfig(**SIZES)),
}
PROMPTS = [[3], list(range(0, 160, 10))]


def make(kind: str) -> Model:
    """Weights of about the size that training leaves them with, always the same."""
    model, generator = MODELS[kind](), torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, mean=1.0 * ("norm.weight" in name), std=0.1, generator=generator)
    return model.eval()


def said(model: Model, new_tokens: int = 8) -> Answers:
    """What a program says that computes as this model does."""
    logits, greedy = [], []
    with torch.no_grad():
        for prompt in PROMPTS:
            logits.append(model(torch.tensor([prompt]))[0])
            ids = list(prompt)
            for _ in range(new_tokens):
                ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
            greedy.append(ids[len(prompt) :])
    return Answers([[1]], logits, greedy)


def theirs(kind: str, quantization: str, wrong: Callable[[Model], None] = lambda model: None) -> Answers:
    """What llama.cpp would say of a file, which may be a wrong one."""
    model = make(kind)
    with torch.no_grad():
        wrong(model)
    round_weights(model, quantization)
    round_inputs(model, quantization)
    return said(model)


def judge(kind: str, quantization: str, answers: Answers):
    return compare_rounded(expect(make(kind), PROMPTS, answers.greedy, quantization), answers, "another")


@pytest.mark.parametrize("quantization", KINDS)
@pytest.mark.parametrize("kind", MODELS)
def test_the_twin_passes_without_a_difference(kind: str, quantization: str) -> None:
    report = judge(kind, quantization, theirs(kind, quantization))
    assert report.largest_difference == 0 == report.furthest_behind
    assert report.greedy_tokens == report.greedy_equal == 16
    assert (report.moved_by_weights > 0) is (quantization != "f32")


@pytest.mark.parametrize("quantization", KINDS)
@pytest.mark.parametrize("kind", MODELS)
def test_a_program_that_rounds_no_inputs_passes_too(kind: str, quantization: str) -> None:
    model = make(kind)
    round_weights(model, quantization)
    report = judge(kind, quantization, said(model))
    assert 0 <= report.largest_difference <= report.margin
    assert report.typical_difference <= report.typical_margin


def other_rotation(model: Model) -> None:
    config = model.config
    model.cosines, model.signed_sines = rotary_tables(config.head_dim, config.context_length, 20000.0, None)


def heads_in_another_order(model: Model) -> None:
    rows = model.blocks[0].attention.qkv.weight
    rows.copy_(torch.cat([rows[16:32], rows[:16], rows[32:]]))


def a_layer_twice(model: Model) -> None:
    model.blocks[1].load_state_dict(model.blocks[0].state_dict())


def a_norm_by_a_tenth(model: Model) -> None:
    model.blocks[1].feed_forward_norm.weight.mul_(1.1)


def one_token_by_another(model: Model) -> None:
    model.token_embedding.weight[50].copy_(model.token_embedding.weight[51].clone())


WRONG = [heads_in_another_order, a_layer_twice, a_norm_by_a_tenth, one_token_by_another]


@pytest.mark.parametrize("quantization", KINDS)
@pytest.mark.parametrize(
    ("kind", "wrong"), [("llama", other_rotation), *((kind, wrong) for kind in MODELS for wrong in WRONG)]
)
def test_a_wrong_file_is_found(kind: str, quantization: str, wrong: Callable[[Model], None]) -> None:
    answers = theirs(kind, quantization, wrong)
    with pytest.raises(Failed, match="logits are (up to|typically) .* from those of another"):
        judge(kind, quantization, answers)


def test_logits_that_are_no_numbers_or_too_few() -> None:
    answers = theirs("llama", "f32")
    with pytest.raises(Failed, match="logits are up to nan"):
        judge("llama", "f32", replace(answers, logits=[logits * torch.nan for logits in answers.logits]))
    with pytest.raises(Failed, match=r"\(17, 160\) here and \(17, 159\) in another"):
        judge("llama", "f32", replace(answers, logits=[logits[:, :-1] for logits in answers.logits]))


def test_a_greedy_token_that_is_not_the_likeliest() -> None:
    answers = theirs("llama", "q8_0")
    worst = int(answers.logits[1][-1].argmin())
    with pytest.raises(Failed, match="a greedy token of another is .* behind ours"):
        judge("llama", "q8_0", replace(answers, greedy=[answers.greedy[0], [worst, *answers.greedy[1][1:]]]))


def test_without_new_tokens_only_logits_are_compared() -> None:
    answers = replace(theirs("gpt", "f16"), greedy=[[], []])
    assert judge("gpt", "f16", answers).greedy_tokens == 0


def test_eight_bits_round_to_a_scale_for_each_32() -> None:
    rows = torch.zeros(1, 64)
    rows[0, :3], rows[0, 40] = torch.tensor([127.0, 0.6, -0.4]), 1.0
    rounded = as_stored(rows, "q8_0")
    assert rounded[0, :3].tolist() == [127.0, 1.0, 0.0]
    assert rounded[0, 40] == pytest.approx(1.0, rel=1e-3)
    assert torch.equal(as_stored(rows, "f32"), rows)
