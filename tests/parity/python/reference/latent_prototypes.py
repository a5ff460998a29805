"""Latent Prototype Routing (arXiv 2506.21328) in its three formulations.

`paper`: equations 10-24 read literally. `official`: what the code released with it computes. `corrected`: with the
faults of both mended. They are made of independent switches, named and set here.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from . import measures, moving_averages, regularizers
from .layers import layer_norm
from .routing import Routing, biased_away, limit_to_groups, take
from .tensors import Tensors, below, counts_of, largest, linear, silu, unit_rows

VECTOR_MEASURES = ("cosine", "dot_product", "gaussian_kernel", "mahalanobis", "attention")
DISTANCES = ("wasserstein", "kl", "js", "hellinger")


@dataclass(frozen=True)
class LprSettings:
    formulation: Literal["paper", "official", "corrected"]
    latent_dim: int
    measure: str
    score_from: Literal["z", "mu"]
    """What vector measures compare: the sample, or its mean."""
    temperature: float
    """Multiplies the scores."""
    kernel_width: float
    heads: int
    attention_projections: bool
    printed: bool
    """Equations 20 and 23 as printed: the squared Wasserstein distance, and not quite the Hellinger distance."""
    diversity: Literal["orthogonal", "cosine", "euclidean"]
    diversity_of: Literal["tokens", "keys", "both"]
    diversity_normalised: bool
    diversity_averaged: bool
    alignment: Literal["mixture", "sums", "assigned"]
    fill: float
    """In place of the scores of experts that were not chosen, where an assignment is a softmax over all."""
    ema: Literal["off", "hard", "soft", "official"]
    ema_decay: float
    unit_ball: bool
    """Prototypes go back to the unit sphere after each step."""
    out_projection: bool
    """The experts read x plus a projection of the mixed prototypes."""
    ema_buffers: bool
    """The released code's sums and counts, which it never updates."""
    bias_rate: float
    groups: int
    kept_groups: int
    weight_scale: float
    strength: float
    diversity_lambda: float
    """Of the released code, which multiplies the diversity by it and weights the product."""
    diversity_weight: float
    kl_weight: float
    alignment_weight: float

    @property
    def gaussian(self) -> bool:
        return self.measure in DISTANCES

    @property
    def samples(self) -> bool:
        """Whether anything reads a sample; otherwise none is drawn, and z is the mean."""
        return self.score_from == "z" or self.alignment != "assigned"

    @property
    def keys(self) -> str:
        return "expert_keys_mu" if self.gaussian else "expert_keys"


PAPER = LprSettings(
    formulation="paper",
    latent_dim=5,
    measure="cosine",
    score_from="z",
    temperature=1.0,
    kernel_width=1.0,
    heads=1,
    attention_projections=False,
    printed=True,
    diversity="orthogonal",
    diversity_of="tokens",
    diversity_normalised=False,
    diversity_averaged=False,
    alignment="mixture",
    fill=float("-inf"),
    ema="off",
    ema_decay=0.9,
    unit_ball=False,
    out_projection=False,
    ema_buffers=False,
    bias_rate=0.0,
    groups=1,
    kept_groups=1,
    weight_scale=1.0,
    strength=0.05,
    diversity_lambda=1.0,
    diversity_weight=2e-4,
    kl_weight=0.05,
    alignment_weight=2e-3,
)
"""Its terms are sums over tokens; the weights, unlike the paper's, keep them comparable."""

OFFICIAL = replace(
    PAPER,
    formulation="official",
    score_from="mu",
    attention_projections=True,
    printed=False,
    diversity_of="both",
    diversity_normalised=True,
    diversity_averaged=True,
    alignment="sums",
    fill=0.0,
    ema_decay=0.8,
    out_projection=True,
    ema_buffers=True,
    diversity_lambda=0.7,
    diversity_weight=0.9,
    alignment_weight=0.1,
)

