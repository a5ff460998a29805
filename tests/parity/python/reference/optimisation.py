"""Learning-rate schedules and the optimiser of the released code of LPR."""

import math

import torch
from torch import Tensor


def learning_rate_factor(step: int, warmup: int, stable: int, decay: int, least: float, shape: str = "cosine") -> float:
    """Warm-up by a line from `least` to 1, then 1, then a decay back to `least`, which stays.

    With a cosine it is Hugging Face's `get_wsd_schedule`; without a stable phase its cosine and linear schedules with a
    floor; `squareRoot` is `1 - sqrt` (Hägele et al. 2024, arXiv 2405.18392).
    """
    if step < warmup:
        share = step / warmup
    elif step < warmup + stable:
        share = 1.0
    elif step < warmup + stable + decay:
        over = (step - warmup - stable) / decay
        curves = {"cosine": (1 + math.cos(math.pi * over)) / 2, "linear": 1 - over, "squareRoot": 1 - math.sqrt(over)}
        share = curves[shape]
    else:
        share = 0.0
    return least + (1 - least) * share


def clipped_adamw_step(optimizer: torch.optim.AdamW, clip_norm: float) -> Tensor:
    """One step with gradients scaled down to a global norm; gives the norm before."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
    optimizer.step()
    return norm
