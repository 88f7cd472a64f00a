"""AdamW: each weight's step is its gradient's running mean over the root of its running square; decay acts beside it.

Source: Loshchilov and Hutter 2019, "Decoupled weight decay regularization".
"""

from collections.abc import Iterable

import torch

from hornbook.optimizers.base import Named, OptimizerRecipe, decay_groups, trainable


class AdamW(OptimizerRecipe):
    """torch's own AdamW with decay on matrices only: GPT-2's and Llama's optimizer."""

    def build(self, named_parameters: Iterable[Named]) -> torch.optim.Optimizer:
        """Fused: one kernel for all weights, on a CPU three to four times as fast as a loop over them."""
        groups = decay_groups(trainable(named_parameters), self.learning_rate, self.weight_decay)
        return torch.optim.AdamW(
            groups, lr=self.learning_rate, betas=(self.beta1, self.beta2), eps=self.eps, fused=True
        )
