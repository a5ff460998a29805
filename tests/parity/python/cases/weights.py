"""Weights whose every part shows in the outputs; not those that training starts from."""

import torch
from torch import Generator, Tensor

from reference.latent_prototypes import LprSettings

from .case import normal


def random_weight(name: str, shape: tuple[int, ...], g: Generator) -> Tensor:
    """Of a decoder, by the name of the tensor."""
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "e_score_correction_bias":
        return normal(g, *shape, scale=0.1)
    if len(shape) == 1:
        # Norms are near 1, biases near 0.
        around = 1.0 if leaf == "weight" else 0.0
        return (around + normal(g, *shape, scale=0.1)).half().float()
    scale = 0.1 if "embed_tokens" in name else shape[-1] ** -0.5
    if "_a_proj" in name:
        # Small inputs make the epsilon of the norms that follow visible.
        scale *= 0.1
    return normal(g, *shape, scale=1.5 * scale if name.endswith("gate.weight") else scale)


def random_gate(s: LprSettings, shapes: dict[str, tuple[int, ...]], g: Generator) -> dict[str, Tensor]:
    """Of an LPR gate; buffers are as if some steps were taken."""
    own = {name: random_weight(name, shape, g) for name, shape in shapes.items()}
    keys = normal(g, *shapes[s.keys])
    own[s.keys] = keys if s.formulation == "official" else (keys / keys.norm(dim=-1, keepdim=True)).half().float()
    experts, width = keys.shape
    for name, shape in shapes.items():
        if name == "expert_keys_logvar":
            own[name] = normal(g, *shape, scale=0.3)
        elif name == "similarity_func.log_sigma":
            own[name] = normal(g, *shape, scale=0.2)
        elif name.startswith("similarity_func.") and name.endswith("proj.weight"):
            own[name] = normal(g, *shape, scale=0.1 * width**-0.5)
        elif name in ("ema_sums", "ema_mu"):
            own[name] = own[s.keys].clone() if s.ema == "off" else normal(g, *shape, scale=3.0)
        elif name == "ema_var":
            own[name] = (own["ema_mu"].square() + 2).half().float()
        elif name == "ema_counts":
            own[name] = torch.zeros(experts) if s.ema == "off" else (3 + normal(g, experts).abs()).half().float()
        elif name == "selection_bias":
            own[name] = normal(g, *shape, scale=0.1)
    if s.measure == "gaussian_kernel":
        # Little noise, or every score is near 0.
        own["encoder.bias"][width:] -= 3
    return own
