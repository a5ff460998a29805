"""Every routing method but LPR: which cases there are of each."""

import math

import torch
from torch import Generator, Tensor

from reference import balanced_routers, sigmoid_routers, softmax_routers, sparse_routers
from reference.routing import Routing, biased_away
from reference.tensors import counts_of

from .case import Case, first_clean, gap, generator, normal, uniform
from .methods import HIDDEN, TOKENS, Given, Method, method_case
from .prototypes import choice_gap

WEIGHTED = dict(loadBalancingWeight=0.3, zLossWeight=0.07)
WEIGHTS = dict(loadBalancing=0.3, z=0.07)
"""The same by the names of the terms."""


def top_k_softmax(description: str, renormalise: bool) -> Method:
    def route(p: Given, x: Tensor) -> Routing:
        return softmax_routers.top_k_softmax(p, x, 3, renormalise)

    return Method(description, "topKSoftmax", route, {"weight": (7, HIDDEN)}, 7, 3, dict(renormalize=renormalise))


def dense_mixture(description: str) -> Method:
    """Jacobs et al. 1991: every expert sees every token, weighted with its share of the softmax."""

    def route(p: Given, x: Tensor) -> Routing:
        return softmax_routers.top_k_softmax(p, x, 5, False)

    def gaps(p: Given, routing: Routing) -> float:
        return -routing.scores.sort(-1, descending=True).values.diff(dim=-1).max().item()

    return Method(description, "denseMixture", route, {"weight": (5, HIDDEN)}, 5, 5, {}, gaps=gaps)


def noisy_top_k(description: str, training: bool) -> Method:
    def route(p: Given, x: Tensor) -> Routing:
        return softmax_routers.noisy_top_k(p, x, 2, p["in.noise"] if training else None, 0.05)

    def inputs(g: Generator) -> Given:
        return {"noise": normal(g, TOKENS, 6)} if training else {}

    def gaps(p: Given, routing: Routing) -> float:
        """Also between the thresholds of experts that are chosen and others."""
        biased = routing.details["biased"]
        return min(gap(biased, 2), gap(biased, 1), gap(biased, 3))

    # In evaluation the noise has no part, and no gradient.
    parameters = {"weight": (6, HIDDEN), "noise.weight": (6, HIDDEN) if training else torch.zeros(6, HIDDEN)}
    options = dict(noiseFloor=0.05, importanceWeight=0.3, loadWeight=0.2)
    weights = dict(importance=0.3, load=0.2)
    own = dict(inputs=inputs, training=training, gaps=gaps, buffers=() if training else ("noise.weight",))
    return Method(description, "noisyTopK", route, parameters, 6, 2, options, weights, **own)


def switch(description: str, training: bool) -> Method:
    def route(p: Given, x: Tensor) -> Routing:
        if training:
            return softmax_routers.switch(p, x, 1.25, 0.8 + 0.4 * p["in.noise"], True)
        return softmax_routers.switch(p, x, 1.5, None, False)

    def inputs(g: Generator) -> Given:
        return {"noise": uniform(g, TOKENS, HIDDEN)} if training else {}

    options = dict(capacityFactor=1.25, evaluationCapacityFactor=1.5, jitter=0.2, **WEIGHTED)
    parameters = {"weight": (6, HIDDEN)}
    return Method(description, "switch", route, parameters, 6, 1, options, WEIGHTS, inputs=inputs, training=training)


def gshard(description: str, training: bool) -> Method:
    def route(p: Given, x: Tensor) -> Routing:
        return softmax_routers.gshard(p, x, 1.1, p["in.noise"] if training else None)

    def inputs(g: Generator) -> Given:
        return {"noise": uniform(g, TOKENS, 1)} if training else {}

    def gaps(p: Given, routing: Routing) -> float:
        """Also between what was drawn and what keeps a second expert."""
        two = torch.softmax(routing.logits, -1).sort(-1, descending=True).values[:, :2]
        drawn = (p["in.noise"][:, 0] - 2 * two[:, 1] / two.sum(1)).abs().min().item() if training else math.inf
        return min(gap(routing.logits, 2), drawn)

    options = dict(capacityFactor=1.1, randomSecond=True, **WEIGHTED)
    parameters = {"weight": (6, HIDDEN)}
    return Method(description, "gshard", route, parameters, 6, 2, options, WEIGHTS, inputs, training, gaps=gaps)


def xmoe(description: str, temperature: float, renormalise: bool) -> Method:
    def route(p: Given, x: Tensor) -> Routing:
        return softmax_routers.xmoe(p, x, 2, renormalise)

    parameters = {
        "projection.weight": (5, HIDDEN),
        "expert_embeddings": (7, 5),
        "temperature": torch.tensor([temperature]),
    }
    options = dict(projectionDim=5, renormalize=renormalise, **WEIGHTED)
    return Method(description, "xmoe", route, parameters, 7, 2, options, WEIGHTS)


