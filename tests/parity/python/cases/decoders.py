"""Whole decoders: logits, losses, all gradients and one optimiser step; and a few steps of training."""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Generator, Tensor

from reference import balance_losses, decoder
from reference.decoder import block_of, experts_of, has_experts
from reference.latent_prototypes import CORRECTED, OFFICIAL, PAPER, LprSettings
from reference.optimisation import clipped_adamw_step, learning_rate_factor
from reference.routing import Routing
from reference.tensors import below

from .case import SMALLEST_GAP, Case, first_clean, gap, normal
from .prototypes import choice_gap, config_keys, is_clean, outputs_of
from .weights import random_gate, random_weight

BATCH, SEQUENCE = 3, 11

COMMON = dict(
    vocab_size=41,
    hidden_size=18,
    num_hidden_layers=2,
    num_experts_per_tok=3,
    hidden_act="silu",
    max_position_embeddings=64,
    tie_word_embeddings=False,
)

QWEN3 = dict(
    COMMON,
    model_type="qwen3_moe",
    architectures=["Qwen3MoeForCausalLM"],
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=6,
    intermediate_size=13,
    moe_intermediate_size=5,
    num_experts=7,
    norm_topk_prob=False,
    rms_norm_eps=1e-5,
    rope_theta=10000.0,
    decoder_sparse_step=1,
    mlp_only_layers=[],
    attention_bias=False,
)

MIXTRAL = dict(
    COMMON,
    model_type="mixtral",
    architectures=["MixtralForCausalLM"],
    num_attention_heads=3,
    num_key_value_heads=1,
    head_dim=6,
    intermediate_size=5,
    num_local_experts=7,
    rms_norm_eps=1e-5,
    rope_theta=1000000.0,
)

DEEPSEEK = dict(
    COMMON,
    model_type="deepseek_v3",
    architectures=["DeepseekV3ForCausalLM"],
    num_attention_heads=3,
    intermediate_size=13,
    moe_intermediate_size=3,
    n_routed_experts=9,
    n_shared_experts=2,
    routed_scaling_factor=1.7,
    n_group=3,
    topk_group=2,
    norm_topk_prob=True,
    first_k_dense_replace=0,
    q_lora_rank=7,
    kv_lora_rank=9,
    qk_nope_head_dim=5,
    qk_rope_head_dim=4,
    v_head_dim=7,
    rms_norm_eps=2e-5,
    rope_theta=10000.0,
    rope_interleave=True,
    attention_bias=False,
    aux_loss_alpha=0.0,
)

AUXILIARY = dict(output_router_logits=True, router_aux_loss_coef=0.05)

OPTIMIZER = dict(
    type="AdamW",
    lr=1e-3,
    betas=[0.9, 0.95],
    eps=1e-8,
    weight_decay=0.1,
    clip_grad_norm=1.0,
    clip_epsilon=1e-6,
    decayed_parameters="all",
)

GRADIENT_FLOOR = 1e-6
"""The first step of AdamW is the sign of the gradient; below this, that is one of rounding."""

TOLERANCES = {
    "out.logits": dict(atol=1e-5, rtol=1e-5),
    "out.layers": dict(atol=1e-5, rtol=1e-5),
    "out.after": dict(atol=1e-6, rtol=1e-6),
    "out.loss": dict(atol=2e-6, rtol=5e-6),
    "grad": dict(atol=1e-7, rtol=1e-4),
    "after": dict(atol=1e-6, rtol=1e-6, grad_floor=GRADIENT_FLOOR, atol_below_floor=2.1e-3),
    "after_from_fixture_grads": dict(atol=2e-7, rtol=1e-6, grad_floor=GRADIENT_FLOOR, atol_below_floor=1e-5),
}


def lpr_of(settings: LprSettings, config: dict) -> LprSettings:
    """In the corrected formulation LPR keeps the groups and the scale of the weights of DeepSeek-V3."""
    if settings.formulation == "corrected" and config["model_type"] == "deepseek_v3":
        groups = dict(groups=config["n_group"], kept_groups=config["topk_group"])
        return replace(settings, weight_scale=config["routed_scaling_factor"], **groups)
    return settings


def random_decoder(config: dict, lpr: LprSettings | None, g: Generator) -> dict[str, Tensor]:
    shapes = decoder.shapes(config, lpr)
    tensors = {name: random_weight(name, shape, g) for name, shape in shapes.items()}
    if lpr is not None:
        for gate in sorted({name.partition("gate.")[0] + "gate." for name in shapes if ".gate." in name}):
            own = random_gate(lpr, below(shapes, gate), g)
            tensors |= {gate + leaf: value for leaf, value in own.items()}
    return tensors


