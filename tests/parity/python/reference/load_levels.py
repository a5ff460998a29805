"""What measures of balance are worth: the levels of routers without any structure, by simulation."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from .balance_measures import measures
from .tensors import unit_rows

LEVELS = ("gini", "min_max", "cv_population", "entropy", "effective_experts", "kl_to_uniform", "max_violation")


def spread(layers: int, load: Callable[[], Tensor]) -> dict[str, list[float]]:
    """Mean, standard deviation, 2.5 and 97.5 percentile of each measure over layers whose loads are drawn."""
    drawn = [measures(load()) for _ in range(layers)]
    spreads = {}
    for name in LEVELS:
        values = torch.tensor([each[name] for each in drawn], dtype=torch.float64)
        low, high = torch.quantile(values, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
        spreads[name] = [values.mean().item(), values.std().item(), low, high]
    return spreads


def uniform_load(experts: int, k: int, tokens: int, g: Generator) -> Tensor:
    """Each token to k distinct experts, uniformly."""
    return _counts(torch.rand(tokens, experts, generator=g).topk(k, -1).indices, experts)


def isotropic_load(experts: int, k: int, tokens: int, width: int, g: Generator) -> Tensor:
    """Latents from N(0, I), keys even on the sphere, each token to the k keys of largest cosine."""
    keys = unit_rows(torch.randn(experts, width, generator=g))
    return _counts((torch.randn(tokens, width, generator=g) @ keys.T).topk(k, -1).indices, experts)


def _counts(chosen: Tensor, experts: int) -> Tensor:
    return torch.bincount(chosen.flatten(), minlength=experts).double()


def chi_square(load: Tensor) -> tuple[float, float]:
    """Pearson's statistic of loads against even ones, and how often chance makes it at least as large."""
    statistic = ((load - load.mean()).square() / load.mean()).sum()
    freedom = torch.tensor(len(load) - 1.0, dtype=load.dtype)
    return statistic.item(), torch.special.gammaincc(freedom / 2, statistic / 2).item()
