"""Measures of load balance of one layer, from the load c of each expert; shares q = c / sum c. In float64."""

import math

import torch
from torch import Tensor


def gini(load: Tensor) -> float:
    """sum_i (2i - M - 1) c_(i) / (M sum c), ascending (LPR paper, equation 25)."""
    ascending, count = load.sort().values, len(load)
    ranks = torch.arange(1, count + 1, dtype=load.dtype)
    return (((2 * ranks - count - 1) * ascending).sum() / (count * load.sum())).item()


def entropy(load: Tensor) -> float:
    """H(q) in nats."""
    q = load / load.sum()
    return -torch.where(q > 0, q * q.clamp_min(1e-300).log(), q).sum().item()


def measures(load: Tensor) -> dict[str, float]:
    """All measures; NaN where they do not exist."""
    count, nats, mean = len(load), entropy(load), load.mean()
    return {
        "gini": gini(load),
        "min_max": (load.min() / load.max()).item(),
        "cv": (load.std() / mean).item(),
        "cv_population": (load.std(unbiased=False) / mean).item(),
        "variance_sample": load.var().item(),
        "variance_population": load.var(unbiased=False).item(),
        "entropy": nats / math.log(count),
        "effective_experts": math.exp(nats),
        "kl_to_uniform": math.log(count) - nats,
        "max_violation": (load.max() / mean - 1).item(),
        "dead_fraction": (load == 0).to(load.dtype).mean().item(),
    }


def drop_rate(load: Tensor, places: int) -> float:
    """Share of the choices that experts with so many places drop."""
    return ((load - places).clamp_min(0).sum() / load.sum()).item()


def overload(load: Tensor, ranks: int) -> float:
    """Busiest rank over the mean when experts are dealt out in equal blocks."""
    each = load.view(ranks, -1).sum(1)
    return (each.max() / each.mean()).item()


class LoadAverages:
    """The moving averages of loads that the released code of LPR reports, from router scores `[T, M]`.

    Hard load: how many tokens chose an expert; soft load: the sum of their softmax over the chosen scores.
    """

    def __init__(self, experts: int, k: int, decay: float):
        self.k, self.decay = k, decay
        self.hard, self.soft = torch.zeros(2, experts, dtype=torch.float64)

    def update(self, scores: Tensor) -> None:
        values, chosen = scores.double().topk(self.k, -1)
        hard = torch.bincount(chosen.flatten(), minlength=len(self.hard)).double()
        soft = torch.zeros(scores.shape, dtype=torch.float64).scatter(1, chosen, torch.softmax(values, -1)).sum(0)
        self.hard = self.decay * self.hard + (1 - self.decay) * hard
        self.soft = self.decay * self.soft + (1 - self.decay) * soft

    def measures(self) -> dict[str, float]:
        own = {"utilization": (self.hard > 0).double().mean().item()}
        for name, load in (("hard", self.hard), ("soft", self.soft)):
            all_measures = measures(load)
            own |= {f"{name}_{measure}": all_measures[measure] for measure in ("cv", "min_max", "gini")}
        return own