def random_batch(config: dict, lpr: LprSettings | None, g: Generator) -> dict[str, Tensor]:
    """Some labels are masked: within, at the end, and one that the shift removes."""
    ids = torch.randint(0, config["vocab_size"], (BATCH, SEQUENCE), generator=g)
    labels = ids.clone()
    labels[0, 2] = labels[-1, -1] = labels[-1, 0] = -100
    given = {"in.input_ids": ids, "in.labels": labels}
    if lpr is not None:
        for i in filter(lambda i: has_experts(config, i), range(config["num_hidden_layers"])):
            given[f"in.eps.{i}"] = normal(g, BATCH * SEQUENCE, lpr.latent_dim)
    return given


def gate_of(config: dict, layer: int) -> str:
    return f"model.layers.{layer}.{block_of(config)}.gate."


def noise_of(given: dict[str, Tensor]) -> dict[int, Tensor]:
    return {int(name[7:]): value for name, value in given.items() if name.startswith("in.eps.")}


def run(config: dict, lpr: LprSettings | None, given: dict[str, Tensor]) -> decoder.Output:
    return decoder.forward(config, lpr, given, given["in.input_ids"], given["in.labels"], noise_of(given))


def smallest_gap(config: dict, lpr: LprSettings | None, routing: Routing) -> float:
    """Between what is chosen and what is not, also where an auxiliary loss chooses by the scores alone."""
    k, groups = config["num_experts_per_tok"], (1, 1)
    if lpr is not None:
        return choice_gap(routing.details["biased"], lpr.groups, lpr.kept_groups, k)
    if config["model_type"] == "deepseek_v3":
        groups = (config["n_group"], config["topk_group"])
    biased = routing.details.get("biased", routing.scores)
    return min(choice_gap(biased, *groups, k), gap(routing.scores, k))


def all_clean(config: dict, lpr: LprSettings | None, given: dict[str, Tensor], output: decoder.Output) -> bool:
    k, experts = config["num_experts_per_tok"], experts_of(config)
    for i, routing in output.routings.items():
        if lpr is not None:
            if not is_clean(lpr, below(given, gate_of(config, i)), routing, k):
                return False
        elif smallest_gap(config, lpr, routing) < SMALLEST_GAP:
            return False
        elif torch.bincount(routing.experts.flatten(), minlength=experts).min() < 2:
            return False
    return True


def in_double(given: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.double() if value.is_floating_point() else value for name, value in given.items()}


def outputs_of_decoder(lpr: LprSettings | None, output: decoder.Output) -> dict[str, Tensor]:
    outputs = {"logits": output.logits, "loss.task": output.task_loss, "loss.total": output.total_loss}
    if lpr is not None:
        outputs["loss.reg"] = output.regularizer
    elif len(output.auxiliary) == 1:
        outputs["loss.aux"] = output.auxiliary[0]
    else:
        outputs |= {f"layers.{i}.aux": value for i, value in zip(output.routings, output.auxiliary)}
    if "sequenceBalance" in next(iter(output.routings.values())).losses:
        outputs["loss.aux_seq"] = sum(r.losses["sequenceBalance"] for r in output.routings.values())
    for i, routing in output.routings.items():
        if lpr is not None:
            own = outputs_of(lpr, routing)
        else:
            own = {
                "scores": routing.scores,
                "logits": routing.logits,
                "selected": routing.experts,
                "weights": routing.weights,
                "z_loss": balance_losses.z_loss(routing.logits),
            }
        outputs |= {f"layers.{i}.{name}": value for name, value in own.items()}
    return outputs


def step_of(case: Case) -> Callable[[dict[str, Tensor], dict[str, Tensor]], dict[str, Tensor]]:
    """The norm of all gradients and the parameters after one step, in float64; buffers stay as they are."""

    def further(outputs: dict[str, Tensor], gradients: dict[str, Tensor]) -> dict[str, Tensor]:
        parameters = {name: torch.nn.Parameter(case.given[name].double()) for name in gradients}
        for name, parameter in parameters.items():
            parameter.grad = gradients[name].clone()
        norm = clipped_adamw_step(adamw(list(parameters.values())), OPTIMIZER["clip_grad_norm"])
        buffers = {name: value for name, value in case.given.items() if decoder.is_buffer(name)}
        after = {f"after.{name}": value.detach() for name, value in (parameters | buffers).items()}
        return {"out.grad_norm": norm} | after

    return further


