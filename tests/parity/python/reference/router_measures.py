"""Measures of a router's health and of what its experts specialise in. In float64."""

import math

import torch
from torch import Tensor

from .tensors import one_hot


def score_measures(scores: Tensor, k: int) -> dict[str, float]:
    """Of scores `[T, M]`, k < M: how decided the router is."""
    log_p = torch.log_softmax(scores, -1)
    descending = scores.sort(-1, descending=True).values
    gaps = descending[:, k - 1] - descending[:, k]
    return {
        "tokenEntropy": (-(log_p.exp() * log_p).sum(-1).mean() / math.log(scores.shape[1])).item(),
        "topMargin": (descending[:, 0] - descending[:, 1]).mean().item(),
        "selectionGap": gaps.mean().item(),
        "smallestSelectionGap": gaps.min().item(),
        "rms": scores.square().mean().sqrt().item(),
        "zLoss": torch.logsumexp(scores, -1).square().mean().item(),
    }


def latent_measures(latents: Tensor) -> tuple[dict[str, float], Tensor]:
    """Mean norm, effective rank (exp of the entropy of the eigenvalues' shares); the eigenvalues of the covariance."""
    centred = latents - latents.mean(0)
    eigenvalues = torch.linalg.eigvalsh(centred.T @ centred / len(latents)).flip(0)
    shares = eigenvalues / eigenvalues.sum()
    rank = math.exp(-(shares * shares.log()).sum().item())
    return {"norm": latents.norm(dim=-1).mean().item(), "effectiveRank": rank}, eigenvalues


def principal_components(points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Shares of the variance along the first axes; the axes, each pointing to where its largest entry is positive."""
    centred = points - points.mean(0)
    eigenvalues, vectors = torch.linalg.eigh(centred.T @ centred / len(points))
    axes = vectors.T.flip(0)[:count]
    signs = torch.sign(axes.gather(1, axes.abs().argmax(1, keepdim=True)))
    return (eigenvalues / eigenvalues.sum()).flip(0)[:count], axes * signs


def key_measures(keys: Tensor) -> dict[str, float]:
    """Cosines of different prototypes `[M, D]`, M > D, and the Welch bound on them."""
    count, width = keys.shape
    unit = keys / keys.norm(dim=-1, keepdim=True)
    cosines = (unit @ unit.T)[~torch.eye(count, dtype=torch.bool)]
    return {
        "mean": cosines.mean().item(),
        "rms": cosines.square().mean().sqrt().item(),
        "largest": cosines.abs().max().item(),
        "welchFloor": math.sqrt((count - width) / (width * (count - 1))),
    }


def mutual_information(joint: Tensor) -> float:
    """I(X; Y) in nats of joint counts `[X, Y]`."""
    p = joint / joint.sum()
    independent = p.sum(1, keepdim=True) * p.sum(0, keepdim=True)
    return p[p > 0].mul((p / independent)[p > 0].log()).sum().item()


def mutual_information_bias(joint: Tensor) -> float:
    """What N independent samples add to it, to first order (Miller 1955): (K_xy - K_x - K_y + 1) / (2 N).

    K are the numbers of cells, rows and columns that hold anything.
    """
    cells, rows, columns = (joint > 0).sum(), (joint.sum(1) > 0).sum(), (joint.sum(0) > 0).sum()
    return ((cells - rows - columns + 1) / (2 * joint.sum())).item()


def memberships(chosen: Tensor, count: int) -> Tensor:
    """Choices `[T, slots]`, `count` where a slot is empty, to ones and zeros `[T, count]`."""
    return one_hot(chosen, count + 1, torch.zeros((), dtype=torch.float64)).sum(1)[:, :count]


def trace_measures(chosen: Tensor, ids: Tensor, domains: Tensor, count: int, least: int) -> dict[str, Tensor]:
    """Of one layer: co-activation P(j | i), domain and vocabulary specialisation, joint counts of experts and domains.

    Vocabulary specialisation leaves out ids with fewer than `least` occurrences.
    """
    member = memberships(chosen, count)
    together = member.T @ member
    of_domain = one_hot(domains, int(domains.max()) + 1, member)
    vocabulary, places = ids.unique(return_inverse=True)
    of_id = one_hot(places, len(vocabulary), member)
    joint, occurrences = member.T @ of_id, of_id.sum(0)
    frequent = (occurrences >= least).to(member.dtype)
    shares = (joint.square() / occurrences * frequent).sum(1) / (joint * frequent).sum(1)
    return {
        "conditional": together / member.sum(0)[:, None],
        "domains": (of_domain.T @ member) / of_domain.sum(0)[:, None],
        "vocabulary": shares,
        "expert_domain": member.T @ of_domain,
        "expert_token": joint,
    }


def saturation(chosen: Tensor, final: Tensor, count: int) -> float:
    """Mean over tokens with an expert at the end of |S and S_final| / |S_final|."""
    last = memberships(final, count)
    sizes = last.sum(1)
    common = (memberships(chosen, count) * last).sum(1)
    return (common[sizes > 0] / sizes[sizes > 0]).mean().item()
