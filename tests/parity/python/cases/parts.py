"""The parts of LPR on given vectors: measures and penalties, and moving averages over several steps."""

import torch
from torch import Generator, Tensor

from reference import measures, moving_averages, regularizers
from reference.tensors import largest

from .case import SMALLEST_GAP, Case, first_clean, gap, generator, normal


def measures_case(name: str, description: str, spread: float, logvar: float) -> Case:
    """Every measure and penalty; their gradients are part of the gates' cases."""
    tokens, experts, width = 11, 7, 12
    g = generator(name)
    given = {
        "in.z": normal(g, tokens, width, scale=spread),
        "in.keys": normal(g, experts, width, scale=0.7 * spread),
        "in.logvar": (logvar + normal(g, tokens, width, scale=0.5)).half().float(),
        "in.keys_logvar": (logvar + normal(g, experts, width, scale=0.5)).half().float(),
        "in.log_sigma": normal(g, width, scale=0.3),
    }
    if logvar < 0:
        # On one side of a pair alone: below the bound on variances, which the midpoint of both then is not.
        given["in.logvar"][2, 3] = given["in.keys_logvar"][1, 5] = logvar - 4

    def compute(t: dict[str, Tensor]) -> dict[str, Tensor]:
        z, keys = t["in.z"], t["in.keys"]
        a, b = (z, t["in.logvar"]), (keys, t["in.keys_logvar"])
        tables = {
            "cosine": measures.cosine(z, keys),
            "dot": measures.dot_product(z, keys),
            "gaussian_kernel": measures.gaussian_kernel(z, keys, 1.0),
            "paper.gaussian_kernel_sigma2": measures.gaussian_kernel(z, keys, 2.0),
            "mahalanobis": measures.mahalanobis(z, keys, t["in.log_sigma"]),
            "reference.kl": measures.kl_divergence(a, b),
            "reference.js": measures.js_divergence(a, b),
            "reference.hellinger": measures.hellinger(a, b),
            "reference.wasserstein": measures.wasserstein(a, b),
            "paper.kl": measures.kl_divergence(a, b),
            "paper.js": measures.js_divergence(a, b),
            "paper.hellinger": measures.printed_hellinger(a, b),
            "paper.wasserstein": measures.squared_wasserstein(a, b),
            **{f"paper.attention_{heads}heads": measures.attention(z, keys, heads) for heads in (1, 2, 3, 4, 6)},
        }
        scalars = {
            "diversity.orthogonal": regularizers.orthogonality(keys, True, True),
            "diversity.cosine": regularizers.mean_cosine(keys),
            "diversity.euclidean": regularizers.negative_mean_distance(keys),
            "paper.diversity": regularizers.orthogonality(keys, False, False),
            "standard_normal_kl": regularizers.kl_to_standard_normal(z, t["in.logvar"]),
        }
        return tables | scalars

    return Case(name, "measures", description, given, compute, {"out": dict(atol=2e-6, rtol=5e-6)})


def averages_case() -> Case:
    name, decay, steps, tokens, experts, width, k = "ema-update", 0.8, 4, 33, 7, 5, 2

    def draw(g: Generator) -> dict[str, Tensor]:
        keys = normal(g, experts, width)
        keys = (keys / keys.norm(dim=-1, keepdim=True)).half().float()
        given = {
            "in.expert_keys": keys,
            "in.ema_sums": keys.clone(),
            "in.ema_counts": torch.zeros(experts),
            "in.ema_mu": keys.clone(),
            "in.ema_var": (keys.square() + 1).half().float(),
            "in.ema_counts_distribution": torch.full((experts,), 0.5),
            "in.expert_keys_logvar": torch.zeros(experts, width),
        }
        for s in range(steps):
            given |= {f"in.z.{s}": normal(g, tokens, width), f"in.logvar.{s}": normal(g, tokens, width, scale=0.4)}
            given[f"in.scores.{s}"] = normal(g, tokens, experts) + torch.linspace(-0.5, 0.5, experts).half().float()
        given["in.scores.1"][:, 0] = -6.0
        return given

    def compute(t: dict[str, Tensor]) -> dict[str, Tensor]:
        hard = soft = t["in.expert_keys"]
        vector = (t["in.ema_sums"], t["in.ema_counts"])
        gaussian = (t["in.ema_mu"], t["in.ema_var"], t["in.ema_counts_distribution"])
        outputs = {}
        for s in range(steps):
            z, logvar, scores = t[f"in.z.{s}"], t[f"in.logvar.{s}"], t[f"in.scores.{s}"]
            experts = largest(scores, k)
            shares = regularizers.assignment(scores, experts, 0.0)
            hard = moving_averages.hard(hard, z, experts, decay)
            soft = moving_averages.soft(soft, z, scores, decay)
            *vector, keys = moving_averages.decayed(*vector, z, shares, decay)
            *gaussian, mean, key_logvar = moving_averages.decayed_gaussians(*gaussian, z, logvar, shares, decay)
            named = {
                "routing": shares,
                "paper.expert_keys": hard,
                "paper_soft.expert_keys": soft,
                "vector.expert_keys": keys,
                "vector.ema_sums": vector[0],
                "vector.ema_counts": vector[1],
                "distribution.ema_mu": gaussian[0],
                "distribution.ema_var": gaussian[1],
                "distribution.ema_counts": gaussian[2],
                "distribution.expert_keys_mu": mean,
                "distribution.expert_keys_logvar": key_logvar,
            }
            outputs |= {f"{leaf}.{s}": value for leaf, value in named.items()}
        return outputs

    def clean(drawn: dict[str, Tensor]) -> bool:
        return min(gap(drawn[f"in.scores.{s}"], k) for s in range(steps)) > SMALLEST_GAP

    return Case(
        name,
        "ema",
        "moving averages of prototypes over several batches. vector, distribution: the released code's decayed sums, "
        "of prototypes and of Gaussians (in.z their mean, in.logvar their log-variance); paper, paper_soft: the "
        "paper's, hard and soft. In step 1 expert 0 has no token.",
        first_clean(name, draw, clean),
        compute,
        {"out": dict(atol=2e-6, rtol=1e-5)},
        info=dict(decay=decay, steps=steps, top_k=k),
    )


def cases() -> list[Case]:
    return [
        measures_case("measures", "measures [T, M], distances positive, and penalties of the keys", 1.0, 0.0),
        measures_case(
            "measures-narrow", "the same of points close together, with variances near their bound", 0.01, -11.5
        ),
        averages_case(),
    ]
