"""Measures of balance, of routers and of what experts specialise in; and what balance is worth without structure."""

import math
from fractions import Fraction
from functools import partial

import torch
from torch import Generator, Tensor

from reference import balance_measures, load_levels, router_measures
from reference.balance_measures import LoadAverages

from .case import SMALLEST_GAP, Case, first_clean, gap, generator, normal

EXACT = dict(atol=1e-12, rtol=1e-6)


def loads_case() -> Case:
    g, experts, epsilon = generator("balance-loads"), 7, 1e-6
    loads = {
        "even draw": torch.rand(experts, generator=g),
        "exponential": -torch.rand(64, generator=g).log(),
        "zipf": 1 / torch.arange(1, 129).float() ** 1.2,
        "counts": torch.randint(0, 50, (experts,), generator=g).float(),
        "constant": torch.full((17,), 0.3),
        "one has all": torch.eye(experts)[3],
        "every second": torch.tensor([0.0, 1] * 8),
        "one has none": torch.cat([torch.zeros(1), 1 + torch.rand(31, generator=g)]),
        "tiny": 1e-12 * torch.rand(experts, generator=g),
        "huge": 1e12 * torch.rand(experts, generator=g),
        "wide": 10.0 ** torch.linspace(-8, 8, 33),
        "two": torch.tensor([3.0, 1]),
        "equal two": torch.tensor([2.0, 2]),
        "descending": torch.arange(20, 0, -1).float(),
        "ties": torch.tensor([1.0, 5, 5, 2, 2, 2, 9, 1]),
        "many": torch.randint(0, 1000, (512,), generator=g).float(),
        "none at all": torch.zeros(experts),
    }
    expected = {}
    for name, load in loads.items():
        own = balance_measures.measures(load.double())
        expected[name] = own | {"min_max_eps": (load.double().min() / (load.double().max() + epsilon)).item()}
    return Case(
        "balance-loads",
        "metrics",
        "measures of loads, in float64 of the loads as they are; null: undefined",
        {f"in.load.{name}": load for name, load in loads.items()},
        lambda given: {},
        {"expected": EXACT},
        info=dict(min_max_epsilon=epsilon, expected=expected),
    )


def averages_case() -> Case:
    name, steps, tokens, experts, k, decay = "balance-averages", 12, 25, 7, 2, 0.99

    def draw(g: Generator) -> dict[str, Tensor]:
        skew = torch.linspace(-1, 1, experts).half().float()
        given = {f"in.scores.{s}": normal(g, tokens, experts) + (s % 3) * skew for s in range(steps)}
        given["in.scores.4"][:, :k] += 20
        return given

    def compute(given: dict[str, Tensor]) -> dict[str, Tensor]:
        averages, outputs = LoadAverages(experts, k, decay), {}
        for s in range(steps):
            averages.update(given[f"in.scores.{s}"])
            outputs |= {f"hard_load.{s}": averages.hard, f"soft_load.{s}": averages.soft}
        return outputs

    given = first_clean(name, draw, lambda drawn: min(gap(scores, k) for scores in drawn.values()) > SMALLEST_GAP)
    averages, expected = LoadAverages(experts, k, decay), []
    for s in range(steps):
        averages.update(given[f"in.scores.{s}"])
        expected.append(averages.measures())
    return Case(
        name,
        "load_tracker",
        "measures of the moving averages of loads that the released code of LPR reports, over batches of scores",
        given,
        compute,
        {"out": dict(atol=1e-5, rtol=1e-5), "expected": dict(atol=1e-7, rtol=1e-5)},
        info=dict(decay=decay, top_k=k, steps=steps, expected=expected),
    )


def placement_case() -> Case:
    """Factors are those that are written, so that 1.1 x 100 / 10 are 11 places."""
    loads = {"uneven": [30, 5, 0, 12, 13, 7, 8, 25], "hundred": [12, 11, 13, 9, 5, 10, 10, 10, 11, 9]}
    expected = []
    for name, counts in loads.items():
        load = torch.tensor(counts, dtype=torch.float64)
        for factor in ("1", "1.1", "1.25", "2"):
            places = math.ceil(Fraction(factor) * sum(counts) / len(counts))
            dropped = balance_measures.drop_rate(load, places)
            expected.append(dict(load=name, factor=float(factor), places=places, drop_rate=dropped))
        for ranks in (1, 2, len(counts)):
            expected.append(dict(load=name, ranks=ranks, overload=balance_measures.overload(load, ranks)))
    return Case(
        "placement",
        "placement",
        "dropped shares at a capacity, and the busiest rank over the mean",
        {},
        lambda given: {},
        {"expected": EXACT},
        info=dict(loads=loads, expected=expected),
    )


