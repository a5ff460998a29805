"""Prototypes as moving averages of the latents assigned to them. Each takes and gives what one step changes."""

import torch
from torch import Tensor

from .measures import SMALLEST_VARIANCE

SMALLEST_COUNT = 1e-6


def hard(keys: Tensor, z: Tensor, experts: Tensor, decay: float) -> Tensor:
    """k_e <- decay k_e + (1 - decay) mean of z over the tokens of e; a prototype without tokens stays."""
    moved = keys.clone()
    for e in range(len(keys)):
        own = z[(experts == e).any(-1)]
        if len(own) > 0:
            moved[e] = decay * keys[e] + (1 - decay) * own.mean(0)
    return moved


def soft(keys: Tensor, z: Tensor, scores: Tensor, decay: float) -> Tensor:
    """The same with the mean over all tokens, weighted by the softmax over all scores."""
    shares = torch.softmax(scores, -1)
    return decay * keys + (1 - decay) * (shares.T @ z) / shares.sum(0)[:, None]


def decayed(sums: Tensor, counts: Tensor, z: Tensor, shares: Tensor, decay: float) -> tuple[Tensor, Tensor, Tensor]:
    """The released code's: decayed sums and counts of an assignment `[T, M]`; their quotient are the prototypes."""
    sums = decay * sums + (1 - decay) * shares.T @ z
    counts = decay * counts + (1 - decay) * shares.sum(0)
    return sums, counts, sums / counts[:, None].clamp_min(SMALLEST_COUNT)


def decayed_gaussians(
    means: Tensor, squares: Tensor, counts: Tensor, mu: Tensor, logvar: Tensor, shares: Tensor, decay: float
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The same for Gaussian prototypes: sums of first and second moments; their mean and log-variance come last."""
    means, new_counts, mean = decayed(means, counts, mu, shares, decay)
    squares, _, second = decayed(squares, counts, mu.square() + logvar.exp(), shares, decay)
    logvar = (second - mean.square()).clamp_min(SMALLEST_VARIANCE).log()
    return means, squares, new_counts, mean, logvar
