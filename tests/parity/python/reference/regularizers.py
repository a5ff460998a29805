"""LPR's regularisers without weights: diversity (equation 14, table 6), KL to the prior (13), alignment (15-17)."""

import torch
from torch import Tensor

from .tensors import one_hot, squared_distances, unit_rows


def orthogonality(rows: Tensor, normalise: bool, average: bool) -> Tensor:
    """|A A^T - I|_F^2, or the mean over the N^2 entries; of the rows as they are or divided by their norm.

    The paper: neither. The released code: both.
    """
    a = unit_rows(rows) if normalise else rows
    squares = (a @ a.T - torch.eye(len(a), dtype=a.dtype)).square()
    return squares.mean() if average else squares.sum()


def _mean_of_pairs(values: Tensor) -> Tensor:
    """Mean of the entries off the diagonal."""
    count = len(values)
    return values[~torch.eye(count, dtype=torch.bool)].sum() / (count * (count - 1))


def mean_cosine(rows: Tensor) -> Tensor:
    unit = unit_rows(rows)
    return _mean_of_pairs(unit @ unit.T)


def negative_mean_distance(rows: Tensor) -> Tensor:
    # A row's distance to itself is left out; the 1 keeps the gradient of its root finite.
    return -_mean_of_pairs(torch.sqrt(squared_distances(rows, rows) + torch.eye(len(rows), dtype=rows.dtype)))


def kl_to_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """Equation 13: mean over tokens of 1/2 sum_d (mu^2 + sigma^2 - ln sigma^2 - 1)."""
    return 0.5 * (mu.square() + logvar.exp() - logvar - 1).sum(-1).mean()


def alignment_of_mixture(z: Tensor, mixed: Tensor) -> Tensor:
    """Equations 15-17: |stopgrad(z) - P K|^2, summed; a gradient flows through P, the softmax over all scores, too."""
    return (z.detach() - mixed).square().sum()


def assignment(scores: Tensor, experts: Tensor, fill: float) -> Tensor:
    """Softmax over all experts of the chosen scores, with `fill` in place of all others; without gradient.

    The released code fills with 0; minus infinity leaves all mass with the chosen.
    """
    chosen = one_hot(experts, scores.shape[1], scores).sum(1).bool()
    return torch.softmax(scores.detach().masked_fill(~chosen, fill), -1)


def alignment_of_sums(keys: Tensor, z: Tensor, shares: Tensor) -> Tensor:
    """The released code's: mean |k - sum_t share_te z_t| over all entries; only the keys have a gradient."""
    return (keys - (shares.T @ z).detach()).abs().mean()


def alignment_of_assigned(keys: Tensor, latents: Tensor, experts: Tensor, directions: bool) -> Tensor:
    """Mean over the experts with tokens of the squared distance of their prototype to the mean of their tokens.

    With `directions` the squared distance of unit vectors: of the prototype, and of the mean of unit latents. Otherwise
    the mean over dimensions. Only the keys have a gradient. (Neither the paper's nor the released code's.)
    """
    terms = []
    for e in range(len(keys)):
        own = latents[(experts == e).any(-1)].detach()
        if len(own) == 0:
            continue
        if directions:
            terms.append((unit_rows(keys[e]) - unit_rows(unit_rows(own).mean(0))).square().sum())
        else:
            terms.append((keys[e] - own.mean(0)).square().mean())
    return torch.stack(terms).mean()
