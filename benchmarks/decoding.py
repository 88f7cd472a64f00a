"""Writing and reading tokens: one sequence, sixteen together, prompts of 512 tokens"""

from functools import partial
from typing import TYPE_CHECKING

from side_by_side import Contest, Row, main, rate

if TYPE_CHECKING:
    from hornbook.generation.held import Held
    from hornbook.models.base import Model
    from hornbook.models.gpt import GPT

COUNT = 64  # tokens that a turn writes
TOGETHER = 16
LONG = 512  # tokens of a long prompt
HOME_COUNT = 200
AIMS = {"bf16": 75, "int8": 115}  # tokens per second of one sequence
PEERS = {
    "fp32": ("float32", "f32"),
    "bf16": ("bfloat16", "f16"),
    "int8": ("bfloat16", "q8_0"),
    "int4": ("bfloat16", "q4_0"),
}


def rows() -> list[Row]:
    """The rows of this program."""
    size = "GPT-2 124M"
    return [
        *(
            Row(
                f"decode-{bits}",
                f"{size}, one sequence, {bits}",
                "tokens/s",
                partial(one, bits),
                AIMS.get(bits),
                turns=3,
            )
            for bits in PEERS
        ),
        Row("decode-home", "a model of 3 million weights, one sequence", "tokens/s", home, smoke=True),
        Row("decode-together", f"{size}, {TOGETHER} sequences", "tokens/s", partial(together, "fp32"), turns=3),
        Row(
            "decode-together-int8",
            f"{size}, {TOGETHER} sequences, int8",
            "tokens/s",
            partial(together, "int8"),
            turns=3,
        ),
        Row("prefill", f"{size}, reading {LONG} tokens, fp32", "tokens/s", partial(prefill, "fp32"), turns=3),
        Row(
            "prefill-int8", f"{size}, reading {LONG} tokens, int8", "tokens/s", partial(prefill, "int8"), 3000, turns=3
        ),
        Row("decode-copying", f"{size}, a text that repeats itself, drafted from itself", "tokens/s", copying, turns=3),
        Row(
            "next-turn",
            f"{size}, a conversation's next turn of 20 tokens after {LONG}",
            "seconds",
            turn_after,
            None,
            True,
            3,
        ),
    ]


def one(bits: str, contest: Contest) -> None:
    """One sequence of GPT-2's size, greedy, beside the peers at about the same number of bits."""
    import torch
    from decoding_peers import LlamaCpp, writing

    model, (dtype, kind) = gpt2(), PEERS[bits]
    prompt = list(range(100, 116))
    contest.peer(f"transformers {dtype}", lambda: writing(model, getattr(torch, dtype), [prompt], COUNT))
    contest.peer(f"llama.cpp {kind}", lambda: LlamaCpp(model, kind, contest.stack).writing(prompt, COUNT))
    narrowed = with_bits(model, bits)
    contest.turns = {"hornbook": rate(COUNT, lambda: write(narrowed, prompt, COUNT)), **contest.turns}


def home(contest: Contest) -> None:
    """A model as a home machine trains one: what a token costs beside arithmetic."""
    import torch
    from decoding_peers import writing

    from hornbook.models.gpt import GPT, GPTConfig

    config = GPTConfig(vocab_size=4096, context_length=1024, num_layers=6, num_heads=6, embed_dim=192)
    model = GPT(config, torch.Generator().manual_seed(0)).eval()
    prompt = list(range(16))
    contest.add("hornbook", rate(HOME_COUNT, lambda: write(model, prompt, HOME_COUNT)))
    contest.peer("transformers fp32", lambda: writing(model, torch.float32, [prompt], HOME_COUNT))
    contest.facts["weights"] = f"{model.num_parameters():,}"


