"""What measures of balance are worth: the levels of routers without any structure, by simulation."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from .balance_measures import measures
from .tensors import unit_rows

LEVELS = ("gini", "min_max", "cv_population", "entropy", "effective_experts", "kl_to_uniform", "max_violation")


def simulated(windows: int, load: Callable[[], Tensor]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of each measure over windows whose loads are drawn."""
    drawn = [measures(load()) for _ in range(windows)]
    table = torch.tensor([[each[name] for name in LEVELS] for each in drawn], dtype=torch.float64)
    return {name: (table[:, i].mean().item(), table[:, i].std().item()) for i, name in enumerate(LEVELS)}


def uniform_load(experts: int, k: int, tokens: int, g: Generator) -> Tensor:
    """Each token to k distinct experts, uniformly."""
    return _counts(torch.rand(tokens, experts, generator=g).topk(k, -1).indices, experts)


def isotropic_load(experts: int, k: int, tokens: int, width: int, g: Generator) -> Tensor:
    """Latents from N(0, I), keys even on the sphere, each token to the k keys of largest cosine."""
    keys = unit_rows(torch.randn(experts, width, generator=g))
    return _counts((torch.randn(tokens, width, generator=g) @ keys.T).topk(k, -1).indices, experts)


def hashed_load(experts: int, k: int, occurrences: Tensor, g: Generator) -> Tensor:
    """Each id, with all its occurrences, to k distinct experts."""
    table = torch.rand(len(occurrences), experts, generator=g).topk(k, -1).indices
    return torch.zeros(experts, dtype=torch.float64).index_add(
        0, table.flatten(), occurrences.double().repeat_interleave(k)
    )


def _counts(chosen: Tensor, experts: int) -> Tensor:
    return torch.bincount(chosen.flatten(), minlength=experts).double()
