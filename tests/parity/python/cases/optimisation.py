"""Steps of the optimiser on given gradients, and learning-rate schedules."""

from typing import Any

import torch
from torch import Tensor

from reference.optimisation import clipped_adamw_step, learning_rate_factor

from .case import Case, generator, normal
from .decoders import OPTIMIZER

SHAPES = {"w": (7, 5), "b": (5,), "s": (1,), "t": (2, 3, 4), "u": (6,)}
SCALES = (0.01, 1.0, 3.0, 0.1, 1e-6, 10.0, 0.3, 0.05)
SCHEDULE = dict(warmup_steps=2, stable_steps=3, decay_steps=3, min_lr_ratio=0.05)


def adamw_case(name: str, description: str, clip: float, groups: list[dict[str, Any]]) -> Case:
    """`groups` name parameters with another weight decay."""
    g = generator(name)
    given = {f"in.param.{leaf}": normal(g, *shape) for leaf, shape in SHAPES.items()}
    for step, scale in enumerate(SCALES):
        for leaf, shape in SHAPES.items():
            # u: gradients of the size of epsilon; b: none at all in step 3.
            own = torch.zeros(shape) if (leaf, step) == ("b", 3) else torch.randn(*shape, generator=g)
            given[f"in.grad.{leaf}.{step}"] = (2e-8 if leaf == "u" else scale) * own
    decay_of = {leaf: group["weight_decay"] for group in groups for leaf in group["names"]}

    def compute(t: dict[str, Tensor]) -> dict[str, Tensor]:
        parameters = {leaf: torch.nn.Parameter(t[f"in.param.{leaf}"].clone()) for leaf in SHAPES}
        each = [
            dict(params=[p], weight_decay=decay_of.get(leaf, OPTIMIZER["weight_decay"]))
            for leaf, p in parameters.items()
        ]
        optimizer = torch.optim.AdamW(each, lr=OPTIMIZER["lr"], betas=OPTIMIZER["betas"], eps=OPTIMIZER["eps"])
        outputs = {}
        for step in range(len(SCALES)):
            for leaf, parameter in parameters.items():
                parameter.grad = t[f"in.grad.{leaf}.{step}"].clone()
            for group in optimizer.param_groups:
                group["lr"] = OPTIMIZER["lr"] * factor(step)
            outputs[f"grad_norm.{step}"] = clipped_adamw_step(optimizer, clip)
            for leaf, parameter in parameters.items():
                moments = optimizer.state[parameter]
                outputs[f"param.{leaf}.{step}"] = parameter.detach().clone()
                outputs[f"m.{leaf}.{step}"] = moments["exp_avg"].clone()
                outputs[f"v.{leaf}.{step}"] = moments["exp_avg_sq"].clone()
        return outputs

    def factor(step: int) -> float:
        phases = (SCHEDULE["warmup_steps"], SCHEDULE["stable_steps"], SCHEDULE["decay_steps"])
        return learning_rate_factor(step, *phases, SCHEDULE["min_lr_ratio"])

    tolerances = {
        "out.param": dict(atol=2e-7, rtol=1e-6),
        "out.m": dict(atol=0.0, rtol=2e-6),
        "out.v": dict(atol=0.0, rtol=2e-6),
        "out.grad_norm": dict(atol=0.0, rtol=2e-6),
    }
    return Case(
        name,
        "optimizer",
        description,
        given,
        compute,
        tolerances,
        info=dict(
            steps=len(SCALES),
            optimizer={**OPTIMIZER, "clip_grad_norm": clip},
            groups=groups,
            schedule=SCHEDULE,
            learning_rates=[OPTIMIZER["lr"] * factor(step) for step in range(len(SCALES))],
        ),
    )


def schedule_case() -> Case:
    total = 400
    shares = {
        "table8": (0.05, 0.75, "cosine"),
        "text": (0.05, 0.70, "cosine"),
        "cosine": (0.1, 0.0, "cosine"),
        "linear": (0.1, 0.0, "linear"),
        "line at the end": (0.02, 0.5, "linear"),
        "root at the end": (0.02, 0.5, "squareRoot"),
    }
    runs = {}
    for name, (warmup, stable, shape) in shares.items():
        phases = (round(total * warmup), round(total * stable))
        runs[name] = dict(
            total_steps=total,
            warmup_steps=phases[0],
            stable_steps=phases[1],
            decay_steps=total - sum(phases),
            min_lr_ratio=0.05,
            decay=shape,
        )

    def compute(given: dict[str, Tensor]) -> dict[str, Tensor]:
        outputs = {}
        for name, run in runs.items():
            phases = (run["warmup_steps"], run["stable_steps"], run["decay_steps"], run["min_lr_ratio"], run["decay"])
            factors = [learning_rate_factor(step, *phases) for step in range(total + 10)]
            outputs[f"factor.{name}"] = torch.tensor(factors, dtype=torch.float64)
        return outputs

    return Case(
        "schedules",
        "schedule",
        "learning-rate factors at the steps 0 to total + 9. table8 and text are the paper's, cosine "
        "and linear those of transformers with a floor",
        {},
        compute,
        {"out": dict(atol=2e-7, rtol=0.0)},
        info=dict(runs=runs),
    )


def cases() -> list[Case]:
    groups = [dict(names=["b", "s"], weight_decay=0.0), dict(names=["t"], weight_decay=0.5)]
    return [
        adamw_case("adamw-steps", "several clipped steps with a schedule, decay on everything", 1.0, []),
        adamw_case(
            "adamw-groups", "the same with groups of parameters that decay otherwise, clipped at 0.5", 0.5, groups
        ),
        schedule_case(),
    ]