def together(bits: str, contest: Contest) -> None:
    """Sixteen sequences, as against one: a step reads the weights once for all of them."""
    import torch
    from decoding_peers import writing

    from hornbook.generation.lockstep import Picker, generate_batch
    from hornbook.generation.sampling import Sampling

    whole = gpt2()
    prompts = [list(range(100 + 20 * number, 116 + 20 * number)) for number in range(TOGETHER)]

    def many() -> None:
        pick = Picker(Sampling(temperature=0))
        assert len(list(generate_batch(model, prompts, pick, max_new_tokens=COUNT))) == TOGETHER * COUNT

    contest.add("hornbook", rate(TOGETHER * COUNT, many))
    contest.add("hornbook, one sequence", rate(COUNT, lambda: write(model, prompts[0], COUNT)))
    contest.peer("transformers float32", lambda: writing(whole, torch.float32, prompts, COUNT))
    model = with_bits(whole, bits)


def prefill(bits: str, contest: Contest) -> None:
    """A long prompt, up to the logits of the next token."""
    import torch
    from decoding_peers import LlamaCpp, reading

    whole, kind = gpt2(), "f16" if bits == "fp32" else PEERS[bits][1]
    prompt = list(range(100, 100 + LONG))
    contest.add("hornbook", rate(LONG, lambda: write(model, prompt, 1)))
    contest.peer("transformers float32", lambda: reading(whole, torch.float32, prompt))
    contest.peer("transformers bfloat16", lambda: reading(whole, torch.bfloat16, prompt))
    contest.peer(f"llama.cpp {kind}", lambda: LlamaCpp(whole, kind, contest.stack).reading(prompt))
    model = with_bits(whole, bits)


def copying(contest: Contest) -> None:
    """A random model falls into a loop, as copying does: drafts are right. The tokens are the same."""
    model, prompt = gpt2(), list(range(100, 116))
    assert written(model, prompt, COUNT) == written(model, prompt, COUNT, lookup=True)
    contest.add("with drafts", rate(COUNT, lambda: written(model, prompt, COUNT, lookup=True)))
    contest.add("without", rate(COUNT, lambda: written(model, prompt, COUNT)))


def turn_after(contest: Contest) -> None:
    """The first token of an answer, where the turns before it were read already or not."""
    from side_by_side import seconds

    from hornbook.generation.held import Held

    model, before = gpt2(), list(range(100, 100 + LONG))
    new = list(range(20))
    held = Held()

    def turn() -> None:
        assert first_token(model, [*before, *new], held)

    contest.add("held", seconds(turn))
    contest.add("read again", seconds(lambda: write(model, [*before, *new], 1)))


def gpt2() -> "GPT":
    """A model of GPT-2's smallest size with random weights: speed doesn't ask what they are."""
    import torch

    from hornbook.models.gpt import GPT, GPTConfig

    sizes = {"num_layers": 12, "num_heads": 12, "embed_dim": 768}
    config = GPTConfig(vocab_size=50257, context_length=1024, **sizes)
    return GPT(config, torch.Generator().manual_seed(0)).eval()


def with_bits(model: "GPT", bits: str) -> "Model":
    """The model itself with fewer bits a weight, which leaves nothing of the old matrices."""
    from hornbook.models._precision import narrow

    return narrow(model, bits)


def written(model: "Model", prompt: list[int], count: int, *, lookup: bool = False) -> list[int]:
    """So many tokens, greedily."""
    from hornbook.generation.generate import generate_tokens
    from hornbook.generation.sampling import Sampling

    return list(generate_tokens(model, prompt, Sampling(temperature=0), max_new_tokens=count, seed=0, lookup=lookup))


def write(model: "Model", prompt: list[int], count: int) -> None:
    """Write so many tokens."""
    assert len(written(model, prompt, count)) == count


def first_token(model: "Model", prompt: list[int], held: "Held") -> list[int]:
    """The token after a prompt, of which `held` may hold a part; it holds the whole of it then."""
    import torch

    from hornbook.generation.lockstep import Picker
    from hornbook.generation.lookup import by_lookup
    from hornbook.generation.sampling import Sampling

    with torch.inference_mode():
        context = held.take(model, prompt, len(prompt) + 1)
        context.forget(min(context.length, 20))  # the last turn is a new one every time
        tokens = list(by_lookup(context, prompt, Picker(Sampling(temperature=0)), 1))
        held.give(context)
    return tokens


if __name__ == "__main__":
    main(rows)