def adamw(parameters: list[torch.nn.Parameter]) -> torch.optim.AdamW:
    o = OPTIMIZER
    return torch.optim.AdamW(parameters, lr=o["lr"], betas=o["betas"], eps=o["eps"], weight_decay=o["weight_decay"])


def decoder_case(name: str, config: dict, lpr: LprSettings | None, description: str, with_step: bool = False) -> Case:
    if lpr is not None:
        lpr = lpr_of(lpr, config)

    def draw(g: Generator) -> dict[str, Tensor]:
        return random_decoder(config, lpr, g) | random_batch(config, lpr, g)

    def clean(drawn: dict[str, Tensor]) -> bool:
        double = in_double(drawn)
        return all_clean(config, lpr, double, run(config, lpr, double))

    def compute(given: dict[str, Tensor]) -> dict[str, Tensor]:
        output = run(config, lpr, given)
        moved = decoder.after_step(config, lpr, given, output.routings)
        return outputs_of_decoder(lpr, output) | {f"after.{leaf}": value.detach() for leaf, value in moved.items()}

    trained = [leaf for leaf in decoder.shapes(config, lpr) if not decoder.is_buffer(leaf)]
    keys = dict(router_type="vanilla") if lpr is None else router_keys(lpr, config)
    case = Case(
        name,
        "model",
        description,
        first_clean(name, draw, clean),
        compute,
        TOLERANCES,
        trained,
        "loss.total",
        info=dict(config={**config, **keys}, optimizer=OPTIMIZER, parameters_without_gradient=[]),
    )
    if with_step:
        case.further = step_of(case)
        case.info["parameters_without_gradient"] = sorted(filter(decoder.is_buffer, decoder.shapes(config, lpr)))
    return case


def router_keys(lpr: LprSettings, config: dict) -> dict[str, object]:
    """The keys of a gate, without what a family's config says already."""
    if config["model_type"] == "deepseek_v3":
        lpr = replace(lpr, groups=1, kept_groups=1, weight_scale=1.0)
    return config_keys(lpr)


def trajectory_case(name: str, config: dict, lpr: LprSettings | None, description: str, steps: int = 8) -> Case:
    """Losses of a short training run, with a schedule and with what routers change after a step."""
    schedule = dict(warmup_steps=2, stable_steps=3, decay_steps=3, min_lr_ratio=0.05)
    if lpr is not None:
        lpr = lpr_of(lpr, config)
    trained = [leaf for leaf in decoder.shapes(config, lpr) if not decoder.is_buffer(leaf)]
    buffers = [leaf for leaf in decoder.shapes(config, lpr) if decoder.is_buffer(leaf)]

    def draw(g: Generator) -> dict[str, Tensor]:
        batches = [random_batch(config, lpr, g) for _ in range(steps)]
        given = {leaf: torch.stack([batch[leaf] for batch in batches]) for leaf in batches[0] if leaf != "in.labels"}
        # Something to learn: every other token of a sequence is the same.
        given["in.input_ids"][:, :, ::2] = given["in.input_ids"][:, :, :1] // 4
        return random_decoder(config, lpr, g) | given

    def train(given: dict[str, Tensor]) -> tuple[dict[str, Tensor], float]:
        p = {leaf: given[leaf].clone() for leaf in trained + buffers}
        parameters = {leaf: torch.nn.Parameter(p[leaf]) for leaf in trained}
        optimizer, smallest, losses = adamw(list(parameters.values())), math.inf, []
        for step in range(steps):
            batch = {leaf: value[step] for leaf, value in given.items() if leaf.startswith("in.")}
            output = run(config, lpr, p | parameters | batch | {"in.labels": batch["in.input_ids"]})
            optimizer.zero_grad(set_to_none=True)
            output.total_loss.backward()
            for group in optimizer.param_groups:
                phases = (schedule["warmup_steps"], schedule["stable_steps"], schedule["decay_steps"])
                group["lr"] = OPTIMIZER["lr"] * learning_rate_factor(step, *phases, schedule["min_lr_ratio"])
            clipped_adamw_step(optimizer, OPTIMIZER["clip_grad_norm"])
            with torch.no_grad():
                for leaf, value in decoder.after_step(config, lpr, p | parameters, output.routings).items():
                    (parameters[leaf] if leaf in parameters else p[leaf]).copy_(value)
            smallest = min([smallest] + [smallest_gap(config, lpr, r) for r in output.routings.values()])
            losses.append((output.task_loss, output.total_loss))
        task, total = (torch.stack(each).detach() for each in zip(*losses))
        ends = {f"end.{leaf}": p[leaf] for leaf in buffers if leaf.endswith("bias")}
        return {"task_loss": task, "total_loss": total} | ends, smallest

    given = first_clean(name, draw, lambda drawn: train(in_double(drawn))[1] > 3 * SMALLEST_GAP / 2)
    keys = dict(router_type="vanilla") if lpr is None else router_keys(lpr, config)
    info = dict(config={**config, **keys}, steps=steps, optimizer=OPTIMIZER, schedule=schedule)
    return Case(
        name,
        "trajectory",
        description,
        given,
        lambda given: train(given)[0],
        dict(out=dict(atol=1e-5, rtol=0.0)),
        info=info,
    )


