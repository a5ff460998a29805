"""What a router says about tokens, and what all routers share."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from .tensors import largest


@dataclass
class Routing:
    experts: Tensor
    """`[T, slots]`: the experts of each token, the best first by what they were selected by; M: the slot is empty."""
    weights: Tensor
    """`[T, slots]`: what each expert's result is multiplied by; 0 in an empty slot."""
    scores: Tensor
    """`[T, M]`."""
    logits: Tensor | None = None
    """`[T, M]`, where scores are a softmax or sigmoid of them."""
    losses: dict[str, Tensor] = field(default_factory=dict)
    """Raw terms of the loss by name; in training alone."""
    unused: dict[str, int] = field(default_factory=dict)
    """Empty slots, by why they are empty: dropped, null, inactive."""
    expert_input: Tensor | None = None
    """`[T, H]`: what the experts read where it is not the tokens themselves."""
    pass_through: Tensor | None = None
    """`[T, 1]`: how much of the token itself is added to what the experts make of it."""
    details: dict[str, Tensor] = field(default_factory=dict)


def take(x: Tensor, indices: Tensor) -> Tensor:
    """x `[T, M]` at the indices `[T, k]` of each row."""
    return x.gather(1, indices)


def normalised(weights: Tensor, epsilon: float = 0.0) -> Tensor:
    """Each row divided by its sum."""
    return weights / (weights.sum(-1, keepdim=True) + epsilon)


def group_quality(merit: Tensor, groups: int) -> Tensor:
    """The sum of the two best of each group `[T, groups]` (DeepSeek-V3, arXiv 2412.19437, section 2.1.2)."""
    return merit.unflatten(-1, (groups, -1)).sort(-1, descending=True).values[..., :2].sum(-1)


def limit_to_groups(merit: Tensor, groups: int, kept: int) -> Tensor:
    """Minus infinity outside of the best groups of each token."""
    if kept == groups:
        return merit
    quality = group_quality(merit, groups)
    keep = torch.zeros_like(quality, dtype=torch.bool).scatter(1, largest(quality, kept), True)
    return merit.unflatten(-1, (groups, -1)).masked_fill(~keep[..., None], float("-inf")).flatten(1)


def biased_away(bias: Tensor, load: Tensor, rate: float) -> Tensor:
    """b <- b + rate sign(mean load - load) (Wang et al. 2024, arXiv 2408.15664, algorithm 1)."""
    return bias + rate * torch.sign(load.mean() - load)


def open_slots(gates: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
    """As many slots as experts: the active experts of each token by descending gate, then empty slots."""
    count = gates.shape[1]
    order = largest(gates.detach().masked_fill(~active, float("-inf")), count)
    filled = take(active, order)
    return torch.where(filled, order, torch.tensor(count)), take(gates, order) * filled
