"""LPR gates alone: every measure, diversity, alignment and moving average, in the three formulations."""

from dataclasses import replace

import torch
from torch import Generator, Tensor

from reference import latent_prototypes
from reference.latent_prototypes import CORRECTED, OFFICIAL, PAPER, LprSettings
from reference.routing import Routing, group_quality, limit_to_groups

from .case import OBJECTIVE, SMALLEST_GAP, Case, first_clean, gap, normal
from .weights import random_gate

TOKENS, HIDDEN, K = 25, 14, 3

TOLERANCES = {"out": dict(atol=3e-6, rtol=5e-6), "grad": dict(atol=5e-7, rtol=3e-5)}

SMALLEST_DIFFERENCE = 2e-5
"""Of prototypes and what an L1 alignment compares them with: its gradient jumps at 0."""

MEASURES = {
    "cosine": "Cosine",
    "dot_product": "DotProducts",
    "gaussian_kernel": "GaussianKernel",
    "mahalanobis": "Mahalanobis",
    "attention": "CrossAttention",
    "kl": "kl",
    "js": "js",
    "hellinger": "hellinger",
    "wasserstein": "wasserstein",
}
"""Names in configs of the released code."""


def config_keys(s: LprSettings) -> dict[str, object]:
    """The settings as keys of a config: those of the released code, and `lpr_options` for what it has none for."""
    keys: dict[str, object] = dict(
        router_type="lpr",
        lpr_formulation="reference" if s.formulation == "official" else s.formulation,
        router_latent_dim=s.latent_dim,
        router_kl_loss_coef=s.strength,
        router_ema_decay=s.ema_decay,
        SimilarityMetrics="DistributionDistance" if s.gaussian else "VectorSimilarity",
        routing_metrics=MEASURES[s.measure],
        div_weight=s.diversity_weight,
        kl_weight=s.kl_weight,
        align_weight=s.alignment_weight,
    )
    if s.formulation == "paper":
        keys["paper_div_target"] = {"tokens": "tokens", "keys": "prototypes", "both": "both"}[s.diversity_of]
        return keys | options(s, PAPER)
    keys["diversity_type"] = s.diversity
    if s.formulation == "official":
        keys["diversity_lambda"] = s.diversity_lambda
    return keys | options(s, OFFICIAL if s.formulation == "official" else CORRECTED)


def options(s: LprSettings, usual: LprSettings) -> dict[str, object]:
    """The switches that stand otherwise than usual in the formulation, and those for which it has no usual value."""
    alignment = {"mixture": "paper", "sums": "official", "assigned": "assignedMean"}
    switches = {
        "score_from": ("scoreFrom", s.score_from),
        "temperature": ("temperature", s.temperature),
        "kernel_width": ("kernelWidth", s.kernel_width),
        "heads": ("attentionHeads", s.heads),
        "attention_projections": ("attentionProjections", s.attention_projections),
        "diversity_of": ("diversityTarget", s.diversity_of),
        "diversity_normalised": ("diversityNormalize", s.diversity_normalised),
        "diversity_averaged": ("diversityReduce", "mean" if s.diversity_averaged else "sum"),
        "alignment": ("alignment", alignment[s.alignment]),
        "fill": ("assignment", "zeroFilled" if s.fill == 0 else "chosenOnly"),
        "ema": ("ema", s.ema),
        "unit_ball": ("unitBallConstraint", s.unit_ball),
        "out_projection": ("outProjection", s.out_projection),
        "groups": ("groups", s.groups),
        "kept_groups": ("keptGroups", s.kept_groups),
        "weight_scale": ("weightScale", s.weight_scale),
    }
    changed = {key: value for name, (key, value) in switches.items() if getattr(s, name) != getattr(usual, name)}
    if s.formulation == "corrected":
        changed |= {"temperature": s.temperature, "selectionBiasRate": s.bias_rate}
    if s.diversity_of != usual.diversity_of and s.formulation == "paper":
        del changed["diversityTarget"]
    return {"lpr_options": changed} if changed else {}


def choice_gap(biased: Tensor, groups: int, kept: int, k: int) -> float:
    """Between what is chosen and what is not: among experts, and among groups."""
    of_experts = gap(limit_to_groups(biased, groups, kept), k)
    return of_experts if kept == groups else min(of_experts, gap(group_quality(biased, groups), kept))


def is_clean(s: LprSettings, p: dict[str, Tensor], routing: Routing, k: int) -> bool:
    """Whether rounding changes no choice and no sign; and every expert has tokens, or nothing is known of it."""
    used = torch.bincount(routing.experts.flatten(), minlength=len(p[s.keys]))
    clean = choice_gap(routing.details["biased"], s.groups, s.kept_groups, k) > SMALLEST_GAP and used.min() > 1
    if clean and s.alignment == "sums":
        target = routing.details["routing"].T @ routing.details["z"]
        clean = (p[s.keys] - target).abs().min() > SMALLEST_DIFFERENCE
    return bool(clean)


def outputs_of(s: LprSettings, routing: Routing) -> dict[str, Tensor]:
    """What is stored of a routing, under the names of the cases."""
    details = {name: value for name, value in routing.details.items() if name != "biased"}
    # As in the released code, the penalties are told with their lambda.
    losses = {
        name: s.diversity_lambda * value if name.startswith("div_") else value for name, value in routing.losses.items()
    }
    return {
        "scores": routing.scores,
        "selected": routing.experts,
        "weights": routing.weights,
        **details,
        **losses,
        "div": sum(value for name, value in losses.items() if name.startswith("div_")),
        "reg": latent_prototypes.regularizer(s, routing.losses),
    }