def cases() -> list[Case]:
    own, lpr = "own router", "LPR, formulation "
    three = dict(qwen3=QWEN3, mixtral=MIXTRAL, deepseek=DEEPSEEK)
    made = [
        decoder_case("qwen3-vanilla", QWEN3, None, f"{own}, no auxiliary loss"),
        decoder_case(
            "qwen3-vanilla-aux", QWEN3 | AUXILIARY | dict(norm_topk_prob=True), None, f"{own}, auxiliary loss", True
        ),
        decoder_case(
            "qwen3-vanilla-mixed",
            QWEN3 | dict(num_hidden_layers=3, mlp_only_layers=[0], attention_bias=True),
            None,
            f"{own}, first of three layers dense, attention with biases",
        ),
        decoder_case(
            "qwen3-vanilla-sparse-step",
            QWEN3
            | AUXILIARY
            | dict(num_hidden_layers=4, decoder_sparse_step=2, router_aux_loss_scope="layer", router_z_loss_coef=0.03),
            None,
            f"{own} in every second layer, an auxiliary and a z-loss for each",
        ),
        decoder_case("mixtral-vanilla", MIXTRAL, None, f"{own}, no auxiliary loss"),
        decoder_case("mixtral-vanilla-aux", MIXTRAL | AUXILIARY, None, f"{own}, auxiliary loss", True),
        decoder_case(
            "mixtral-vanilla-sequence",
            MIXTRAL | AUXILIARY | dict(router_aux_loss_scope="sequence"),
            None,
            f"{own}, an auxiliary loss for each sequence",
        ),
        decoder_case(
            "deepseek-vanilla",
            DEEPSEEK | dict(first_k_dense_replace=1, router_bias_update_rate=0.01),
            None,
            f"{own}, first layer dense, a selection bias that moves",
        ),
        decoder_case(
            "deepseek-vanilla-aux",
            DEEPSEEK | AUXILIARY | dict(q_lora_rank=None, norm_topk_prob=False),
            None,
            f"{own}, auxiliary loss of the logits, queries without a latent",
            True,
        ),
        decoder_case(
            "deepseek-vanilla-sequence",
            DEEPSEEK | dict(aux_loss_alpha=0.07, rope_interleave=False),
            None,
            f"{own}, sequence-wise balance loss, rotary embedding of halves",
        ),
    ]
    for family, config in three.items():
        for settings in (PAPER, OFFICIAL, CORRECTED):
            name = f"{family}-lpr-{settings.formulation}"
            if family == "deepseek" and settings is PAPER:
                config = config | dict(q_lora_rank=None)
            made.append(decoder_case(name, config, settings, lpr + settings.formulation, name == "qwen3-lpr-official"))
    prototypes = replace(PAPER, diversity_of="keys", diversity_weight=0.02)
    made.append(
        decoder_case("qwen3-lpr-paper-prototypes", QWEN3, prototypes, f"{lpr}paper, diversity of the prototypes")
    )
    moved = replace(CORRECTED, ema="hard", unit_ball=True)
    return made + [
        trajectory_case("trajectory-mixtral-vanilla-aux", MIXTRAL | AUXILIARY, None, f"{own}, auxiliary loss"),
        trajectory_case(
            "trajectory-deepseek-bias",
            DEEPSEEK | dict(router_bias_update_rate=0.01, aux_loss_alpha=0.02),
            None,
            f"{own}, selection bias and sequence-wise loss",
        ),
        trajectory_case("trajectory-qwen3-lpr-official", QWEN3, OFFICIAL, f"{lpr}official"),
        trajectory_case("trajectory-qwen3-lpr-corrected", QWEN3, CORRECTED, f"{lpr}corrected, selection bias"),
        trajectory_case(
            "trajectory-mixtral-lpr-averages", MIXTRAL, moved, f"{lpr}corrected, hard moving averages on the sphere"
        ),
    ]