def adamoe(description: str) -> Method:
    def route(p: Given, x: Tensor) -> Routing:
        return softmax_routers.adamoe(p, x, 3)

    def gaps(p: Given, routing: Routing) -> float:
        return gap(p["in.x"] @ torch.cat([p["weight"], p["null.weight"]]).T, 3)

    parameters = {"weight": (5, HIDDEN), "null.weight": (4, HIDDEN)}
    options = dict(nullExperts=4, loadBalancingWeight=0.3)
    return Method(description, "adamoe", route, parameters, 5, 3, options, dict(loadBalancing=0.3), gaps=gaps)


def deepseek_v3(
    description: str, groups: int, kept: int, renormalise: bool, scale: float, rate: float, bias: float
) -> Method:
    def route(p: Given, x: Tensor) -> Routing:
        return sigmoid_routers.deepseek_v3(p, x, 3, groups, kept, renormalise, scale, 9)

    def after(p: Given, routing: Routing) -> Given:
        load = counts_of(routing.experts, 12, p["weight"])
        return {"e_score_correction_bias": biased_away(p["e_score_correction_bias"], load, rate)}

    def gaps(p: Given, routing: Routing) -> float:
        return min(choice_gap(routing.details["biased"], groups, kept, 3), gap(routing.scores, 3))

    parameters = {"weight": (12, HIDDEN), "e_score_correction_bias": normal(generator(description), 12, scale=bias)}
    options = dict(
        groups=groups,
        keptGroups=kept,
        renormalize=renormalise,
        weightScale=scale,
        biasRate=rate,
        sequenceLossWeight=0.4,
    )
    own = dict(buffers=("e_score_correction_bias",), gaps=gaps, after=after, sequence=9)
    return Method(description, "deepSeekV3", route, parameters, 12, 3, options, dict(sequenceBalance=0.4), **own)


def quantile_balancing(description: str, rounds: int, renormalise: bool) -> Method:
    def route(p: Given, x: Tensor) -> Routing:
        return sigmoid_routers.quantile_balancing(p, x, 2, renormalise)

    def after(p: Given, routing: Routing) -> Given:
        return {"prices": sigmoid_routers.balanced_prices(routing.scores.detach(), 2, p["prices"], rounds)}

    def gaps(p: Given, routing: Routing) -> float:
        return gap(routing.details["biased"], 2)

    parameters = {"weight": (7, HIDDEN), "prices": normal(generator(description), 7, scale=0.1)}
    options = dict(renormalize=renormalise, rounds=rounds)
    own = dict(buffers=("prices",), gaps=gaps, after=after)
    return Method(description, "quantileBalancing", route, parameters, 7, 2, options, **own)


