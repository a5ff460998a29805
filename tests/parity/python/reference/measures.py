"""How similar an encoded token is to a prototype: the measures of table 7 of the LPR paper (arXiv 2506.21328).

Vector measures compare rows `[T, D]` with rows `[M, D]`; distances compare Gaussians with diagonal covariance, given
as mean and log-variance. All give `[T, M]`. Where the paper and the code released with it differ, both stand here.
"""

import math

import torch
from torch import Tensor

from .layers import rms_norm
from .tensors import Tensors, linear, squared_distances, unit_rows

SMALLEST_VARIANCE = 1e-6
"""In quotients and averages the released code takes smaller variances for this."""


def cosine(z: Tensor, keys: Tensor) -> Tensor:
    return unit_rows(z) @ unit_rows(keys).T


def dot_product(z: Tensor, keys: Tensor) -> Tensor:
    return z @ keys.T


def gaussian_kernel(z: Tensor, keys: Tensor, width: float) -> Tensor:
    """exp(-|z - k|^2 / (2 width^2)); the released code has width 1."""
    return torch.exp(-squared_distances(z, keys) / (2 * width**2))


def mahalanobis(z: Tensor, keys: Tensor, log_sigma: Tensor) -> Tensor:
    """1 / (1 + sum_d exp(-s_d) (z_d - k_d)^2): named by the paper, defined by the released code."""
    return 1 / (1 + ((z[:, None] - keys).square() * torch.exp(-log_sigma)).sum(-1))


def attention(queries: Tensor, keys: Tensor, heads: int) -> Tensor:
    """Equations 18-19: mean over heads of q_h . k_h / sqrt(d_h)."""
    q, k = queries.unflatten(-1, (heads, -1)), keys.unflatten(-1, (heads, -1))
    return torch.einsum("thd,mhd->thm", q, k).mean(1) / math.sqrt(q.shape[-1])


def projected_attention(z: Tensor, keys: Tensor, heads: int, p: Tensors) -> Tensor:
    """The released code's: both sides projected, then normalised over the whole latent."""
    q = rms_norm(linear(z, p, "q_proj"), p["q_norm.weight"], 1e-6)
    k = rms_norm(linear(keys, p, "k_proj"), p["k_norm.weight"], 1e-6)
    return attention(q, k, heads)


# Distances. `a` are tokens `[T, D]`, `b` prototypes `[M, D]`, each a pair of mean and log-variance.

Gaussian = tuple[Tensor, Tensor]


def _pairs(a: Gaussian, b: Gaussian) -> tuple[Tensor, Tensor, Tensor]:
    """Squared differences of means, and both variances, `[T, M, D]`."""
    (m1, v1), (m2, v2) = a, b
    return (m1[:, None] - m2).square(), v1.exp()[:, None], v2.exp()[None]


def _kl(squares: Tensor, s1: Tensor, s2: Tensor) -> Tensor:
    """Of N(m1, s1) from N(m2, s2), both variances (equation 21)."""
    return 0.5 * (torch.log(s2 / s1) + (s1 + squares) / s2 - 1).sum(-1)


def kl_divergence(a: Gaussian, b: Gaussian) -> Tensor:
    """Equation 21, from token to prototype, with the bounds of the released code in the quotient."""
    squares, s1, s2 = _pairs(a, b)
    bounded1, bounded2 = s1.clamp_min(SMALLEST_VARIANCE), s2.clamp_min(SMALLEST_VARIANCE)
    return 0.5 * (torch.log(s2 / s1) + (bounded1 + squares) / bounded2 - 1).sum(-1)


def js_divergence(a: Gaussian, b: Gaussian) -> Tensor:
    """Equation 22: half of both KL divergences to the Gaussian of mean and variance halfway between."""
    squares, s1, s2 = _pairs(a, b)
    middle = (s1 + s2) / 2
    return 0.5 * (_kl(squares / 4, s1, middle) + _kl(squares / 4, s2, middle))


def hellinger(a: Gaussian, b: Gaussian) -> Tensor:
    """sqrt(1 - prod_d sqrt(2 s1 s2 / v) exp(-(m1 - m2)^2 / (4 v))), v = s1^2 + s2^2 + 1e-6, factors from 1e-6 to 1."""
    squares, s1, s2 = _pairs(a, b)
    v = s1 + s2 + 1e-6
    factors = torch.sqrt(2 * torch.sqrt(s1 * s2) / v) * torch.exp(-squares / (4 * v))
    return torch.sqrt(1 - factors.clamp(1e-6, 1).prod(-1))


def printed_hellinger(a: Gaussian, b: Gaussian) -> Tensor:
    """Equation 23 as printed, a product over dimensions: no root over 2 s1 s2 / v, and the factor 1 / sqrt 2."""
    squares, s1, s2 = _pairs(a, b)
    v = s1 + s2
    return torch.sqrt((1 - (2 * torch.sqrt(s1 * s2) / v * torch.exp(-squares / (4 * v))).prod(-1)) / 2)


def squared_wasserstein(a: Gaussian, b: Gaussian) -> Tensor:
    """Equation 20: |m1 - m2|^2 + |sigma1 - sigma2|^2."""
    squares, s1, s2 = _pairs(a, b)
    return (squares + (s1.sqrt() - s2.sqrt()).square()).sum(-1)


def wasserstein(a: Gaussian, b: Gaussian) -> Tensor:
    """The distance itself, as the released code has it."""
    return torch.sqrt(squared_wasserstein(a, b) + 1e-6)
