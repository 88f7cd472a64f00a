"""Models that don't fit into one process: torch's FSDP2 keeps one part of every tensor's rows in each.

A block's rows come together when it computes and part again after it; gradients are summed where their rows are kept.
A tensor of R rows on N processes: process r keeps rows r * ceil(R / N) up to the next one's.
"""

from torch import nn

from hornbook.models.base import Model
from hornbook.training.distributed import World


def shard(model: nn.Module, world: World) -> None:
    """Part the model's tensors among the processes, in place: each block by itself, and all that is outside of blocks."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(next(model.parameters()).device.type, (world.size,))
    for block in getattr(model, "blocks", ()):
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh, reshard_after_forward=True)  # or an evaluation would leave the outer tensors whole
    if isinstance(model, Model):
        register_fsdp_forward_method(model, "pass_through")
    assert isinstance(model, FSDPModule)
    for part in model.modules():
        if isinstance(part, FSDPModule):
            part.set_gradient_divide_factor(1.0)  # a sum: the loss is divided by the count of all tokens already
            part.set_force_sum_reduction_for_comms(True)  # gloo knows no other
