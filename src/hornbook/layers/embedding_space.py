"""The space that embeddings lie in: which are near each other, and a plane on which most of it can be seen.

N vectors, C embed_dim, K neighbours.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def nearest(vectors: Tensor, asked: Sequence[int], count: int) -> tuple[Tensor, Tensor]:
    """The `count` vectors with the largest cosine to each of those asked for, themselves left out.

    In: vectors (N, C), numbers of K of them. Out: numbers (K, count) and cosines (K, count), nearest first; fewer
    where there are not so many others. A vector of zeros is near nothing: its cosines are 0.
    """
    directions = F.normalize(vectors.float(), dim=-1)
    rows = torch.tensor(asked, device=vectors.device)
    cosines = directions[rows] @ directions.T  # (K, N)
    cosines.scatter_(1, rows[:, None], -torch.inf)
    found = cosines.topk(min(count, len(vectors) - 1), dim=-1)
    return found.indices, found.values


def principal_plane(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The plane in which the vectors spread most (principal components): (N, C) -> points (N, 2), shares (2,).

    Shares are the part of all variance that each direction holds. The largest coordinate in each direction is
    positive, so that the same vectors always give the same picture.
    """
    centred = vectors.double() - vectors.double().mean(dim=0)
    u, sizes, _ = torch.linalg.svd(centred, full_matrices=False)
    points = F.pad(u * sizes, (0, 2))[:, :2]  # with zeros where there is no second direction
    points = points * torch.where(points.gather(0, points.abs().argmax(0, keepdim=True)) < 0, -1.0, 1.0)
    variances = F.pad(sizes**2, (0, 2))
    return points, variances[:2] / variances.sum().clamp(min=1e-300)
