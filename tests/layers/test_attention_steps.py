"""The ladder: what is refused, the book's numbers rung by rung, each rung equal to the next, the last to the fast form."""

import math
import time
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from hornbook.layers.attention import attention_weights, causal_attention
from hornbook.layers.attention_steps import (
    CausalAttention,
    LinearAttention,
    ParameterAttention,
    SplitHeads,
    StackedHeads,
    simple_attention,
)

WORDS = torch.tensor(  # "Your journey starts with one step", three numbers a word (Raschka 2024, chapter 3)
    [[0.43, 0.15, 0.89], [0.55, 0.87, 0.66], [0.57, 0.85, 0.64], [0.22, 0.58, 0.33], [0.77, 0.25, 0.10], [0.05, 0.80, 0.55]]
)  # fmt: skip
RUNGS = {
    "parameter": lambda: ParameterAttention(3, 4),
    "linear": lambda: LinearAttention(3, 4, bias=True),
    "causal": lambda: CausalAttention(3, 4, 6),
    "stacked": lambda: StackedHeads(3, 4, 6, 2, bias=True),
    "split": lambda: SplitHeads(3, 4, 6, 2),
}
CAUSAL = ["causal", "stacked", "split"]


def seeded(seed: int, rung, *sizes: int, **more: object) -> nn.Module:
    torch.manual_seed(seed)
    return rung(*sizes, **more)


def close(ours: Tensor, expected: object) -> None:
    """Equal to four printed decimals."""
    torch.testing.assert_close(ours.detach(), torch.tensor(expected), atol=1e-4, rtol=0)


def transplant(source: nn.Module, target: nn.Module) -> None:
    """The matrices of a rung with `nn.Linear` into another such rung."""
    for name in ("query", "key", "value"):
        getattr(target, name).load_state_dict(getattr(source, name).state_dict())


# --- what is refused


@pytest.mark.parametrize("rung", [StackedHeads, SplitHeads])
def test_heads_that_do_not_fit_are_explained(rung) -> None:
    with pytest.raises(ValueError, match="out_dim 10 is not divisible by num_heads 4"):
        rung(3, 10, 6, 4)


@pytest.mark.parametrize("name", CAUSAL)
def test_a_text_longer_than_the_mask_is_explained(name: str) -> None:
    with pytest.raises(ValueError, match="7 tokens are longer than the context of 6"):
        RUNGS[name]()(torch.zeros(7, 3))


# --- without weights to learn


def test_scores_and_context_of_one_word(number) -> None:
    expected, query = number("att-01"), WORDS[1]
    scores = torch.stack([torch.dot(word, query) for word in WORDS])
    close(scores, expected["scores"])
    by_hand = [sum(float(a) * float(b) for a, b in zip(word, query, strict=True)) for word in WORDS]
    torch.testing.assert_close(scores, torch.tensor(by_hand))
    close(scores / scores.sum(), expected["l1"])
    context, weights = simple_attention(WORDS)
    close(weights[1], expected["weights"])
    close(context[1], expected["context"])
    torch.testing.assert_close(weights[1], scores.exp() / scores.exp().sum())


def test_all_words_by_loops_and_by_one_product(number) -> None:
    expected = number("att-02")
    by_loops = torch.tensor([[float(torch.dot(first, second)) for second in WORDS] for first in WORDS])
    torch.testing.assert_close(WORDS @ WORDS.T, by_loops)
    close(by_loops, expected["scores"])
    context, weights = simple_attention(WORDS)
    close(weights, expected["weights"])
    close(context, expected["context"])
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(6))
    assert (weights > 0).all()  # dividing by the sum would give a negative score a negative weight


def test_one_product_is_faster_than_two_loops() -> None:
    x = torch.randn(40, 3)

    def seconds(work: Callable[[], object]) -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun

    loops = min(seconds(lambda: [torch.dot(first, second) for first in x for second in x]) for _ in range(5))
    assert min(seconds(lambda: x @ x.T) for _ in range(5)) < loops / 5  # 1,600 calls against one


def test_softmax_of_extreme_scores_is_a_number() -> None:
    scores = torch.tensor([1000.0, 0.0, -1000.0])
    assert (scores.exp() / scores.exp().sum()).isnan().any()  # e^1000 is no float
    assert scores.softmax(dim=-1).tolist() == [1.0, 0.0, 0.0]
    _, weights = simple_attention(WORDS * 1000)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(6))


# --- with weights to learn