def base(description: str, experts: int, training: bool) -> Method:
    """In training only of tokens whose best experts are balanced: no other assignment comes near that one."""

    def route(p: Given, x: Tensor) -> Routing:
        return balanced_routers.base(p, x)

    def gaps(p: Given, routing: Routing) -> float:
        even = (counts_of(routing.experts, experts, routing.scores) == TOKENS // experts).all()
        return gap(routing.scores, 1) if even or not training else 0.0

    parameters = {"expert_centroids": (experts, HIDDEN)}
    return Method(
        description, "base", route, parameters, experts, 1, {}, training=training, gaps=gaps, skewed=not training
    )


def sinkhorn(description: str, k: int, training: bool) -> Method:
    def route(p: Given, x: Tensor) -> Routing:
        return balanced_routers.sinkhorn(p, x, k, 12, training)

    def gaps(p: Given, routing: Routing) -> float:
        return gap(routing.details["biased"], k)

    parameters = {"weight": (6, HIDDEN)}
    return Method(description, "sinkhorn", route, parameters, 6, k, dict(rounds=12), training=training, gaps=gaps)


def expert_choice(description: str) -> Method:
    def route(p: Given, x: Tensor) -> Routing:
        return balanced_routers.expert_choice(p, x, 2)

    def gaps(p: Given, routing: Routing) -> float:
        return gap(torch.softmax(routing.scores, -1).T, TOKENS * 2 // 7)

    return Method(description, "expertChoice", route, {"weight": (7, HIDDEN)}, 7, 2, {}, gaps=gaps)


def remoe(description: str, k: int) -> Method:
    def route(p: Given, x: Tensor) -> Routing:
        return sparse_routers.remoe(p, x, k)

    def after(p: Given, routing: Routing) -> Given:
        load = (routing.scores > 0).to(p["weight"].dtype).sum(0)
        return {"penalty": sparse_routers.remoe_penalty(p["penalty"], load, TOKENS, k, 1.3)}

    def gaps(p: Given, routing: Routing) -> float:
        return routing.scores.abs().min().item()

    parameters = {"weight": (6, HIDDEN), "penalty": torch.tensor([0.4])}
    options = dict(initialPenalty=0.4, penaltyFactor=1.3)
    own = dict(buffers=("penalty",), gaps=gaps, after=after)
    return Method(description, "remoe", route, parameters, 6, k, options, **own)


def dselect_k(description: str, experts: int, k: int, gamma: float, scale: float) -> Method:
    bits = math.ceil(math.log2(experts))

    def route(p: Given, x: Tensor) -> Routing:
        return sparse_routers.dselect_k(p, x, k, experts, gamma)

    def gaps(p: Given, routing: Routing) -> float:
        """From where a step becomes flat and its slope jumps; and between gates, of which equal ones have no order."""
        edges = ((p["in.x"] @ p["selector.weight"].T).abs() - gamma / 2).abs().min()
        ordered = routing.scores.sort(-1).values
        steps = (ordered[:, 1:] - ordered[:, :-1])[ordered[:, :-1] > 0]
        return min(edges.item(), 10 * steps.min().item())

    g = generator(description)
    parameters = {
        "selector.weight": normal(g, k * bits, HIDDEN, scale=scale),
        "mixture.weight": normal(g, k, HIDDEN, scale=0.2),
    }
    options = dict(gamma=gamma, entropyWeight=0.2)
    return Method(description, "dselectK", route, parameters, experts, k, options, dict(entropy=0.2), gaps=gaps)


def hash_layer(description: str) -> Method:
    def route(p: Given, x: Tensor) -> Routing:
        return sparse_routers.hash_layer(p["table"], p["in.token_ids"], 5)

    def inputs(g: Generator) -> Given:
        return {"token_ids": torch.randint(0, 11, (TOKENS,), generator=g)}

    g = generator(description)
    table = torch.stack([torch.randperm(5, generator=g)[:2] for _ in range(11)]).float()
    own = dict(inputs=inputs, buffers=("table",), gaps=lambda p, routing: math.inf)
    return Method(description, "hash", route, {"table": table}, 5, 2, dict(vocabulary=11), **own)


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

    given = first_clean(name, draw, lambda drawn: True)
    description = "BASE: the largest total score of any balanced assignment of tokens to experts"
    tolerances = {"out": dict(atol=1e-5, rtol=1e-5)}
    return Case(name, "assignment", description, given, compute, tolerances, info=dict(shortfall=SHORTFALL))


def cases() -> list[Case]:
    methods = {
        "top-k-softmax": top_k_softmax("Mixtral and Qwen3: the k most probable, renormalised", True),
        "top-k-softmax-plain": top_k_softmax("Qwen3: the k most probable, weights as they are", False),
        "dense-mixture": dense_mixture("the dense mixture: all experts, weighted by a softmax"),
        "noisy-top-k": noisy_top_k("noisy top-k gating: importance and load", True),
        "noisy-top-k-evaluation": noisy_top_k("noisy top-k gating in evaluation", False),
        "switch": switch("Switch Transformer: one expert, jitter, capacity, losses", True),
        "switch-evaluation": switch("Switch Transformer in evaluation", False),
        "gshard": gshard("GShard: the second expert at random, first choices before second ones", True),
        "gshard-evaluation": gshard("GShard in evaluation", False),
        "xmoe": xmoe("X-MoE: cosines in a narrow space", 1.3, True),
        "xmoe-hot": xmoe("X-MoE: the temperature at its bound, weights as they are", 6.0, False),
        "adamoe": adamoe("AdaMoE: null experts, whose load is shared"),
        "deepseek-v3": deepseek_v3("DeepSeek-V3: groups, bias, sequence-wise loss", 4, 2, True, 2.5, 0.03, 0.3),
        "deepseek-v3-plain": deepseek_v3("DeepSeek-V3: no groups, weights as they are", 1, 1, False, 1.0, 0.5, 0.1),
        "deepseek-v3-pairs": deepseek_v3("DeepSeek-V3: groups of two", 6, 3, True, 1.0, 0.01, 0.2),
        "quantile-balancing": quantile_balancing("quantile balancing: prices of four rounds", 4, True),
        "quantile-balancing-plain": quantile_balancing("quantile balancing: prices of one round", 1, False),
        "base": base("BASE in training, of tokens whose best experts are balanced", 3, True),
        "base-evaluation": base("BASE in evaluation: the best expert, and some of the token itself", 5, False),
        "sinkhorn": sinkhorn("Sinkhorn: two experts", 2, True),
        "sinkhorn-one": sinkhorn("Sinkhorn: one expert", 1, True),
        "sinkhorn-evaluation": sinkhorn("Sinkhorn in evaluation", 2, False),
        "expert-choice": expert_choice("expert choice: each expert takes its best tokens"),
        "remoe": remoe("ReMoE: more experts are open than asked for, the penalty grows", 2),
        "remoe-closed": remoe("ReMoE: fewer experts are open than asked for, the penalty shrinks", 5),
        "dselect-k": dselect_k("DSelect-k: binary codes of eight experts", 8, 2, 1.0, 0.12),
        "dselect-k-wrapped": dselect_k("DSelect-k: of six, codes 6 and 7 count for 0 and 1", 6, 3, 1.5, 0.16),
        "hash": hash_layer("hash layers: a table of the vocabulary"),
    }
    return [method_case(name, method) for name, method in methods.items()] + [assignment_case()]
