"""Every other routing method: experts, weights, scores, losses, all gradients, and what it changes after a step."""
import math
from dataclasses import dataclass, field
from typing import Any, Callable

import torch
from torch import Generator, Tensor

from reference import balanced_routers, sigmoid_routers, softmax_routers, sparse_routers
from reference.routing import Routing, biased_away
from reference.tensors import counts_of

from .case import OBJECTIVE, SMALLEST_GAP, Case, first_clean, gap, normal, uniform
from .prototypes import choice_gap

TOKENS, HIDDEN = 27, 10

TOLERANCES = {"out": dict(atol=2e-6, rtol=5e-6), "grad": dict(atol=5e-7, rtol=3e-5)}

Given = dict[str, Tensor]


@dataclass
class Method:
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


def method_case(name: str, method: Method, description: str) -> Case:
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
        method=dict(kind=method.kind, **method.options), shape=dict(hidden=HIDDEN, experts=method.experts, topK=method.k),
        training=method.training, sequence=method.sequence, loss_weights=method.loss_weights,
        objective="sum(ct_gates at the chosen * weights) + sum(ct_pass_through * pass_through) + the weighted losses",
    )  # fmt: skip
    given = first_clean(name, draw, clean)
    return Case(name, "routing", description, given, compute, TOLERANCES, [*tensors, "in.x"] if tensors else [], info=info)


def _linear(experts: int) -> dict[str, Tensor | tuple[int, ...]]:
    return {"weight": (experts, HIDDEN)}


def _softmax_methods() -> dict[str, tuple[Method, str]]:
    made: dict[str, tuple[Method, str]] = {}
    weights = dict(loadBalancing=0.3, z=0.07)
    weighted = dict(loadBalancingWeight=0.3, zLossWeight=0.07)
    for renormalise in (True, False):
        name = "top-k-softmax" + ("" if renormalise else "-plain")
        route = lambda p, x, r=renormalise: softmax_routers.top_k_softmax(p, x, 3, r)
        method = Method("topKSoftmax", route, _linear(7), 7, 3, dict(renormalize=renormalise))
        made[name] = (method, "Mixtral and Qwen3: the k most probable" + (", renormalised" if renormalise else ""))

    for training, factor in ((True, 1.25), (False, 1.5)):
        route = lambda p, x, f=factor, t=training: softmax_routers.switch(
            p, x, f, 0.8 + 0.4 * p["in.noise"] if t else None, t
        )
        options = dict(capacityFactor=1.25, evaluationCapacityFactor=1.5, jitter=0.2, **weighted)
        made["switch" if training else "switch-evaluation"] = (
            Method(
                "switch", route, _linear(6), 6, 1, options, weights, training=training,
                inputs=(lambda g: {"noise": uniform(g, TOKENS, HIDDEN)}) if training else (lambda g: {}),
            ),
            "Switch Transformer: one expert, jitter, capacity" if training else "Switch Transformer in evaluation",
        )  # fmt: skip

    def second_is_clear(p: Given, routing: Routing) -> float:
        two = torch.softmax(routing.logits, -1).sort(-1, descending=True).values[:, :2]
        return min(gap(routing.logits, 2), (p["in.noise"][:, 0] - 2 * two[:, 1] / two.sum(1)).abs().min().item())

    options = dict(capacityFactor=1.1, randomSecond=True, **weighted)
    made["gshard"] = (
        Method(
            "gshard", lambda p, x: softmax_routers.gshard(p, x, 1.1, p["in.noise"]), _linear(6), 6, 2, options, weights,
            inputs=lambda g: {"noise": uniform(g, TOKENS, 1)}, gaps=second_is_clear,
        ),
        "GShard: the second expert at random, first choices before second ones",
    )  # fmt: skip
    made["gshard-evaluation"] = (
        Method(
            "gshard", lambda p, x: softmax_routers.gshard(p, x, 1.1, None), _linear(6), 6, 2, options, training=False,
            gaps=lambda p, routing: gap(routing.logits, 2),
        ),
        "GShard in evaluation",
    )  # fmt: skip

    for name, temperature, renormalise in (("xmoe", 1.3, True), ("xmoe-hot", 6.0, False)):
        tensors = {
            "projection.weight": (5, HIDDEN), "expert_embeddings": (7, 5), "temperature": torch.tensor([temperature]),
        }  # fmt: skip
        route = lambda p, x, r=renormalise: softmax_routers.xmoe(p, x, 2, r)
        options = dict(projectionDim=5, renormalize=renormalise, **weighted)
        made[name] = (
            Method("xmoe", route, tensors, 7, 2, options, weights),
            "X-MoE: cosines in a narrow space" + ("" if renormalise else ", the temperature at its bound"),
        )
    route = lambda p, x: softmax_routers.adamoe(p, x, 3)
    made["adamoe"] = (
        Method(
            "adamoe", route, {"weight": (5, HIDDEN), "null.weight": (4, HIDDEN)}, 5, 3,
            dict(nullExperts=4, loadBalancingWeight=0.3), dict(loadBalancing=0.3),
            gaps=lambda p, routing: gap(p["in.x"] @ torch.cat([p["weight"], p["null.weight"]]).T, 3),
        ),
        "AdaMoE: null experts, whose load is shared",
    )  # fmt: skip
    return made


