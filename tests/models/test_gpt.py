"""GPT: what its config refuses, published parameter counts, where the norm stands, how it starts."""

import pytest
import torch

from hornbook.layers.loss import mean_loss
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.models.gpt import GPT, GPTConfig, Places

GPT_2 = {"vocab_size": 50257, "context_length": 1024, "biases": "all_but_qkv"}
SIZES = {"small": (768, 12, 12), "medium": (1024, 24, 16), "large": (1280, 36, 20), "xl": (1600, 48, 25)}
WITH_ALL_BIASES = {  # untied and tied, as OpenAI's weights have them
    "small": (163037184, 124439808),
    "medium": (406286336, 354823168),
    "large": (838359040, 774030080),
    "xl": (1638022400, 1557611200),
}


def count(**settings: object) -> int:
    with torch.device("meta"):
        return GPT(GPTConfig(**settings)).num_parameters()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"embed_dim": 10, "num_heads": 4}, "embed_dim 10 is not divisible by num_heads 4"),
        ({"embed_dim": 9, "num_heads": 3, "positions": "sinusoidal"}, "embed_dim 9 is odd"),
        ({"embed_dim": 12, "num_heads": 4, "positions": "rotary"}, "embed_dim / num_heads = 3 is odd"),
        ({"positions": "absolute"}, "'learned', 'sinusoidal', 'rotary', 'alibi', 'relative' or 'none'"),
        ({"norm": "none"}, "'before' or 'after'"),
        ({"activation": "swish"}, "'gelu_tanh', 'gelu' or 'relu'"),
        ({"dropout": 1.0}, "less than 1"),
        ({"num_layers": 0}, "greater than 0"),
    ],
)
def test_impossible_settings_are_explained(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GPTConfig(vocab_size=9, **settings)


def shape_of(size: str) -> dict[str, object]:
    return GPT_2 | dict(zip(("embed_dim", "num_layers", "num_heads"), SIZES[size], strict=True))


@pytest.mark.parametrize("size", SIZES)
def test_published_parameter_counts(number, size: str) -> None:
    untied, tied, megabytes = number("gpt-05")[size]
    shape = shape_of(size)
    assert (count(**shape, tied_output=False), count(**shape)) == (untied, tied)
    assert untied * 4 / 1024**2 == pytest.approx(megabytes, abs=0.005)  # four bytes each, in float32
    shape["biases"] = "all"
    assert (count(**shape, tied_output=False), count(**shape)) == WITH_ALL_BIASES[size]


def test_published_small_model(number) -> None:
    expected = number("gpt-04")
    with torch.device("meta"):
        model = GPT(GPTConfig(**shape_of("small"), dropout=0.1, tied_output=False))
    assert model.num_parameters() == expected["total"]
    assert model.num_parameters() - model.output.weight.numel() == expected["tied"]
    assert sum(parameter.nbytes for parameter in model.parameters()) / 1024**2 == pytest.approx(
        expected["size_mb"], abs=0.005
    )
    shapes = list(model.token_embedding.weight.shape), list(model.output.weight.shape)
    assert shapes == (expected["tok_emb"], expected["out_head"])


def test_a_shorter_context_is_smaller() -> None:
    assert count(**shape_of("small") | {"context_length": 256}, tied_output=False) == 162419712


def test_nanogpt_counts(number) -> None:
    """Its character models; it reports all weights but the positions."""
    expected = number("nano-04")
    shape = {"vocab_size": 65, "biases": "none"}
    total = count(**shape, context_length=256, embed_dim=384, num_layers=6, num_heads=6)
    assert (total, total - 256 * 384) == (expected["total"], expected["reported"])
    small = count(**shape, context_length=64, embed_dim=128, num_layers=4, num_heads=4)
    assert small - 64 * 128 == expected["cpu_reported"]


@pytest.mark.parametrize(("vocab_size", "name"), [(30, "chars"), (9959, "words")])
def test_mixa_counts(number, vocab_size: int, name: str) -> None:
    """The diploma project's: norm after, ReLU, no query, key and value biases, whatever the number of heads.

    Its output layer has a bias too, one number a token, which no GPT here has.
    """
    shape = {"context_length": 256, "embed_dim": 384, "num_layers": 6, "biases": "all_but_qkv", "tied_output": False}
    for num_heads in (6, 96):
        ours = count(**shape, vocab_size=vocab_size, num_heads=num_heads, norm="after", activation="relu")
        assert ours + vocab_size == number("mixa-08")[f"gpt_{name}"]
    with torch.device("meta"):
        bigram = Bigram(BigramConfig(vocab_size=vocab_size))
    assert bigram.num_parameters() == number("mixa-08")[f"bigram_{name}"]


def test_sinusoidal_positions_are_not_trained() -> None:
    model = GPT(GPTConfig(vocab_size=5, context_length=8, embed_dim=16, positions="sinusoidal"))
    assert not any("position" in name for name, _ in model.named_parameters())
    assert not model.position_table.requires_grad


def test_tokens_are_heard_beside_the_sines() -> None:
    """Embeddings start at 0.02 and sines have a size of 0.7, so the embeddings come in times the root of C."""
    model = GPT(GPTConfig(vocab_size=50, embed_dim=64, num_layers=1, positions="sinusoidal"))
    came_in: list[torch.Tensor] = []
    model.blocks[0].register_forward_pre_hook(lambda block, arguments: came_in.append(arguments[0]))
    tokens = torch.tensor([[7, 3]])
    model(tokens)
    torch.testing.assert_close(came_in[0], 8 * model.token_embedding(tokens) + model.position_table[:2])


@pytest.mark.parametrize(("tied", "expected"), [(False, 0.5), (True, 0.02)])
def test_embeddings_that_are_not_the_output_start_large(tied: bool, expected: float) -> None:
    model = GPT(GPTConfig(vocab_size=50, embed_dim=128, tied_output=tied), torch.Generator().manual_seed(0))
    assert model.token_embedding.weight.std().item() == pytest.approx(expected, rel=0.05)
    assert model.position_embedding.weight.std().item() == pytest.approx(expected, rel=0.05)


def test_residual_projections_start_smaller() -> None:
    model = GPT(GPTConfig(vocab_size=50, num_layers=8, embed_dim=128), torch.Generator().manual_seed(0))
    weights = dict(model.named_parameters())
    assert weights["blocks.0.attention.qkv.weight"].std().item() == pytest.approx(0.02, rel=0.05)
    assert weights["blocks.0.attention.output.weight"].std().item() == pytest.approx(0.02 / 4, rel=0.05)
    assert weights["blocks.7.feed_forward.down.weight"].std().item() == pytest.approx(0.02 / 4, rel=0.05)
    assert not weights["blocks.0.attention.qkv.bias"].any()


def test_norm_before_and_after_are_their_formulas() -> None:
    x = torch.randn(2, 5, 32)
    for norm in ("before", "after"):
        model = GPT(GPTConfig(vocab_size=9, embed_dim=32, num_layers=1, norm=norm)).eval()
        block, places = model.blocks[0], Places()
        for parameter in block.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        if norm == "before":
            middle = x + block.attention(block.attention_norm(x), places, 0, None)
            expected = middle + block.feed_forward(block.feed_forward_norm(middle))
        else:
            middle = block.attention_norm(x + block.attention(x, places, 0, None))
            expected = block.feed_forward_norm(middle + block.feed_forward(middle))
        torch.testing.assert_close(block(x, places, 0, None), expected)


def test_norm_after_is_torchs_original_transformer() -> None:
    """Against `nn.TransformerEncoderLayer` with a causal mask, which is the original's decoder without its encoder."""
    model = GPT(GPTConfig(vocab_size=9, embed_dim=32, num_heads=4, num_layers=1, norm="after", activation="relu"))
    block, x = model.eval().blocks[0], torch.randn(2, 6, 32)
    theirs = torch.nn.TransformerEncoderLayer(32, 4, 128, dropout=0.0, batch_first=True).eval()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    attention, feed_forward = block.attention, block.feed_forward
    pairs = {
        "self_attn.in_proj_": attention.qkv,
        "self_attn.out_proj.": attention.output,
        "linear1.": feed_forward.up,
        "linear2.": feed_forward.down,
        "norm1.": block.attention_norm,
        "norm2.": block.feed_forward_norm,
    }
    names = ("weight", "bias")
    theirs.load_state_dict({there + name: getattr(ours, name) for there, ours in pairs.items() for name in names})
    mask = torch.nn.Transformer.generate_square_subsequent_mask(6)
    torch.testing.assert_close(block(x, Places(), 0, None), theirs(x, src_mask=mask), atol=1e-5, rtol=1e-4)


def test_norm_after_ends_in_a_blocks_norm_and_starts_unscaled() -> None:
    model = GPT(GPTConfig(vocab_size=50, num_layers=8, norm="after"), torch.Generator().manual_seed(0))
    names = dict(model.named_parameters())
    assert not any("final_norm" in name for name in names)
    hidden = model.hidden(torch.randint(0, 50, (2, 9)))
    torch.testing.assert_close(hidden.mean(dim=-1), torch.zeros(2, 9), atol=1e-5, rtol=0)
    torch.testing.assert_close(hidden.std(dim=-1, correction=0), torch.ones(2, 9), atol=1e-2, rtol=0)
    # the sum of all layers' results, which a smaller start keeps small, doesn't exist here
    assert names["blocks.7.feed_forward.down.weight"].std().item() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(
    ("positions", "norm"), [("sinusoidal", "after"), ("rotary", "after"), ("relative", "before"), ("alibi", "before")]
)
def test_every_arrangement_learns(positions: str, norm: str) -> None:
    """A round of five tokens, where guessing evenly costs ln 5 = 1.6: after 30 steps the next one is fairly sure."""
    config = GPTConfig(vocab_size=5, embed_dim=32, num_layers=1, norm=norm, activation="relu", positions=positions)
    model, tokens = GPT(config, torch.Generator().manual_seed(0)), torch.arange(31).remainder(5)[None]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        mean_loss(model(tokens[:, :-1]), tokens[:, 1:]).backward()
        optimizer.step()
    assert mean_loss(model(tokens[:, :-1]), tokens[:, 1:]).item() < 0.2


def test_dropout_acts_in_training_only() -> None:
    model, tokens = GPT(GPTConfig(vocab_size=50, dropout=0.5)), torch.randint(0, 50, (1, 8))
    assert not torch.equal(model(tokens), model(tokens))
    model.eval()
    assert torch.equal(model(tokens), model(tokens))


def test_dropout_is_behind_the_feed_forward_part() -> None:
    """Of its results some are dropped, the others doubled; what came in is left whole."""
    block, x = GPT(GPTConfig(vocab_size=9, embed_dim=32, num_layers=1, dropout=0.5)).blocks[0], torch.randn(2, 9, 32)
    for layer in (block.attention.output, block.feed_forward.down):
        torch.nn.init.zeros_(layer.weight)
    torch.nn.init.ones_(block.feed_forward.down.bias)
    added = (block(x, Places(), 0, None) - x).round(decimals=4)
    assert added.unique().tolist() == [0, 2]
    torch.testing.assert_close(block.eval()(x, Places(), 0, None), x + 1)