def test_one_word_through_three_matrices(number) -> None:
    expected, rung = number("att-03"), seeded(123, ParameterAttention, 3, 2)
    query, keys = WORDS[1] @ rung.query, WORDS @ rung.key
    close(query, expected["query_2"])
    close(query @ keys[1], expected["score_22"])
    close(keys @ query, expected["scores_2"])
    close((keys @ query / math.sqrt(2)).softmax(dim=-1), expected["weights_2"])
    close(rung.weights(WORDS)[1], expected["weights_2"])
    close(rung(WORDS)[1], expected["context_2"])


def test_published_parameter_attention(number) -> None:
    close(seeded(123, ParameterAttention, 3, 2)(WORDS), number("att-04"))


def test_matrices_that_change_nothing_give_simple_attention() -> None:
    rung = ParameterAttention(3, 3)
    with torch.no_grad():
        for matrix, size in ((rung.query, math.sqrt(3)), (rung.key, 1.0), (rung.value, 1.0)):
            matrix.copy_(torch.eye(3) * size)  # the root undoes the division of the scores
    context, weights = simple_attention(WORDS)
    torch.testing.assert_close(rung(WORDS), context)
    torch.testing.assert_close(rung.weights(WORDS), weights)


def test_linear_is_parameter_with_the_matrices_transposed(number) -> None:
    linear, parameter = seeded(123, LinearAttention, 3, 2), ParameterAttention(3, 2)
    with torch.no_grad():
        for name in ("query", "key", "value"):
            getattr(parameter, name).copy_(getattr(linear, name).weight.T)
    close(linear(WORDS), number("att-06"))
    torch.testing.assert_close(parameter(WORDS), linear(WORDS))
    torch.testing.assert_close(parameter.weights(WORDS), linear.weights(WORDS))


def test_linear_starts_around_zero_and_rand_does_not() -> None:
    linear, parameter = seeded(0, LinearAttention, 64, 64), ParameterAttention(64, 64)
    assert abs(linear.query.weight.mean()) < 0.01 < 0.45 < parameter.query.mean()
    x = torch.randn(16, 64)
    assert linear.weights(x).max() < 0.3 < 0.99 < parameter.weights(x).max()  # the second has picked already


def test_scores_grow_with_the_root_of_their_size() -> None:
    """The reason for dividing by the root, and not by the size or its square."""
    torch.manual_seed(0)
    for size in (16, 256, 4096):
        spread = (torch.randn(1000, size) * torch.randn(1000, size)).sum(dim=-1).std()
        assert float(spread / math.sqrt(size)) == pytest.approx(1.0, abs=0.1)


# --- causal


def test_published_causal_attention(number) -> None:
    expected, batch = number("att-13"), torch.stack([WORDS, WORDS])
    out = seeded(123, CausalAttention, 3, 2, 6, 0.0)(batch)
    assert list(out.shape) == expected["shape"]
    for item in out:
        close(item, expected["one_item"])


def test_masking_then_renormalising_is_the_softmax_over_what_is_seen(number) -> None:
    expected, linear = number("att-08"), seeded(789, LinearAttention, 3, 2)
    masked = linear.weights(WORDS).tril()
    renormalised = masked / masked.sum(dim=-1, keepdim=True)
    close(masked, expected["masked"])
    close(renormalised, expected["renormalised"])
    causal = CausalAttention(3, 2, 6)
    transplant(linear, causal)
    close(causal.weights(WORDS), number("att-10"))
    torch.testing.assert_close(causal.weights(WORDS), renormalised)
    for place in range(6):  # a softmax that never heard of later words
        seen = (linear.query(WORDS[place]) @ linear.key(WORDS[: place + 1]).T / math.sqrt(2)).softmax(dim=-1)
        torch.testing.assert_close(causal.weights(WORDS)[place, : place + 1], seen)


def test_zeros_instead_of_minus_infinity_let_the_future_through() -> None:
    causal = seeded(789, CausalAttention, 3, 2, 6)
    scores = causal.query(WORDS) @ causal.key(WORDS).T / math.sqrt(2)
    wrong = scores.masked_fill(causal.mask, 0.0).softmax(dim=-1)
    assert (wrong[causal.mask] > 0.1).all()
    assert (causal.weights(WORDS)[causal.mask] == 0).all()


@pytest.mark.parametrize("name", CAUSAL)
def test_a_later_word_changes_no_earlier_result(name: str) -> None:
    rung, changed = RUNGS[name](), WORDS.clone()
    changed[4:] += 5
    assert torch.equal(rung(WORDS)[:4], rung(changed)[:4])
    assert not torch.allclose(rung(WORDS)[4:], rung(changed)[4:])


