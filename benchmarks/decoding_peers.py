"""The peers of `decoding.py`: transformers and llama.cpp with a model of the same sizes, as turns that can be timed."""

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from side_by_side import Absent, Turn, rate

from hornbook.commands._llama_cpp import Absent as NotHere
from hornbook.commands._llama_cpp import find_llama_cpp
from hornbook.errors import UserError
from hornbook.models.gpt import GPT
from hornbook.tokenizers.bpe import BPE
from hornbook.weights.gguf import write_gguf

SCRIPT = Path(__file__).with_name("decoding_llama_cpp.mjs")


def foreign_gpt2(model: GPT, dtype: torch.dtype) -> Any:
    """GPT-2 of transformers with the same sizes; its weights are its own random ones."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = model.config
    settings = GPT2Config(
        vocab_size=config.vocab_size,
        n_positions=config.context_length,
        n_embd=config.embed_dim,
        n_layer=config.num_layers,
        n_head=config.num_heads,
        eos_token_id=None,
        bos_token_id=None,
    )
    return GPT2LMHeadModel(settings).to(dtype).eval()


def writing(model: GPT, dtype: torch.dtype, prompts: Sequence[Sequence[int]], count: int) -> Turn:
    """Tokens per second that transformers' `generate` writes, greedily and with its cache."""
    peer, tokens = foreign_gpt2(model, dtype), torch.tensor(prompts)
    settings = {"max_new_tokens": count, "min_new_tokens": count, "do_sample": False, "pad_token_id": 0}

    def work() -> None:
        with torch.inference_mode():
            peer.generate(tokens, attention_mask=torch.ones_like(tokens), **settings)

    return rate(count * len(prompts), work)


def reading(model: GPT, dtype: torch.dtype, prompt: Sequence[int]) -> Turn:
    """Tokens per second of transformers' pass over a prompt that gives the next token's logits and fills a cache."""
    peer, tokens = foreign_gpt2(model, dtype), torch.tensor([prompt])

    def work() -> None:
        with torch.inference_mode():
            peer(tokens, use_cache=True, logits_to_keep=1)

    return rate(len(prompt), work)


class LlamaCpp:
    """llama.cpp in a process of its own with our model in a file of `kind`: f32, f16, q8_0 or q4_0."""

    def __init__(self, model: GPT, kind: str, stack: ExitStack) -> None:
        """Errors: `Absent` where node-llama-cpp isn't installed."""
        try:
            found = find_llama_cpp()
        except NotHere as reason:
            raise Absent(str(reason)) from None
        try:
            tokenizer = BPE.named("gpt2")
        except UserError as reason:
            raise Absent(str(reason)) from None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_gguf(folder / "model.gguf", model, tokenizer, kind)
        threads = os.environ.get("OMP_NUM_THREADS") or str(torch.get_num_threads())
        command = [found.node, str(SCRIPT), str(found.folder), str(folder / "model.gguf"), threads]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        stack.callback(self.close)
        assert self._line() == "ready"

    def ask(self, prompt: Sequence[int], count: int) -> dict[str, float]:
        """Seconds of reading the prompt and of writing the tokens after the first."""
        assert self.process.stdin is not None
        print(json.dumps({"prompt": list(prompt), "newTokens": count}), file=self.process.stdin, flush=True)
        answer: dict[str, float] = json.loads(self._line())
        return answer

    def writing(self, prompt: Sequence[int], count: int) -> Turn:
        """Tokens per second of writing `count` after a prompt."""

        def turn() -> float:
            found = self.ask(prompt, count + 1)
            return found["count"] / found["write"]

        return turn

    def reading(self, prompt: Sequence[int]) -> Turn:
        """Tokens per second of reading a prompt."""
        return lambda: len(prompt) / self.ask(prompt, 2)["read"]

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()
