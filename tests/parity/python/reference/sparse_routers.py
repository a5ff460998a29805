"""Methods without a top-k: ReLU gates (ReMoE), binary codes (DSelect-k), a table of the vocabulary (hash layers)."""

import math

import torch
from torch import Tensor

from .balance_losses import product_of_means
from .routing import Routing, open_slots
from .tensors import Tensors, one_hot


def remoe(p: Tensors, x: Tensor, k: int) -> Routing:
    """ReMoE (arXiv 2412.14711): gates ReLU(W x); penalty `lambda sum_e f_e mean(g_e)`, f_e = M / (k N) tokens of e."""
    logits = x @ p["weight"].T
    gates = logits.clamp_min(0)
    active = logits.detach() > 0
    experts, weights = open_slots(gates, active)
    penalty = p["penalty"].sum() * product_of_means(active.to(x.dtype).sum(0), len(x), gates) / k
    unused = {"inactive": int((~active).sum())}
    return Routing(experts, weights, logits, losses={"activation": penalty}, unused=unused)


def remoe_penalty(penalty: Tensor, load: Tensor, tokens: int, k: int, factor: float) -> Tensor:
    """lambda times the factor where tokens got more than k experts on average, divided by it where fewer."""
    return penalty * factor ** float(torch.sign(load.sum() - k * tokens))


def smooth_step(x: Tensor, gamma: float) -> Tensor:
    """0 below -gamma/2, 1 above gamma/2, between `-2/gamma^3 x^3 + 3/(2 gamma) x + 1/2`."""
    inside = x.clamp(-gamma / 2, gamma / 2)
    return -2 / gamma**3 * inside**3 + 1.5 / gamma * inside + 0.5


def dselect_k(p: Tensors, x: Tensor, k: int, count: int, gamma: float) -> Routing:
    """DSelect-k (arXiv 2106.03760): each of k selectors writes an expert's number in binary, bit j worth 2^j.

    Selector s takes `r_e = prod_j (bit j of e ? a_j : 1 - a_j)` of expert e, weights are `sum_s softmax(V x)_s r_s`,
    and the penalty is the entropy of the selectors. Numbers past the last expert count for the first ones (the source
    pads).
    """
    bits = max(1, math.ceil(math.log2(count)))
    steps = smooth_step(x @ p["selector.weight"].T, gamma).unflatten(-1, (k, bits))
    codes = []
    for number in range(2**bits):
        factors = [steps[..., j] if number >> j & 1 else 1 - steps[..., j] for j in range(bits)]
        codes.append(torch.stack(factors).prod(0))
    selectors = torch.stack([sum(codes[e::count]) for e in range(count)], -1)
    shares = torch.softmax(x @ p["mixture.weight"].T, -1)
    gates = (shares[..., None] * selectors).sum(1)
    entropy = -(selectors * torch.log(selectors + 1e-6)).sum((1, 2)).mean()
    active = gates.detach() > 0
    experts, weights = open_slots(gates, active)
    return Routing(experts, weights, gates, losses={"entropy": entropy}, unused={"inactive": int((~active).sum())})


def hash_layer(table: Tensor, token_ids: Tensor, count: int) -> Routing:
    """Hash layers (arXiv 2106.04426): the experts that a table has for a token's id, with equal weights."""
    experts = table[token_ids].long()
    weights = torch.full(experts.shape, 1 / experts.shape[1], dtype=table.dtype)
    return Routing(experts, weights, one_hot(experts, count, table).sum(1))