@pytest.mark.parametrize("name", ["parameter", "linear"])
def test_without_positions_a_permuted_text_is_only_permuted(name: str) -> None:
    rung, order = RUNGS[name](), [3, 0, 5, 1, 4, 2]
    torch.testing.assert_close(rung(WORDS[order]), rung(WORDS)[order])


@pytest.mark.parametrize("name", ["parameter", "linear"])
def test_uncausal_rungs_see_the_whole_text(name: str) -> None:
    rung, changed = RUNGS[name](), WORDS.clone()
    changed[5] += 5
    assert not torch.allclose(rung(WORDS)[0], rung(changed)[0])


@pytest.mark.parametrize("rung", [CausalAttention(3, 2, 6), SplitHeads(3, 4, 6, 2)])
def test_the_mask_is_a_buffer(rung: nn.Module) -> None:
    assert dict(rung.named_buffers())["mask"].tolist() == torch.ones(6, 6).triu(1).bool().tolist()
    assert "mask" in rung.state_dict()
    assert "mask" not in dict(rung.named_parameters())
    assert not rung.mask.requires_grad
    assert rung.to("meta").mask.is_meta  # it moves with the model


def test_equal_scores_give_even_rows(number) -> None:
    expected = number("att-22")
    causal = CausalAttention(3, 2, 8)
    nn.init.zeros_(causal.query.weight)
    weights = causal.weights(torch.randn(8, 3))
    for place, (value,) in enumerate(expected):
        close(weights[place], [value] * (place + 1) + [0.0] * (7 - place))


# --- dropout


def test_dropout_keeps_half_and_doubles_it(number) -> None:
    torch.manual_seed(123)
    close(nn.Dropout(0.5)(torch.ones(6, 6)), number("att-11"))


def test_dropout_is_on_the_weights_and_in_training_only() -> None:
    rung = seeded(0, CausalAttention, 3, 2, 6, dropout=0.5)
    torch.manual_seed(1)
    trained = rung(WORDS)
    torch.manual_seed(1)
    dropped = F.dropout(rung.weights(WORDS), 0.5)
    torch.testing.assert_close(trained, dropped @ rung.value(WORDS))
    assert not torch.equal(rung(WORDS), rung(WORDS))
    rung.eval()
    assert torch.equal(rung(WORDS), rung(WORDS))
    torch.testing.assert_close(rung(WORDS), rung.weights(WORDS) @ rung.value(WORDS))


# --- heads


def test_one_head_is_causal_attention() -> None:
    causal, stacked = CausalAttention(3, 4, 6), StackedHeads(3, 4, 6, 1)
    transplant(causal, stacked.heads[0])
    assert torch.equal(stacked(WORDS), causal(WORDS))
    assert torch.equal(stacked.weights(WORDS)[0], causal.weights(WORDS))


def split_from(stacked: StackedHeads) -> SplitHeads:
    """The heads' matrices one below the other, and a projection that changes nothing."""
    size = stacked.heads[0].query.weight.shape
    split = SplitHeads(size[1], size[0] * len(stacked.heads), len(stacked.heads[0].mask), len(stacked.heads))
    with torch.no_grad():
        for name in ("query", "key", "value"):
            getattr(split, name).weight.copy_(torch.cat([getattr(head, name).weight for head in stacked.heads]))
        nn.init.eye_(split.output.weight)
        nn.init.zeros_(split.output.bias)
    return split


def test_stacked_heads_are_one_matrix_cut_into_heads() -> None:
    stacked, x = seeded(0, StackedHeads, 3, 12, 6, 4), torch.randn(2, 5, 3)
    split = split_from(stacked)
    torch.testing.assert_close(split(x), stacked(x))
    torch.testing.assert_close(split.weights(x), stacked.weights(x))


def test_published_parameter_count(number) -> None:
    with torch.device("meta"):
        rung = SplitHeads(768, 768, 1024, 12)
    assert sum(parameter.numel() for parameter in rung.parameters()) == number("att-18")
    assert "output" not in dict(CausalAttention(3, 2, 6).named_children())


