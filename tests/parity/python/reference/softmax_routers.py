"""Methods with a softmax: Mixtral and Qwen3, the dense mixture, noisy top-k, Switch, GShard, X-MoE, AdaMoE."""

import math
from fractions import Fraction

import torch
from torch import Tensor

from .balance_losses import layer_loss, product_of_means, z_loss
from .routing import Routing, normalised, take
from .tensors import Tensors, counts_of, largest, unit_rows


def top_k_softmax(p: Tensors, x: Tensor, k: int, renormalise: bool) -> Routing:
    """p = softmax(W x), the k most probable, weights p (Mixtral, arXiv 2401.04088; Qwen3-MoE)."""
    logits = x @ p["weight"].T
    probabilities = torch.softmax(logits, -1)
    experts = largest(logits.detach(), k)
    weights = take(probabilities, experts)
    return Routing(experts, normalised(weights) if renormalise else weights, logits, logits)


def squared_variation(load: Tensor) -> Tensor:
    """Variance over mean squared, both over the experts as the whole population."""
    return (load - load.mean()).square().mean() / load.mean().square()


def noisy_top_k(p: Tensors, x: Tensor, k: int, noise: Tensor | None, floor: float) -> Routing:
    """Noisy top-k gating (Shazeer et al. 2017, arXiv 1701.06538): k largest of `H = W x + n (softplus(V x) + floor)`.

    noise n `[T, M]`, standard normal, in training. Weights are the softmax over the chosen H. Losses: the squared
    variation of importance, the sum of weights (equation 7), and of load (equations 8-11), the sum of the probabilities
    `Phi((W x - t) / deviation)` that new noise of its own would leave an expert chosen: above t, the k-th largest H of
    the others.
    """
    clean = x @ p["weight"].T
    tokens, count = clean.shape
    if noise is None:
        experts = largest(clean.detach(), k)
        return Routing(experts, torch.softmax(take(clean, experts), -1), clean, details={"biased": clean.detach()})
    deviation = torch.nn.functional.softplus(x @ p["noise.weight"].T) + floor
    noisy = clean + noise * deviation
    experts = largest(noisy.detach(), k)
    weights = torch.softmax(take(noisy, experts), -1)
    importance = torch.zeros(tokens, count, dtype=x.dtype).scatter(1, experts, weights).sum(0)
    own = torch.eye(count, dtype=torch.bool)
    others = noisy[:, None].expand(-1, count, -1).masked_fill(own, float("-inf"))
    thresholds = others.sort(-1, descending=True).values[..., k - 1]
    chance = 0.5 * (1 + torch.erf((clean - thresholds) / deviation / math.sqrt(2)))
    losses = {"importance": squared_variation(importance), "load": squared_variation(chance.sum(0))}
    return Routing(experts, weights, clean, losses=losses, details={"biased": noisy.detach()})


def places_of(factor: float, k: int, tokens: int, experts: int) -> int:
    """Places of an expert, ceil(factor k N / M), of the factor as it is written: 1.1 is 11/10."""
    return math.ceil(Fraction(str(factor)) * k * tokens / experts)


def drop_beyond(experts: Tensor, count: int, places: int) -> Tensor:
    """M in place of the choices `[T, k]` for which no place is left.

    All first choices come before the second ones, in the order of the tokens (GShard, algorithm 1).
    """
    kept, taken = experts.clone(), [0] * count
    for slot in range(experts.shape[1]):
        for token in range(len(experts)):
            e = int(experts[token, slot])
            if e == count:
                continue
            taken[e] += 1
            if taken[e] > places:
                kept[token, slot] = count
    return kept


def empty(experts: Tensor, count: int) -> int:
    return int((experts == count).sum())


def switch(p: Tensors, x: Tensor, factor: float, jitter: Tensor | None, training: bool) -> Routing:
    """Switch Transformer (arXiv 2101.03961): one expert, weighted with its p; those without a place are dropped.

    jitter `[T, H]`: what the router's input is multiplied with.
    """
    count = len(p["weight"])
    logits = (x if jitter is None else x * jitter) @ p["weight"].T
    probabilities = torch.softmax(logits, -1)
    choices = largest(logits.detach(), 1)
    experts = drop_beyond(choices, count, places_of(factor, 1, len(x), count))
    routing = Routing(experts, take(probabilities, choices) * (experts < count), logits, logits)
    routing.unused = {"dropped": empty(experts, count)}
    if training:
        routing.losses = {"loadBalancing": layer_loss(probabilities, choices), "z": z_loss(logits)}
    return routing


def gshard(p: Tensors, x: Tensor, factor: float, drawn: Tensor | None) -> Routing:
    """GShard (arXiv 2006.16668), algorithm 1: two experts, weights p_i / (p_1 + p_2).

    drawn `[T, 1]`, in training: the second is kept where the number, even in [0, 1), is at most twice its weight. The
    loss counts first choices alone. What is left of a token keeps its weight.
    """
    count = len(p["weight"])
    logits = x @ p["weight"].T
    probabilities = torch.softmax(logits, -1)
    choices = largest(logits.detach(), 2)
    weights = normalised(take(probabilities, choices))
    wanted = choices.clone()
    if drawn is not None:
        wanted[:, 1:][drawn > 2 * weights.detach()[:, 1:]] = count
    experts = drop_beyond(wanted, count, places_of(factor, 2, len(x), count))
    routing = Routing(experts, weights * (experts < count), logits, logits)
    inactive = empty(wanted, count)
    routing.unused = {"inactive": inactive, "dropped": empty(experts, count) - inactive}
    if drawn is not None:
        routing.losses = {"loadBalancing": layer_loss(probabilities, choices[:, :1]), "z": z_loss(logits)}
    return routing


def xmoe(p: Tensors, x: Tensor, k: int, renormalise: bool) -> Routing:
    """X-MoE (arXiv 2204.09179): logits cos(P x, e) exp(min(tau, ln 100))."""
    scale = torch.exp(p["temperature"].clamp_max(math.log(100)))
    logits = scale * unit_rows(x @ p["projection.weight"].T) @ unit_rows(p["expert_embeddings"]).T
    probabilities = torch.softmax(logits, -1)
    experts = largest(logits.detach(), k)
    weights = take(probabilities, experts)
    routing = Routing(experts, normalised(weights) if renormalise else weights, logits, logits)
    routing.losses = {"loadBalancing": layer_loss(probabilities, experts), "z": z_loss(logits)}
    return routing


def adamoe(p: Tensors, x: Tensor, k: int) -> Routing:
    """AdaMoE (arXiv 2406.13233): m null experts beside the M; weights of the true ones among k, divided by their sum.

    The loss is over all M + m, with the loads of the null experts replaced by their mean.
    """
    count = len(p["weight"])
    all_logits = x @ torch.cat([p["weight"], p["null.weight"]]).T
    probabilities = torch.softmax(all_logits, -1)
    choices = largest(all_logits.detach(), k)
    true = choices < count
    weights = take(probabilities, choices) * true
    some = weights.sum(-1, keepdim=True)
    experts = torch.where(true, choices, torch.tensor(count))
    routing = Routing(experts, weights / torch.where(some > 0, some, torch.ones_like(some)), all_logits[:, :count])
    routing.unused = {"null": empty(experts, count)}
    load = counts_of(choices, all_logits.shape[1], x)
    load[count:] = load[count:].mean()
    routing.losses = {"loadBalancing": product_of_means(load, len(x), probabilities)}
    return routing