CORRECTED = replace(
    OFFICIAL,
    formulation="corrected",
    temperature=2.0,
    alignment="assigned",
    fill=float("-inf"),
    ema_decay=0.9,
    out_projection=False,
    ema_buffers=False,
    bias_rate=0.01,
    strength=0.2,
    diversity_lambda=1.0,
)


def shapes(s: LprSettings, hidden: int, experts: int) -> dict[str, tuple[int, ...]]:
    """The tensors below a gate, under the names of the released code; `selection_bias` is not part of that."""
    width = s.latent_dim
    own: dict[str, tuple[int, ...]] = {
        "norm.weight": (hidden,),
        "norm.bias": (hidden,),
        "encoder.weight": (2 * width, hidden),
        "encoder.bias": (2 * width,),
        s.keys: (experts, width),
    }
    if s.gaussian:
        own["expert_keys_logvar"] = (experts, width)
    if s.measure == "mahalanobis":
        own["similarity_func.log_sigma"] = (width,)
    if s.measure == "attention" and s.attention_projections:
        for side in ("q", "k"):
            own[f"similarity_func.{side}_proj.weight"] = (width, width)
            own[f"similarity_func.{side}_proj.bias"] = (width,)
            own[f"similarity_func.{side}_norm.weight"] = (width,)
    if s.out_projection and s.gaussian:
        own |= {"proj.weight": (width, width), "proj.bias": (width,)}
    if s.out_projection:
        own |= {"out_proj.weight": (hidden, width), "out_proj.bias": (hidden,)}
    moved = s.ema == "official"
    if s.ema_buffers or (moved and not s.gaussian):
        own["ema_sums"] = (experts, width)
    if moved and s.gaussian:
        own |= {"ema_mu": (experts, width), "ema_var": (experts, width)}
    if s.ema_buffers or moved:
        own["ema_counts"] = (experts,)
    if s.bias_rate > 0:
        own["selection_bias"] = (experts,)
    return own


def is_buffer(name: str) -> bool:
    """Whether no gradient reaches a tensor below a gate."""
    return name.startswith("ema_") or name == "selection_bias"


