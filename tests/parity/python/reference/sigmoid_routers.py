"""Methods that select by sigmoid scores and a bias that no gradient sees: DeepSeek-V3, quantile balancing."""

import torch
from torch import Tensor

from .balance_losses import deepseek_sequence_loss
from .routing import Routing, limit_to_groups, normalised, take
from .tensors import Tensors, largest


def deepseek_v3(
    p: Tensors, x: Tensor, k: int, groups: int, kept_groups: int, renormalise: bool, scale: float, sequence: int
) -> Routing:
    """DeepSeek-V3 (arXiv 2412.19437), equations 12-16: the k largest of sigmoid(W x) + b within the best groups.

    Weights are the scores without b, divided by their sum + 1e-20 if `renormalise`, times the scale.
    """
    logits = x @ p["weight"].T
    scores = torch.sigmoid(logits)
    biased = scores.detach() + p["e_score_correction_bias"]
    experts = largest(limit_to_groups(biased, groups, kept_groups), k)
    weights = take(scores, experts)
    routing = Routing(experts, scale * (normalised(weights, 1e-20) if renormalise else weights), scores, logits)
    routing.losses = {"sequenceBalance": deepseek_sequence_loss(logits, k, sequence)}
    routing.details = {"biased": biased}
    return routing


def quantile_balancing(p: Tensors, x: Tensor, k: int, renormalise: bool) -> Routing:
    """Quantile balancing (Su 2026, kexue.fm/archives/11619): the k largest of s - b, weights from s = sigmoid(W x)."""
    logits = x @ p["weight"].T
    scores = torch.sigmoid(logits)
    biased = scores.detach() - p["prices"]
    experts = largest(biased, k)
    weights = take(scores, experts)
    routing = Routing(experts, normalised(weights) if renormalise else weights, scores, logits)
    routing.details = {"biased": biased}
    return routing


def balanced_prices(scores: Tensor, k: int, prices: Tensor, rounds: int) -> Tensor:
    """In turn: a_t = (k + 1)-th largest of s_t - b; b_j = (floor(N k / M) + 1)-th largest of s_j - a."""
    tokens, experts = scores.shape
    for _ in range(rounds):
        paid = (scores - prices).sort(1, descending=True).values[:, k : k + 1]
        prices = (scores - paid).sort(0, descending=True).values[tokens * k // experts]
        prices = prices - prices.mean()
    return prices