def health_case() -> Case:
    name, k = "router-health", 3

    def draw(g: Generator) -> dict[str, Tensor]:
        return {
            "in.scores": 2 * normal(g, 40, 9),
            "in.keys": normal(g, 11, 4),
            "in.latents": normal(g, 50, 4) * torch.tensor([2.0, 1, 0.5, 0.25]) + 0.5,
        }

    given = first_clean(name, draw, lambda drawn: gap(drawn["in.scores"], k) > SMALLEST_GAP)
    latents, eigenvalues = router_measures.latent_measures(given["in.latents"].double())
    explained, axes = router_measures.principal_components(given["in.latents"].double(), 3)
    expected = {
        "scores": router_measures.score_measures(given["in.scores"].double(), k),
        "latents": latents,
        "eigenvalues": eigenvalues.tolist(),
        "explained": explained.tolist(),
        "axes": axes.tolist(),
        "keys": router_measures.key_measures(given["in.keys"].double()),
    }
    return Case(
        name,
        "health",
        "how decided a router is, how latents fill their space, how prototypes spread",
        given,
        lambda given: {},
        {"expected": dict(atol=1e-9, rtol=1e-6)},
        info=dict(topK=k, expected=expected),
    )


def specialisation_case() -> Case:
    """Two traces of the same tokens with empty slots; and joint counts, some rows and columns of which are empty."""
    g, tokens, experts, slots, least = generator("specialisation"), 120, 6, 3, 8
    ids = (torch.rand(tokens, generator=g).square() * 13).long() * 3
    domains = torch.randint(0, 3, (tokens,), generator=g)
    # What experts a token gets depends on its id, its domain and chance.
    merit = torch.randn(40, experts, generator=g)[ids] + torch.randn(3, experts, generator=g)[domains]
    traces = [(merit + torch.randn(tokens, experts, generator=g)).topk(slots, -1).indices for _ in range(2)]
    for chosen in traces:
        chosen[torch.rand(tokens, slots, generator=g) < 0.15] = experts
    early, final = traces
    final[7] = experts
    joints = {
        "dependent": torch.randint(0, 9, (5, 8), generator=g) * torch.randint(0, 2, (5, 8), generator=g),
        "independent": torch.tensor([[2, 4, 6], [1, 2, 3]]),
        "one to one": 5 * torch.eye(4, dtype=torch.int64),
    }
    joints["with empty ones"] = torch.nn.functional.pad(joints["dependent"], (1, 1, 1, 1))
    information = {
        name: dict(
            joint=joint.tolist(),
            information=router_measures.mutual_information(joint.double()),
            bias=router_measures.mutual_information_bias(joint.double()),
        )
        for name, joint in joints.items()
    }
    measures = router_measures.trace_measures(final, ids, domains, experts, least)
    return Case(
        "specialisation",
        "specialisation",
        "what experts specialise in, of the trace `final`; saturation of `early` with it",
        {"in.token_ids": ids, "in.domains": domains, "in.early": early, "in.final": final},
        lambda given: {},
        {"expected": EXACT},
        info=dict(
            experts=experts,
            minimumOccurrences=least,
            information=information,
            expected={name: value.tolist() for name, value in measures.items()}
            | {"saturation": router_measures.saturation(early, final, experts)},
        ),
    )


def levels_case() -> Case:
    """Mean, standard deviation and the 2.5 and 97.5 percentiles over many simulated layers."""
    g, levels, few, many = generator("load-levels"), [], (2000, 400), 20_000
    for experts, k, tokens in ((8, 1, 200), (13, 3, 150), (32, 4, 400)):
        size = dict(experts=experts, topK=k, tokens=tokens)
        floor = partial(load_levels.uniform_load, experts, k, tokens, g)
        levels.append(dict(level="samplingFloor", **size, simulated=few[0], expected=load_levels.spread(few[0], floor)))
        for width in (3, 16):
            null = partial(load_levels.isotropic_load, experts, k, tokens, width, g)
            spread = load_levels.spread(few[1], null)
            levels.append(dict(level="isotropicNull", **size, latentDim=width, simulated=few[1], expected=spread))
    null = partial(load_levels.isotropic_load, 32, 4, many, 16, g)
    size = dict(experts=32, topK=4, tokens=many, latentDim=16)
    levels.append(dict(level="isotropicNull", **size, simulated=100, expected=load_levels.spread(100, null)))
    uniformity = []
    for counts in (
        [250, 270, 241, 239],
        [1003, 981, 1020, 996, 1000],
        [90, 110, 100, 100, 95, 105],
        [5000, 5300, 4700],
    ):
        statistic, p_value = load_levels.chi_square(torch.tensor(counts, dtype=torch.float64))
        uniformity.append(dict(counts=counts, statistic=statistic, pValue=p_value))
    return Case(
        "load-levels",
        "levels",
        "what routers without structure reach: mean, standard deviation and two percentiles of each measure over "
        "layers; and Pearson's test of loads of one expert a token, with the usual distribution",
        {},
        lambda given: {},
        {"uniformity": dict(atol=1e-12, rtol=0.02)},
        info=dict(levels=levels, uniformity=uniformity),
    )


def cases() -> list[Case]:
    return [loads_case(), averages_case(), placement_case(), health_case(), specialisation_case(), levels_case()]