def gate_case(name: str, s: LprSettings, description: str) -> Case:
    experts = 7 if s.groups == 1 else 3 * s.groups
    shapes = latent_prototypes.shapes(s, HIDDEN, experts)

    def draw(g: Generator) -> dict[str, Tensor]:
        given = random_gate(s, shapes, g)
        given |= {"in.x": normal(g, TOKENS, HIDDEN, scale=0.1), "in.eps": normal(g, TOKENS, s.latent_dim)}
        given["in.ct_weights"] = normal(g, TOKENS, K)
        if s.out_projection:
            given["in.ct_z_decoded"] = normal(g, TOKENS, HIDDEN, scale=0.1)
        return given

    def route(p: dict[str, Tensor]) -> Routing:
        return latent_prototypes.route(s, p, p["in.x"], p["in.eps"], K)

    def compute(p: dict[str, Tensor]) -> dict[str, Tensor]:
        routing = route(p)
        outputs = outputs_of(s, routing)
        objective = outputs["reg"] + (p["in.ct_weights"] * routing.weights).sum()
        if s.out_projection:
            objective = objective + (p["in.ct_z_decoded"] * routing.details["z_decoded"]).sum()
        moved = latent_prototypes.after_step(s, p, routing)
        return outputs | {OBJECTIVE: objective} | {f"after.{leaf}": value for leaf, value in moved.items()}

    def double(given: dict[str, Tensor]) -> dict[str, Tensor]:
        return {leaf: value.double() for leaf, value in given.items()}

    given = first_clean(name, draw, lambda drawn: is_clean(s, double(drawn), route(double(drawn)), K))
    config = dict(
        model_type="qwen3_moe", hidden_size=HIDDEN, num_experts=experts, num_experts_per_tok=K, **config_keys(s)
    )
    parts = "reg + sum(ct_weights * weights)" + (" + sum(ct_z_decoded * z_decoded)" if s.out_projection else "")
    trained = [leaf for leaf in shapes if not latent_prototypes.is_buffer(leaf)]
    return Case(
        name,
        "router",
        description,
        given,
        compute,
        TOLERANCES,
        trained + ["in.x"],
        info=dict(config=config, objective=parts),
    )


def cases() -> list[Case]:
    made = []
    for usual in (PAPER, OFFICIAL, CORRECTED):
        for measure in MEASURES:
            s = replace(usual, measure=measure)
            made.append(
                gate_case(f"router-{usual.formulation}-{measure}", s, f"LPR gate, {usual.formulation}, {measure}")
            )
    variants = {
        "official-cosine-diversity": replace(OFFICIAL, diversity="cosine"),
        "official-euclidean-diversity": replace(OFFICIAL, diversity="euclidean"),
        "official-masked-assignment": replace(OFFICIAL, fill=float("-inf")),
        "paper-prototypes-diversity": replace(PAPER, diversity_of="keys", diversity_weight=0.02),
        "paper-both-diversity": replace(PAPER, diversity_of="both"),
        "paper-attention-heads": replace(PAPER, measure="attention", latent_dim=6, heads=3),
        "corrected-sampled-scores": replace(CORRECTED, score_from="z"),
        "corrected-cosine-diversity": replace(CORRECTED, diversity="cosine", diversity_of="tokens"),
        "corrected-euclidean-diversity": replace(CORRECTED, diversity="euclidean", diversity_of="keys"),
        "corrected-summed-diversity": replace(CORRECTED, diversity_averaged=False, diversity_weight=0.01),
        "corrected-raw-diversity": replace(CORRECTED, diversity_normalised=False, diversity_weight=0.05),
        "corrected-mixture-alignment": replace(CORRECTED, alignment="mixture", alignment_weight=0.01),
        "corrected-sums-alignment": replace(CORRECTED, alignment="sums", fill=0.0),
        "corrected-narrow-kernel": replace(CORRECTED, measure="gaussian_kernel", kernel_width=0.6),
        "corrected-attention-heads": replace(CORRECTED, measure="attention", latent_dim=6, heads=2),
        "corrected-out-projection": replace(CORRECTED, measure="js", out_projection=True, weight_scale=2.5),
        "corrected-groups": replace(CORRECTED, groups=3, kept_groups=2, weight_scale=1.7),
        "corrected-hard-averages": replace(CORRECTED, ema="hard", ema_decay=0.7, unit_ball=True),
        "corrected-soft-averages": replace(CORRECTED, ema="soft", ema_decay=0.6, measure="dot_product"),
        "corrected-official-averages": replace(CORRECTED, ema="official", measure="mahalanobis", ema_decay=0.8),
        "corrected-gaussian-averages": replace(CORRECTED, ema="official", measure="wasserstein", ema_decay=0.8),
        "official-averages": replace(OFFICIAL, ema="official"),
        "official-gaussian-averages": replace(OFFICIAL, ema="official", measure="kl"),
        "paper-hard-averages": replace(PAPER, ema="hard", unit_ball=True),
    }
    for name, s in variants.items():
        made.append(gate_case(f"router-{name}", s, f"LPR gate, {s.formulation}: {name.split('-', 1)[1]}"))
    return made
