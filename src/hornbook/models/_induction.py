"""A start for attention that can already copy: look back, find the same token again, pass on what stood before it.

"Nora has the kite. ... Who has the kite?" is answered by two layers that work together (induction heads, Olsson et al.
2022): the first brings "Nora" to "kite", where it stands three tokens later; the second looks from the second "kite" to
the first and takes over what was brought there. Each is of no use without the other, so that chance must make both at
once: from ordinary random weights a model of a million parameters does not learn it from a million tokens. Laid out from
the start and then trained like everything else, it takes some 50 steps (docs/log.md). That equal queries and keys, and
an output that undoes the values, are a better start than chance: Trockman and Kolter 2023, "Mimetic initialization".
C embed_dim, H query heads, K key/value heads, D head_dim.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

IN_COMMON = 0.5  # of an embedding's standard deviation: what all tokens share, for heads that look at a distance alone
AVOIDANCE = 0.1  # of the spread of the weights: more, and a token sees nothing of what is near
PAIRS = 4  # of a head's dimensions that tell the distance: the fastest turns, which alone tell neighbours apart


@torch.no_grad()
def lay_out_induction(
    embedding: nn.Embedding,
    projections: Iterable[tuple[nn.Linear, nn.Linear]],
    parts: list[int],
    theta: float,
    generator: torch.Generator | None,
) -> None:
    """Change freshly drawn weights: `projections` are every layer's qkv and output, `parts` its H, K and K heads.

    Head h of the first layer looks h + 1 tokens back. In later layers keys ask what queries ask: a token looks for its
    like elsewhere. Everywhere the output undoes the values, so that what is looked at arrives as it is.
    """
    if embedding.weight.is_meta:
        return
    embedding.weight.add_(IN_COMMON * embedding.weight.std())
    for layer, (qkv, output) in enumerate(projections):
        head_dim = qkv.out_features // sum(parts)
        queries, keys, values = torch.split(qkv.weight.detach(), [count * head_dim for count in parts])
        shared = parts[0] // parts[1]  # query heads to a key/value head
        nn.init.orthogonal_(values, generator=generator)
        passed_on = values.view(-1, head_dim, qkv.in_features).repeat_interleave(shared, dim=0)  # (H, D, C)
        output.weight.copy_(passed_on.flatten(0, 1).T / shared)
        if layer == 0:
            _look_back(queries, keys, head_dim, theta)
        else:
            keys.copy_(queries.view(-1, shared, head_dim, qkv.in_features)[:, 0].flatten(0, 1))
            _look_elsewhere(queries, keys, head_dim)


def _look_back(queries: Tensor, keys: Tensor, head_dim: int, theta: float) -> None:
    """Add to (H D, C) and (K D, C) what makes head h look h + 1 tokens back, whatever the tokens are.

    What all tokens have in common becomes the same query everywhere, and a key that is this query turned as far as the
    rotation turns over h + 1 tokens: they meet at that distance and at no other.
    """
    strength = queries.std()
    pairs = min(PAIRS, head_dim // 2)
    speeds = theta ** (-2 * torch.arange(pairs, device=queries.device) / head_dim)  # radians a token
    heads, key_heads = (weight.view(-1, head_dim, weight.shape[1]) for weight in (queries, keys))
    heads[:, :pairs] += strength
    for head, key in enumerate(key_heads):
        key[:pairs] += strength * (speeds * (head + 1)).cos().unsqueeze(1)
        key[head_dim // 2 : head_dim // 2 + pairs] += strength * (speeds * (head + 1)).sin().unsqueeze(1)


def _look_elsewhere(queries: Tensor, keys: Tensor, head_dim: int) -> None:
    """Change (H D, C) and (K D, C) so that a token finds its like at any distance, and not first of all itself.

    What tells tokens apart is left to the slow half of the turns: the fast half makes noise of it some tokens away.
    There, what all tokens have in common becomes opposite queries and keys instead, which fit worst at distance 0.
    """
    strength = AVOIDANCE * queries.std()
    pairs, slow = min(PAIRS, head_dim // 4), head_dim // 4
    for weight, sign in ((queries, 1), (keys, -1)):
        heads = weight.view(-1, head_dim, weight.shape[1])
        heads[:, :slow] = heads[:, head_dim // 2 : head_dim // 2 + slow] = 0
        heads[:, :pairs] += sign * strength
