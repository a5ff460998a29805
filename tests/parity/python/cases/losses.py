"""The auxiliary load-balancing loss in its four scopes, and the z-loss, of several layers, with their gradients."""

import torch
from torch import Generator, Tensor

from reference import balance_losses
from reference.tensors import largest

from .case import OBJECTIVE, SMALLEST_GAP, Case, first_clean, gap, normal

LAYERS, SEQUENCE, TOKENS, EXPERTS, K = 3, 7, 35, 6, 2
PARTS = [[0, 14], [14, 21], [21, 35]]
"""First token of each micro-batch, and the first after it."""

SCOPES = ("pooled", "layer", "sequence", "globalBatch", "z")


def losses(layers: list[Tensor], scope: str) -> list[Tensor]:
    """Of logits `[T, M]` a layer: one loss a layer; pooled: one in all; globalBatch: one a layer and micro-batch."""
    probabilities = [torch.softmax(logits, -1) for logits in layers]
    choices = [largest(logits.detach(), K) for logits in layers]
    both = list(zip(probabilities, choices))
    if scope == "pooled":
        return [balance_losses.pooled_loss(both)]
    if scope == "layer":
        return [balance_losses.layer_loss(*layer) for layer in both]
    if scope == "sequence":
        return [balance_losses.sequence_loss(*layer, SEQUENCE) for layer in both]
    if scope == "z":
        return [balance_losses.z_loss(logits) for logits in layers]
    return [balance_losses.global_batch_loss(p[first:end], [chosen]) for p, chosen in both for first, end in PARTS]


def case_of(scope: str) -> Case:
    name = f"losses-{scope}"

    def draw(g: Generator) -> dict[str, Tensor]:
        favourites = torch.linspace(1, -1, EXPERTS).half().float()
        given = {f"in.logits.{i}": normal(g, TOKENS, EXPERTS) + (i - 1) * favourites for i in range(LAYERS)}
        given["in.ct"] = normal(g, LAYERS * len(PARTS))
        return given

    def compute(given: dict[str, Tensor]) -> dict[str, Tensor]:
        values = torch.stack(losses([given[f"in.logits.{i}"] for i in range(LAYERS)], scope))
        return {"losses": values, OBJECTIVE: (given["in.ct"][: len(values)] * values).sum()}

    given = first_clean(
        name, draw, lambda drawn: min(gap(drawn[f"in.logits.{i}"], K) for i in range(LAYERS)) > SMALLEST_GAP
    )
    return Case(
        name,
        "losses",
        f"the losses of {LAYERS} layers, scope {scope}; the objective is sum(ct * losses)",
        given,
        compute,
        {"out": dict(atol=1e-6, rtol=2e-6), "grad": dict(atol=1e-8, rtol=1e-5)},
        [f"in.logits.{i}" for i in range(LAYERS)],
        info=dict(scope=scope, layers=LAYERS, sequence=SEQUENCE, topK=K, parts=PARTS),
    )


def cases() -> list[Case]:
    return [case_of(scope) for scope in SCOPES]
