"""What every model on the shelf promises, whatever its kind."""

from functools import cache as remember

import pytest
import torch

from hornbook import discovery
from hornbook.models.base import Model, ModelConfig, SelfAttention

KINDS = discovery.names("models")
VOCAB, CONTEXT = 17, 24
VARIANTS: dict[str, list[dict[str, object]]] = {
    "gpt": [
        {},
        {"positions": "none", "biases": "none", "tied_output": False},
        {"positions": "sinusoidal", "activation": "relu", "norm": "after"},
        {"positions": "rotary", "activation": "gelu"},
        {"positions": "alibi"},
        {"positions": "relative", "norm": "after", "tied_output": False},
    ],
    "llama": [{}, {"qk_norm": False, "tied_output": False}, {"num_kv_heads": 2}, {"num_kv_heads": 1, "head_dim": 16}],
}
CASES = [(kind, choice) for kind in KINDS for choice in range(len(VARIANTS.get(kind, [{}])))]


def small_config(kind: str, choice: int = 0, **more: object) -> ModelConfig:
    config_class = discovery.find("models", kind).config_class
    sizes = {"num_layers": 2, "num_heads": 4, "embed_dim": 32}
    fitting = {key: value for key, value in sizes.items() if key in config_class.model_fields}
    chosen = VARIANTS.get(kind, [{}])[choice]
    return config_class(vocab_size=VOCAB, context_length=CONTEXT, **fitting | chosen | more)


@remember
def small_model(kind: str, choice: int = 0) -> Model:
    """A model with weights large enough that every part of it matters."""
    model = discovery.find("models", kind)(small_config(kind, choice), torch.Generator().manual_seed(1)).eval()
    generator = torch.Generator().manual_seed(2)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=0.2, std=0.3, generator=generator)
    return model


def random_tokens(batch_size: int = 2, length: int = CONTEXT) -> torch.Tensor:
    return torch.randint(0, VOCAB, (batch_size, length), generator=torch.Generator().manual_seed(3))


def value_heads(attention: SelfAttention) -> int:
    """How many heads have values of their own."""
    return getattr(attention, "parts", [4])[-1]


def out_size(attention: SelfAttention) -> int:
    """D, of four heads."""
    return attention.output.in_features // 4


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_that_can_not_be_read_are_explained(kind: str) -> None:
    model = small_model(kind)
    with pytest.raises(TypeError, match="tokens must be integers"):
        model(torch.zeros(1, 3))
    for wrong in (VOCAB, -1):
        with pytest.raises(ValueError, match=f"token {wrong} is outside the vocabulary of {VOCAB}"):
            model(torch.tensor([[0, wrong]]))
    with pytest.raises(ValueError, match=f"{CONTEXT + 1} tokens are longer than the context of {CONTEXT}"):
        model(torch.zeros(1, CONTEXT + 1, dtype=torch.long))
    cache = model.new_cache(1, length=2 * CONTEXT)
    model(random_tokens(1), cache)
    with pytest.raises(ValueError, match=f"{CONTEXT} tokens and 1 more"):
        model(random_tokens(1, 1), cache)


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_settings_are_errors_and_configs_are_frozen(kind: str) -> None:
    with pytest.raises(ValueError, match="extra"):
        small_config(kind, embedding_size=3)
    with pytest.raises(ValueError, match="frozen"):
        small_config(kind).vocab_size = 4  # type: ignore[misc]


@pytest.mark.parametrize(("kind", "choice"), CASES)
def test_shapes(kind: str, choice: int) -> None:
    model, tokens = small_model(kind, choice), random_tokens()
    hidden = model.hidden(tokens)
    assert hidden.shape[:2] == tokens.shape
    assert model(tokens).shape == (*tokens.shape, VOCAB)
    assert torch.equal(model.logits(hidden), model(tokens))
    assert model(tokens).dtype == torch.float32


@pytest.mark.parametrize(("kind", "choice"), CASES)
def test_the_future_is_unseen(kind: str, choice: int) -> None:
    model, tokens = small_model(kind, choice), random_tokens()
    changed = tokens.clone()
    changed[:, 10:] = (changed[:, 10:] + 1) % VOCAB
    before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :10], after[:, :10])
    assert not torch.isclose(before[:, 10:], after[:, 10:]).all()


@pytest.mark.parametrize(("kind", "choice"), CASES)
@pytest.mark.parametrize("pieces", [(1,) * CONTEXT, (5, 1, 1, 7, 10), (23, 1), (1, 23), (24,)])
def test_a_cache_changes_nothing(kind: str, choice: int, pieces: tuple[int, ...]) -> None:
    model, tokens = small_model(kind, choice), random_tokens()
    cache = model.new_cache(2)
    read = torch.cat([model(piece, cache) for piece in tokens.split(pieces, dim=1)], dim=1)
    torch.testing.assert_close(read, model(tokens), atol=2e-5, rtol=1e-4)
    assert cache.length == CONTEXT