def scores_of(s: LprSettings, p: Tensors, z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """`[T, M]`, larger is more similar."""
    keys = p[s.keys]
    if s.gaussian:
        named = {
            "wasserstein": measures.squared_wasserstein if s.printed else measures.wasserstein,
            "kl": measures.kl_divergence,
            "js": measures.js_divergence,
            "hellinger": measures.printed_hellinger if s.printed else measures.hellinger,
        }
        return -s.temperature * named[s.measure]((mu, logvar), (keys, p["expert_keys_logvar"]))
    latents = z if s.score_from == "z" else mu
    if s.measure == "cosine":
        raw = measures.cosine(latents, keys)
    elif s.measure == "dot_product":
        raw = measures.dot_product(latents, keys)
    elif s.measure == "gaussian_kernel":
        raw = measures.gaussian_kernel(latents, keys, s.kernel_width)
    elif s.measure == "mahalanobis":
        raw = measures.mahalanobis(latents, keys, p["similarity_func.log_sigma"])
    elif s.attention_projections:
        raw = measures.projected_attention(latents, keys, s.heads, below(p, "similarity_func."))
    else:
        raw = measures.attention(latents, keys, s.heads)
    return s.temperature * raw


def diversity_of(s: LprSettings, rows: Tensor) -> Tensor:
    if s.diversity == "cosine":
        return regularizers.mean_cosine(rows)
    if s.diversity == "euclidean":
        return regularizers.negative_mean_distance(rows)
    return regularizers.orthogonality(rows, s.diversity_normalised, s.diversity_averaged)


def route(s: LprSettings, p: Tensors, x: Tensor, eps: Tensor, k: int) -> Routing:
    """Routing in training of x `[T, H]` with standard normal noise eps `[T, D]` (zeros: as in evaluation)."""
    keys = p[s.keys]
    normed = layer_norm(x, p["norm.weight"], p["norm.bias"])
    mu, logvar = linear(silu(normed), p, "encoder").chunk(2, -1)
    z = mu + eps * torch.exp(logvar / 2) if s.samples else mu
    scores = scores_of(s, p, z, mu, logvar)
    biased = scores.detach()
    if s.bias_rate > 0:
        biased = biased + p["selection_bias"]
    experts = largest(limit_to_groups(biased, s.groups, s.kept_groups), k)
    weights = s.weight_scale * torch.softmax(take(scores, experts), -1)

    details = {"mu": mu, "logvar": logvar, "z": z, "biased": biased}
    shares = regularizers.assignment(scores, experts, s.fill)
    mixed = linear(keys, p, "proj") if s.out_projection and s.gaussian else keys
    mixed = torch.softmax(scores, -1) @ mixed
    if s.out_projection or s.alignment == "mixture":
        details["aggregate"] = mixed
    expert_input = None
    if s.out_projection:
        details["z_decoded"] = linear(mixed, p, "out_proj")
        expert_input = x + details["z_decoded"]

    compared = z if s.score_from == "z" else mu
    losses = {}
    if s.diversity_of != "keys":
        losses["div_tokens"] = diversity_of(s, compared)
    if s.diversity_of != "tokens":
        losses["div_keys"] = diversity_of(s, keys)
    losses["kl"] = regularizers.kl_to_standard_normal(mu, logvar)
    if s.alignment == "mixture":
        losses["align"] = regularizers.alignment_of_mixture(z, mixed)
    elif s.alignment == "sums":
        details["routing"] = shares
        losses["align"] = regularizers.alignment_of_sums(keys, z, shares)
    else:
        losses["align"] = regularizers.alignment_of_assigned(keys, compared, experts, s.measure == "cosine")
    return Routing(experts, weights, scores, losses=losses, expert_input=expert_input, details=details)


def regularizer(s: LprSettings, losses: Tensors) -> Tensor:
    """The weighted sum of the terms (equation 24), without the strength that multiplies all of it."""
    diversity = s.diversity_lambda * s.diversity_weight
    weights = {"div_tokens": diversity, "div_keys": diversity, "kl": s.kl_weight, "align": s.alignment_weight}
    return sum(weights[name] * value for name, value in losses.items())


def after_step(s: LprSettings, p: Tensors, routing: Routing) -> dict[str, Tensor]:
    """What one step changes outside of the gradient: the bias, the moving averages, the unit sphere; in that order."""
    keys, changed = p[s.keys], {}
    z, mu, logvar = (routing.details[name].detach() for name in ("z", "mu", "logvar"))
    if s.bias_rate > 0:
        load = counts_of(routing.experts, len(keys), keys)
        changed["selection_bias"] = biased_away(p["selection_bias"], load, s.bias_rate)
    if s.ema == "hard":
        keys = moving_averages.hard(keys, z, routing.experts, s.ema_decay)
    elif s.ema == "soft":
        keys = moving_averages.soft(keys, z, routing.scores.detach(), s.ema_decay)
    elif s.ema == "official":
        shares = regularizers.assignment(routing.scores, routing.experts, s.fill)
        if s.gaussian:
            moved = (p["ema_mu"], p["ema_var"], p["ema_counts"], mu, logvar, shares, s.ema_decay)
            means, squares, counts, keys, key_logvar = moving_averages.decayed_gaussians(*moved)
            changed |= {"ema_mu": means, "ema_var": squares, "ema_counts": counts, "expert_keys_logvar": key_logvar}
        else:
            moved = (p["ema_sums"], p["ema_counts"], z, shares, s.ema_decay)
            changed["ema_sums"], changed["ema_counts"], keys = moving_averages.decayed(*moved)
    if s.unit_ball:
        keys = unit_rows(keys)
    if s.ema != "off" or s.unit_ball:
        changed[s.keys] = keys
    return changed