def _sigmoid_methods() -> dict[str, tuple[Method, str]]:
    made: dict[str, tuple[Method, str]] = {}

    def deepseek(groups: int, kept: int, renormalise: bool, scale: float, rate: float, bias: float) -> Method:
        def route(p: Given, x: Tensor) -> Routing:
            return sigmoid_routers.deepseek_v3(p, x, 3, groups, kept, renormalise, scale, 9)

        def after(p: Given, routing: Routing) -> Given:
            load = counts_of(routing.experts, 12, p["weight"])
            return {"e_score_correction_bias": biased_away(p["e_score_correction_bias"], load, rate)}

        def gaps(p: Given, routing: Routing) -> float:
            return min(choice_gap(routing.details["biased"], groups, kept, 3), gap(routing.scores, 3))

        options = dict(
            groups=groups, keptGroups=kept, renormalize=renormalise, weightScale=scale, biasRate=rate,
            sequenceLossWeight=0.4,
        )  # fmt: skip
        g = torch.Generator().manual_seed(groups)
        tensors = {"weight": (12, HIDDEN), "e_score_correction_bias": normal(g, 12, scale=bias)}
        return Method(
            "deepSeekV3", route, tensors, 12, 3, options, dict(sequenceBalance=0.4), sequence=9, gaps=gaps, after=after,
            buffers=("e_score_correction_bias",),
        )  # fmt: skip

    made["deepseek-v3"] = (deepseek(4, 2, True, 2.5, 0.03, 0.3), "DeepSeek-V3: groups, bias, sequence-wise loss")
    made["deepseek-v3-plain"] = (
        deepseek(1, 1, False, 1.0, 0.5, 0.1), "DeepSeek-V3 without groups, weights as they are"
    )  # fmt: skip
    made["deepseek-v3-pairs"] = (deepseek(6, 3, True, 1.0, 0.01, 0.2), "DeepSeek-V3, groups of two")

    def quantile(rounds: int, renormalise: bool) -> Method:
        def after(p: Given, routing: Routing) -> Given:
            prices = sigmoid_routers.balanced_prices(routing.scores.detach(), 2, p["prices"], rounds)
            return {"prices": prices}

        tensors = {"weight": (7, HIDDEN), "prices": normal(torch.Generator().manual_seed(rounds), 7, scale=0.1)}
        return Method(
            "quantileBalancing", lambda p, x: sigmoid_routers.quantile_balancing(p, x, 2, renormalise), tensors, 7, 2,
            dict(renormalize=renormalise, rounds=rounds), after=after, buffers=("prices",),
            gaps=lambda p, routing: gap(routing.details["biased"], 2),
        )  # fmt: skip

    made["quantile-balancing"] = (quantile(4, True), "quantile balancing: prices of four rounds")
    made["quantile-balancing-plain"] = (quantile(1, False), "quantile balancing: prices of one round, weights as they are")
    return made


