"""A routing method as a case: experts, weights, scores, losses, all gradients, and what it changes after a step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor

from reference.routing import Routing

from .case import OBJECTIVE, SMALLEST_GAP, Case, first_clean, gap, normal

TOKENS, HIDDEN = 27, 10

TOLERANCES = {"out": dict(atol=2e-6, rtol=5e-6), "grad": dict(atol=5e-7, rtol=3e-5)}

Given = dict[str, Tensor]


@dataclass
class Method:
    description: str
    kind: str
    """The name of the method in the library that is compared."""
    route: Callable[[Given, Tensor], Routing]
    """From all that is given and the tokens; parameters have their own names, further inputs the prefix `in.`."""
    parameters: dict[str, Tensor | tuple[int, ...]]
    """Values, or the shape of random ones."""
    experts: int
    k: int
    options: dict[str, Any]
    """Settings by the library's names, every one that the equations read."""
    loss_weights: dict[str, float] = field(default_factory=dict)
    """By the name of the term; a term without one weighs 1."""
    inputs: Callable[[Generator], Given] = lambda g: {}
    """Further inputs, without the prefix."""
    training: bool = True
    buffers: tuple[str, ...] = ()
    gaps: Callable[[Given, Routing], float] = lambda given, routing: gap(routing.scores, routing.experts.shape[1])
    """The smallest distance between what is chosen and what is not."""
    after: Callable[[Given, Routing], Given] = lambda given, routing: {}
    """The buffers that a step changes."""
    sequence: int = TOKENS
    skewed: bool = True
    """Whether some experts are everyone's favourites, so that balancing has something to do."""


def method_case(name: str, method: Method) -> Case:
    tensors = [leaf for leaf in method.parameters if leaf not in method.buffers]

    def draw(g: Generator) -> Given:
        given = {}
        for leaf, value in method.parameters.items():
            given[leaf] = value if isinstance(value, Tensor) else normal(g, *value, scale=value[-1] ** -0.5)
        given |= {f"in.{leaf}": value for leaf, value in method.inputs(g).items()}
        # A direction that all tokens share makes some experts better than others for all of them.
        shared = normal(g, HIDDEN) if method.skewed else 0
        given["in.x"] = (shared + normal(g, TOKENS, HIDDEN, scale=1.5)).half().float()
        given["in.ct_gates"] = normal(g, TOKENS, method.experts)
        given["in.ct_pass_through"] = normal(g, TOKENS, 1)
        return given

    def clean(drawn: Given) -> bool:
        double = {leaf: value.double() if value.is_floating_point() else value for leaf, value in drawn.items()}
        return method.gaps(double, method.route(double, double["in.x"])) > SMALLEST_GAP

    def compute(given: Given) -> Given:
        routing = method.route(given, given["in.x"])
        # An empty slot has weight 0, so whatever it is multiplied with does not show.
        facing = given["in.ct_gates"].gather(1, routing.experts.clamp_max(method.experts - 1))
        objective = (facing * routing.weights).sum()
        outputs = {"selected": routing.experts, "weights": routing.weights, "scores": routing.scores}
        held = routing.experts[routing.experts < method.experts]
        outputs["counts"] = torch.bincount(held, minlength=method.experts)
        if routing.logits is not None:
            outputs["logits"] = routing.logits
        if routing.pass_through is not None:
            outputs["pass_through"] = routing.pass_through
            objective = objective + (given["in.ct_pass_through"] * routing.pass_through).sum()
        for reason, slots in routing.unused.items():
            outputs[f"unused.{reason}"] = torch.tensor([slots])
        if method.training:
            for term, value in routing.losses.items():
                outputs[f"loss.{term}"] = value
                objective = objective + method.loss_weights.get(term, 1.0) * value
            after = method.after(given, routing)
            outputs |= {f"after.{leaf}": value.detach() for leaf, value in after.items()}
        return outputs | {OBJECTIVE: objective}

    info = dict(
        method=dict(kind=method.kind, **method.options),
        shape=dict(hidden=HIDDEN, experts=method.experts, topK=method.k),
        training=method.training,
        sequence=method.sequence,
        loss_weights=method.loss_weights,
        objective="sum(ct_gates at the chosen * weights) + sum(ct_pass_through * pass_through) + the weighted losses",
    )
    given = first_clean(name, draw, clean)
    differentiated = [*tensors, "in.x"] if tensors else []
    return Case(name, "routing", method.description, given, compute, TOLERANCES, differentiated, info=info)
