"""A model in parts on two processes: the loss in chunks and recomputed blocks give what the plain pass gives."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import torch
from hornbook.layers import loss
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.sharded import is_sharded, whole
from hornbook.training.blocks import running
from hornbook.training.distributed import joined
from hornbook.training.sharding import shard

torch.set_num_threads(1)
sizes = dict(vocab_size=301, context_length=16, num_layers=2, num_heads=2, embed_dim=32, dropout=0.1)


def found(world, tied, pays_from, recompute):
    loss.PAYS_FROM = pays_from
    model = GPT(GPTConfig(**sizes, tied_output=tied), torch.Generator().manual_seed(1)).train()
    shard(model, world)
    tokens = torch.randint(301, (4, 16), generator=torch.Generator().manual_seed(5 + world.rank))
    for _ in range(2):  # the second pass finds what the first one left
        model.zero_grad(set_to_none=True)
        torch.manual_seed(7)
        with running(model, recompute=recompute):
            total, _ = loss.next_token_loss(model, tokens, tokens.flip(1))
            (total / 64).backward()
    with torch.no_grad():
        seen, _ = loss.next_token_loss(model.eval(), tokens, tokens.flip(1))
    assert is_sharded(model)
    return [total.detach(), seen, *(whole(parameter.grad) for parameter in model.parameters())]


with joined() as world:
    for tied in (True, False):
        plain = found(world, tied, 1 << 40, False)
        for recompute in (False, True):
            torch.testing.assert_close(found(world, tied, 0, recompute), plain, rtol=1e-5, atol=1e-6)
"""


@pytest.mark.slow
def test_two_processes_with_half_a_model_each(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = subprocess.run(launch, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
