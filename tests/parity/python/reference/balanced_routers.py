"""Methods that look at the whole batch to balance it: BASE, Sinkhorn, expert choice."""

from functools import cache

import torch
from torch import Tensor

from .routing import Routing, open_slots, take
from .tensors import Tensors, largest


def base(p: Tensors, x: Tensor, experts: Tensor | None = None) -> Routing:
    """BASE layers (arXiv 2103.16716): scores x . e; `a E(x) + (1 - a) x` with a the sigmoid of the score.

    experts `[T, 1]`: a balanced assignment, as in training; without it each token's best, as in evaluation.
    """
    scores = x @ p["expert_centroids"].T
    if experts is None:
        experts = largest(scores.detach(), 1)
    weights = torch.sigmoid(take(scores, experts))
    return Routing(experts, weights, scores, pass_through=1 - weights)


def best_assignment(scores: Tensor) -> tuple[float, Tensor]:
    """The balanced assignment `[T, 1]` of largest total score, and that total; the first T mod M experts get one more.

    By dynamic programming over the places that are left, so for a few experts only.
    """
    tokens, count = scores.shape
    table = scores.tolist()
    quotas = tuple(tokens // count + (e < tokens % count) for e in range(count))

    @cache
    def best(token: int, room: tuple[int, ...]) -> tuple[float, tuple[int, ...]]:
        if token == tokens:
            return 0.0, ()
        options = []
        for e in range(count):
            if room[e] > 0:
                total, rest = best(token + 1, room[:e] + (room[e] - 1,) + room[e + 1 :])
                options.append((table[token][e] + total, (e,) + rest))
        return max(options)

    total, assigned = best(0, quotas)
    return total, torch.tensor(assigned)[:, None]


def sinkhorn(p: Tensors, x: Tensor, k: int, rounds: int, training: bool) -> Routing:
    """Sinkhorn routing (arXiv 2202.01169): in training by exp(W x) scaled to even rows and columns, else by W x.

    Rounds of `d0 = 1 / (N C d1)`, `d1 = 1 / (M C^T d0)`. Weights: softmax over all logits, for k = 1 their sigmoid.
    """
    logits = x @ p["weight"].T
    biased = logits.detach()
    if training:
        tokens, count = logits.shape
        cost = torch.exp(biased)
        columns = torch.ones(count, dtype=x.dtype)
        for _ in range(rounds):
            rows = 1 / (tokens * cost @ columns)
            columns = 1 / (count * cost.T @ rows)
        biased = torch.log(cost * columns)
    experts = largest(biased, k)
    weights = take(torch.sigmoid(logits) if k == 1 else torch.softmax(logits, -1), experts)
    return Routing(experts, weights, logits, logits, details={"biased": biased})


def expert_choice(p: Tensors, x: Tensor, k: int) -> Routing:
    """Expert choice (arXiv 2202.09368): each expert takes the k N / M tokens for which its softmax(W x) is largest."""
    logits = x @ p["weight"].T
    probabilities = torch.softmax(logits, -1)
    tokens, count = logits.shape
    taken = largest(probabilities.detach().T, min(tokens, max(1, tokens * k // count)))
    active = torch.zeros(count, tokens, dtype=torch.bool).scatter(1, taken, True).T
    experts, weights = open_slots(probabilities, active)
    return Routing(experts, weights, logits, logits, unused={"inactive": int((experts == count).sum())})