def test_cutting_then_turning_is_not_cutting_otherwise(number) -> None:
    expected, x = number("att-20"), torch.arange(2.0 * 64 * 10).view(2, 64, 10)
    right, wrong = x.view(2, 64, 5, 2).transpose(1, 2), x.view(2, 5, 64, 2)
    assert (right.shape == wrong.shape) is expected["same_shape"]
    assert torch.equal(right, wrong) is expected["same_contents"]
    rung = SplitHeads(3, 10, 64, 5)
    assert torch.equal(rung.split(x), right)
    assert right[0, 3, 7].tolist() == x[0, 7, 6:8].tolist()  # head 3 of token 7 holds its numbers 6 and 7
    assert wrong[0, 3, 7].tolist() != x[0, 7, 6:8].tolist()


def test_shapes_on_the_way_through_the_heads() -> None:
    rung, x = SplitHeads(3, 10, 64, 5), torch.randn(2, 64, 3)
    heads = rung.split(rung.value(x))
    assert (rung.value(x).shape, heads.shape) == ((2, 64, 10), (2, 5, 64, 2))
    assert rung.weights(x).shape == (2, 5, 64, 64)
    assert torch.equal(rung.join(heads), rung.value(x))
    with pytest.raises(RuntimeError, match="view size is not compatible"):  # out of order: a copy is needed first
        heads.contiguous().transpose(1, 2).view(2, 64, 10)
    assert rung(x).shape == (2, 64, 10)


@torch.no_grad()  # flex_attention has no gradient on a CPU
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_all_forms_of_attention_are_one(number) -> None:
    """Ours with heads stacked, split, fused and summed by einsum, and torch's five, on the same weights."""
    assert number("att-21") == [8, 1024, 768]
    batch, length, dim, num_heads = 2, 24, 48, 12  # the same heads at a sixteenth of the width
    stacked, x = seeded(0, StackedHeads, dim, dim, length, num_heads).eval(), torch.randn(batch, length, dim)
    split = split_from(stacked)
    queries, keys, values = (split.split(part(x)) for part in (split.query, split.key, split.value))
    seen = ~split.mask[:length, :length]
    scores = torch.einsum("bhtd,bhsd->bhts", queries, keys) / math.sqrt(dim / num_heads)
    weights = scores.masked_fill(~seen, -math.inf).softmax(dim=-1)
    torchs = nn.MultiheadAttention(dim, num_heads, bias=False, batch_first=True).eval()
    with torch.no_grad():
        torchs.in_proj_weight.copy_(torch.cat([split.query.weight, split.key.weight, split.value.weight]))
        nn.init.eye_(torchs.out_proj.weight)
    triangle = create_block_mask(lambda b, h, query, key: query >= key, None, None, length, length, device="cpu")
    forms = {
        "split": split(x),
        "ours, fused": split.join(causal_attention(queries, keys, values)),
        "ours, weights": split.join(attention_weights(queries, keys) @ values),
        "einsum": split.join(torch.einsum("bhts,bhsd->bhtd", weights, values)),
        "torch, causal": split.join(F.scaled_dot_product_attention(queries, keys, values, is_causal=True)),
        "torch, mask": split.join(F.scaled_dot_product_attention(queries, keys, values, attn_mask=seen)),
        "torch, module": torchs(x, x, x, attn_mask=~seen)[0],
        "torch, module without weights": torchs(x, x, x, attn_mask=~seen, need_weights=False)[0],
        "torch, flex": split.join(flex_attention(queries, keys, values, block_mask=triangle)),
    }
    for name, form in forms.items():
        torch.testing.assert_close(form, stacked(x), msg=lambda text, name=name: f"{name}: {text}")


# --- what every rung promises


@pytest.mark.parametrize("name", RUNGS)
def test_unbatched_and_batched_are_alike(name: str) -> None:
    rung, x = RUNGS[name](), torch.randn(2, 3, 5, 3)
    assert rung(x).shape == (2, 3, 5, 4)
    for item in range(2):
        torch.testing.assert_close(rung(x)[item, 0], rung(x[item, 0]))
        torch.testing.assert_close(rung.weights(x)[item, 0], rung.weights(x[item, 0]))


@pytest.mark.parametrize("name", RUNGS)
def test_rows_sum_to_one_and_nothing_is_nan(name: str) -> None:
    rung = RUNGS[name]()
    for x in (WORDS, WORDS[:1], WORDS * 1e4, torch.zeros(6, 3)):
        assert rung(x).isfinite().all()
        torch.testing.assert_close(rung.weights(x).sum(dim=-1), torch.ones(rung.weights(x).shape[:-1]))


@pytest.mark.parametrize("name", RUNGS)
def test_every_weight_learns(name: str) -> None:
    rung = RUNGS[name]()
    rung(WORDS).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in rung.parameters())