@pytest.mark.parametrize(("kind", "choice"), CASES)
def test_a_truncated_cache_goes_on_from_there(kind: str, choice: int) -> None:
    model, tokens = small_model(kind, choice), random_tokens()
    cache = model.new_cache(2)
    model(tokens[:, :20], cache)
    cache.truncate(8)
    torch.testing.assert_close(model(tokens[:, 8:15], cache), model(tokens[:, :15])[:, 8:], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(("kind", "choice"), CASES)
def test_attention_weights_are_shares_of_what_came_before(kind: str, choice: int) -> None:
    model, tokens = small_model(kind, choice), random_tokens(3, 10)
    attentions = [module for module in model.modules() if isinstance(module, SelfAttention)]
    layers = model.attention_weights(tokens)
    assert len(layers) == len(attentions) == getattr(model.config, "num_layers", 0)
    for weights in layers:
        assert weights.shape == (3, 4, 10, 10)
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(3, 4, 10))
        assert not weights.triu(1).any()
        assert not weights.requires_grad
        assert weights.std(dim=-1)[..., -1].min() > 1e-4  # not merely even shares


@pytest.mark.parametrize(("kind", "choice"), CASES)
def test_attention_weights_are_those_that_forward_applies(kind: str, choice: int) -> None:
    model, tokens = small_model(kind, choice), random_tokens(2, 10)
    seen: list[tuple[SelfAttention, tuple[object, ...], torch.Tensor]] = []
    attentions = [module for module in model.modules() if isinstance(module, SelfAttention)]
    hooks = [module.register_forward_hook(lambda *call: seen.append(call)) for module in attentions]
    layers = model.attention_weights(tokens)
    for hook in hooks:
        hook.remove()
    for (attention, (x, *_), out), weights in zip(seen, layers, strict=True):
        values = attention.qkv(x).flatten(2).unflatten(-1, (-1, out_size(attention)))  # (B, T, parts, D)
        values = values.transpose(1, 2)[:, -value_heads(attention) :]
        mixed = weights @ values.repeat_interleave(4 // value_heads(attention), dim=1)
        torch.testing.assert_close(attention.output(mixed.transpose(1, 2).flatten(2)), out, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("kind", "choice"), CASES)
def test_looking_at_attention_leaves_no_trace(kind: str, choice: int) -> None:
    model, tokens = discovery.find("models", kind)(small_config(kind, choice)), random_tokens(2, 10)
    before = model.eval()(tokens)
    for training in (True, False):
        model.train(training)
        model.attention_weights(tokens)
        assert all(module.training == training for module in model.modules())
        assert not any(module._forward_pre_hooks for module in model.modules())
    assert torch.equal(model(tokens), before)
    with pytest.raises(ValueError, match="outside the vocabulary"):
        model.attention_weights(torch.tensor([[VOCAB]]))
    assert not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize(("kind", "choice"), CASES)
def test_weights_are_a_function_of_the_generator(kind: str, choice: int) -> None:
    model_class, config = discovery.find("models", kind), small_config(kind, choice)
    first, second = (model_class(config, torch.Generator().manual_seed(5)).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(("kind", "choice"), CASES)
def test_an_untrained_model_guesses_evenly(kind: str, choice: int) -> None:
    model = discovery.find("models", kind)(small_config(kind, choice), torch.Generator().manual_seed(5))
    assert model(random_tokens()).abs().max() < 1.0


@pytest.mark.parametrize(("kind", "choice"), CASES)
def test_every_weight_learns_and_every_tensor_is_stored(kind: str, choice: int) -> None:
    model = discovery.find("models", kind)(small_config(kind, choice), torch.Generator().manual_seed(5))
    torch.nn.functional.cross_entropy(model(random_tokens()).flatten(0, 1), random_tokens().flatten()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert set(model.state_dict()) == {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize(("kind", "choice"), CASES)
def test_half_precision_works_whole_and_by_autocast(kind: str, choice: int) -> None:
    model, tokens = small_model(kind, choice), random_tokens()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = model(tokens, model.new_cache(2))
    half = discovery.find("models", kind)(model.config).to(torch.bfloat16)
    assert half(tokens, half.new_cache(2)).dtype == torch.bfloat16
    torch.testing.assert_close(mixed.float(), model(tokens), atol=0.5, rtol=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_built_on_the_meta_device(kind: str) -> None:
    with torch.device("meta"):
        model = discovery.find("models", kind)(small_config(kind))
    assert all(parameter.is_meta for parameter in model.parameters())
    assert model.num_parameters() == small_model(kind).num_parameters()