def _balanced_methods() -> dict[str, tuple[Method, str]]:
    made: dict[str, tuple[Method, str]] = {}
    made["base-evaluation"] = (
        Method(
            "base", lambda p, x: balanced_routers.base(p, x), {"expert_centroids": (5, HIDDEN)}, 5, 1, {}, training=False
        ),
        "BASE in evaluation: the best expert, and some of the token itself",
    )  # fmt: skip

    def evenly(p: Given, routing: Routing) -> float:
        # Where everyone's best expert is balanced already, no other assignment comes near it.
        even = (counts_of(routing.experts, 3, routing.scores) == TOKENS // 3).all()
        return gap(routing.scores, 1) if even else 0.0

    made["base"] = (
        Method(
            "base", lambda p, x: balanced_routers.base(p, x), {"expert_centroids": (3, HIDDEN)}, 3, 1, {}, gaps=evenly,
            skewed=False,
        ),
        "BASE in training, of tokens whose best experts are balanced",
    )  # fmt: skip
    for k, training in ((2, True), (1, True), (2, False)):
        route = lambda p, x, k=k, t=training: balanced_routers.sinkhorn(p, x, k, 12, t)
        name = "sinkhorn" + ("" if training else "-evaluation") + ("-one" if k == 1 else "")
        method = Method(
            "sinkhorn", route, _linear(6), 6, k, dict(rounds=12), training=training,
            gaps=lambda p, routing, k=k: gap(routing.details["biased"], k),
        )  # fmt: skip
        made[name] = (method, f"Sinkhorn, k = {k}" + ("" if training else ", evaluation"))
    made["expert-choice"] = (
        Method(
            "expertChoice", lambda p, x: balanced_routers.expert_choice(p, x, 2), _linear(7), 7, 2, {},
            gaps=lambda p, routing: gap(torch.softmax(routing.scores, -1).T, TOKENS * 2 // 7),
        ),
        "expert choice: each expert takes its best tokens",
    )  # fmt: skip
    return made


def _sparse_methods() -> dict[str, tuple[Method, str]]:
    made: dict[str, tuple[Method, str]] = {}

    def relu(k: int) -> Method:
        def after(p: Given, routing: Routing) -> Given:
            load = (routing.scores > 0).to(p["weight"].dtype).sum(0)
            return {"penalty": sparse_routers.remoe_penalty(p["penalty"], load, TOKENS, k, 1.3)}

        return Method(
            "remoe", lambda p, x: sparse_routers.remoe(p, x, k), _linear(6) | {"penalty": torch.tensor([0.4])}, 6, k,
            dict(initialPenalty=0.4, penaltyFactor=1.3), after=after, buffers=("penalty",),
            gaps=lambda p, routing: routing.scores.abs().min().item(),
        )  # fmt: skip

    made["remoe"] = (relu(2), "ReMoE: more experts are open than asked for, the penalty grows")
    made["remoe-closed"] = (relu(5), "ReMoE: fewer experts are open than asked for, the penalty shrinks")

    def codes(experts: int, k: int, gamma: float, scale: float) -> Method:
        bits = math.ceil(math.log2(experts))
        g = torch.Generator().manual_seed(experts)
        tensors = {
            "selector.weight": normal(g, k * bits, HIDDEN, scale=scale), "mixture.weight": normal(g, k, HIDDEN, scale=0.2),
        }  # fmt: skip

        def gaps(p: Given, routing: Routing) -> float:
            # Where a step is flat its slope jumps, and equal gates have no order.
            edges = ((p["in.x"] @ p["selector.weight"].T).abs() - gamma / 2).abs().min()
            ordered = routing.scores.sort(-1).values
            steps = (ordered[:, 1:] - ordered[:, :-1])[ordered[:, :-1] > 0]
            return min(edges.item(), 10 * steps.min().item())

        return Method(
            "dselectK", lambda p, x: sparse_routers.dselect_k(p, x, k, experts, gamma), tensors, experts, k,
            dict(gamma=gamma, entropyWeight=0.2), dict(entropy=0.2), gaps=gaps,
        )  # fmt: skip

    made["dselect-k"] = (codes(8, 2, 1.0, 0.12), "DSelect-k: binary codes of eight experts")
    made["dselect-k-wrapped"] = (codes(6, 3, 1.5, 0.16), "DSelect-k of six experts: codes 6 and 7 count for 0 and 1")

    g = torch.Generator().manual_seed(1)
    table = torch.stack([torch.randperm(5, generator=g)[:2] for _ in range(11)]).float()
    made["hash"] = (
        Method(
            "hash", lambda p, x: sparse_routers.hash_layer(p["table"], p["in.token_ids"], 5), {"table": table}, 5, 2,
            dict(vocabulary=11), inputs=lambda g: {"token_ids": torch.randint(0, 11, (TOKENS,), generator=g)},
            buffers=("table",), gaps=lambda p, routing: math.inf,
        ),
        "hash layers: a table of the vocabulary",
    )  # fmt: skip
    return made


SHORTFALL = 0.1
"""How far below the optimum an approximate assignment may be, per token, where scores have a deviation of 1."""


def assignment_case() -> Case:
    """The optimum that BASE's balanced assignment of a whole batch is held to."""
    name, sizes = "base-assignment", ((12, 4), (14, 4), (15, 5), (11, 3))

    def draw(g: Generator) -> Given:
        return {f"in.scores.{i}": normal(g, *size) + torch.linspace(1, 0, size[1]) for i, size in enumerate(sizes)}

    def compute(given: Given) -> Given:
        best = [balanced_routers.best_assignment(given[f"in.scores.{i}"]) for i in range(len(sizes))]
        return {f"total.{i}": torch.tensor(total, dtype=torch.float64) for i, (total, _) in enumerate(best)}

    return Case(
        name, "assignment", "BASE: the largest total score of any balanced assignment of tokens to experts",
        first_clean(name, draw, lambda given: True), compute, {"out": dict(atol=1e-5, rtol=1e-5)},
        info=dict(shortfall=SHORTFALL),
    )  # fmt: skip


def cases() -> list[Case]:
    methods = _softmax_methods() | _sigmoid_methods() | _balanced_methods() | _sparse_methods()
    return [method_case(name, *method) for name, method in methods.items()] + [assignment_case()]
