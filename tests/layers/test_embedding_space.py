"""Nearness and the plane of embeddings, against torch's and numpy's own."""

import numpy as np
import torch
from torch.nn import functional as F

from hornbook.layers.embedding_space import nearest, principal_plane

VECTORS = torch.randn(40, 6, generator=torch.Generator().manual_seed(1))


def test_nearest_is_by_torchs_cosine_and_leaves_itself_out() -> None:
    found, cosines = nearest(VECTORS, [3, 17], 5)
    for row, number in enumerate([3, 17]):
        expected = F.cosine_similarity(VECTORS, VECTORS[number : number + 1])
        expected[number] = -2
        best = expected.topk(5)
        assert found[row].tolist() == best.indices.tolist()
        torch.testing.assert_close(cosines[row], best.values)


def test_lengths_do_not_matter_and_nothing_is_near_zero() -> None:
    vectors = torch.tensor([[1.0, 0.0], [5.0, 0.1], [0.9, 0.9], [0.0, 0.0]])
    found, cosines = nearest(vectors, [0, 3], 99)
    assert found[0].tolist()[:2] == [1, 2]
    assert found.shape == (2, 3)
    assert cosines[1].tolist() == [0, 0, 0]


def test_the_plane_is_that_of_the_covariance() -> None:
    points, shares = principal_plane(VECTORS)
    variances, directions = np.linalg.eigh(np.cov(VECTORS.double().numpy(), rowvar=False))
    for axis in range(2):
        expected = (VECTORS.double().numpy() - VECTORS.double().numpy().mean(0)) @ directions[:, -1 - axis]
        np.testing.assert_allclose(np.abs(points[:, axis].numpy()), np.abs(expected), atol=1e-6)
        assert points[points[:, axis].abs().argmax(), axis] > 0
    np.testing.assert_allclose(shares.numpy(), variances[::-1][:2] / variances.sum(), atol=1e-6)


def test_few_and_equal_vectors_have_a_plane_too() -> None:
    for vectors in (torch.ones(1, 4), torch.ones(3, 4), torch.ones(5, 1)):
        points, shares = principal_plane(vectors)
        assert points.shape == (len(vectors), 2)
        assert points.abs().max() == 0
        assert shares.tolist() == [0, 0]
