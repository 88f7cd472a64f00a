"""Attention that starts able to copy: what the weights do before any training, and what they are good for."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from hornbook.models.llama import Llama, LlamaConfig
from hornbook.optimizers.muon import Muon
from hornbook.randomness import torch_generator

NAMES, THINGS, HAS, WHO = range(12), range(12, 28), 28, 29  # tokens
FACTS = 4


def model(induction: bool = True, **sizes: int) -> Llama:
    """A small one, untied as the quickstart's."""
    sizes = {"num_layers": 2, "num_heads": 2, "embed_dim": 64, **sizes}
    config = LlamaConfig(vocab_size=31, context_length=64, tied_output=False, induction=induction, **sizes)
    return Llama(config, torch_generator(0, "weights"))


@pytest.mark.parametrize("sizes", [{}, {"num_heads": 4, "num_kv_heads": 2}, {"head_dim": 16}, {"rope_theta": 500000}])
def test_heads_of_the_first_layer_look_back_one_token_two_tokens_and_so_on(sizes):
    tokens = torch.randint(31, (4, 40), generator=torch_generator(0, "tokens"))
    small = model(**sizes)
    first = small.attention_weights(tokens)[0].mean(0)  # (H, T, T)
    shared = small.config.num_heads // small.config.num_kv_heads
    for head, weights in enumerate(first):
        looks = [weights.diagonal(-distance)[8:].mean().item() for distance in range(8)]
        assert max(range(8), key=looks.__getitem__) == head // shared + 1, looks
        assert looks[head // shared + 1] > 0.3


@pytest.mark.parametrize("distance", [10, 20, 31])
@pytest.mark.parametrize("sizes", [{}, {"num_heads": 4, "num_kv_heads": 2}, {"head_dim": 16}, {"num_layers": 4}])
def test_later_layers_look_for_the_same_token_again_and_not_at_themselves(sizes, distance):
    # a sequence twice: what stands at the same place of the first half is one of `distance` that a token can look at
    half = torch.randperm(31, generator=torch_generator(0, "tokens"))[:distance]
    for later in model(**sizes).attention_weights(torch.cat([half, half]).unsqueeze(0))[1:]:
        looks = [later[0].diagonal(-far, dim1=-2, dim2=-1)[:, -distance:].mean() for far in range(2 * distance)]
        assert max(range(2 * distance), key=looks.__getitem__) == distance
        assert looks[distance] > 0.1


@pytest.mark.parametrize("sizes", [{}, {"num_heads": 4, "num_kv_heads": 2}, {"head_dim": 16}, {"head_dim": 64}])
def test_what_is_looked_at_arrives_as_it_is(sizes):
    small = model(**sizes)
    width, shared = small.config.embed_dim, small.config.num_heads // small.config.num_kv_heads
    for block in small.blocks:
        values = block.attention.qkv.weight.split([n * small.config.head_dim for n in block.attention.parts])[2]
        heads = values.unflatten(0, (-1, small.config.head_dim)).repeat_interleave(shared, 0).flatten(0, 1)
        passed = block.attention.output.weight @ heads  # (C, C)
        rank = min(width, len(values))
        assert torch.allclose(passed @ passed, passed * passed.diagonal().sum() / rank, atol=1e-5)
        if rank == width and len(values) == width:
            assert torch.allclose(passed, torch.eye(width), atol=1e-5)


def test_the_seed_decides_the_start_and_without_the_setting_nothing_changes():
    assert all(map(torch.equal, model().parameters(), model().parameters()))
    plain, laid_out = model(induction=False).state_dict(), model().state_dict()
    changed = {name for name in plain if not torch.equal(plain[name], laid_out[name])}
    assert changed == {"token_embedding.weight"} | {
        f"blocks.{layer}.attention.{part}.weight" for layer in (0, 1) for part in ("qkv", "output")
    }


def test_a_model_without_storage_is_left_alone():
    with torch.device("meta"):
        assert model().token_embedding.weight.is_meta


def facts_and_questions(step: int) -> torch.Tensor:
    """48 texts "n has t" four times, then "who t n" three times: (48, 21)."""
    generator = torch_generator(0, "facts", step)
    rows = []
    for _ in range(48):
        names = torch.randperm(len(NAMES), generator=generator)[:FACTS]
        things = torch.randperm(len(THINGS), generator=generator)[:FACTS] + THINGS.start
        facts = [token for name, thing in zip(names, things, strict=True) for token in (name, HAS, thing)]
        order = torch.randperm(FACTS, generator=generator)[:3]
        rows.append(facts + [token for at in order for token in (WHO, things[at], names[at])])
    return torch.tensor(rows)


def right_after(steps: int, small: Llama) -> float:
    """Train on the answers alone; the share of first questions that are then answered rightly (by chance 1/4)."""
    optimizer = Muon(learning_rate=0.01, adamw_learning_rate=0.01).build(small.named_parameters())
    answers = slice(3 * FACTS + 1, None, 3)  # the places before the answers
    for step in range(steps):
        rows = facts_and_questions(step)
        logits = small(rows[:, :-1])[:, answers]
        cross_entropy(logits.flatten(0, 1), rows[:, 1:][:, answers].flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()
    rows = facts_and_questions(10_000)
    with torch.no_grad():
        said = small(rows[:, :-1]).argmax(-1)[:, 3 * FACTS + 1]
    return (said == rows[:, 3 * FACTS + 2]).float().mean().item()


def test_who_has_what_is_learned_in_steps_where_it_was_not_learned_at_all():
    sizes = {"num_heads": 4, "embed_dim": 128}  # narrower, there is no room for what is passed on beside what was there
    assert right_after(60, model(induction=True, **sizes)) > 0.9
    assert right_after(60, model(induction=False, **sizes)) < 0.5
