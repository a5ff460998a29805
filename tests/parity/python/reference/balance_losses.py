"""Losses that balance the load, and the z-loss. Without weights.

`choices` `[T, n]` are the experts that count as load, before any is dropped; `probabilities` `[T, M]`. Gradients flow
through the probabilities alone.
"""

import torch
from torch import Tensor

from .tensors import counts_of, largest


def product_of_means(load: Tensor, tokens: int, probabilities: Tensor) -> Tensor:
    """M sum_e f_e P_e, f_e the load per token, P_e the mean probability (Switch Transformer, arXiv 2101.03961, eq. 4).

    As in Hugging Face transformers there is no factor 1 / k.
    """
    return len(load) * ((load / tokens) * probabilities.mean(0)).sum()


def layer_loss(probabilities: Tensor, choices: Tensor) -> Tensor:
    """Over all tokens of one layer."""
    load = counts_of(choices, probabilities.shape[1], probabilities)
    return product_of_means(load, len(probabilities), probabilities)


def pooled_loss(layers: list[tuple[Tensor, Tensor]]) -> Tensor:
    """As Hugging Face transformers: the tokens of all layers are taken together before the product."""
    return layer_loss(torch.cat([p for p, _ in layers]), torch.cat([choices for _, choices in layers]))


def sequence_loss(probabilities: Tensor, choices: Tensor, sequence: int) -> Tensor:
    """Mean over sequences of the loss over the tokens of each."""
    parts = zip(probabilities.split(sequence), choices.split(sequence))
    return torch.stack([layer_loss(p, chosen) for p, chosen in parts]).mean()


def global_batch_loss(probabilities: Tensor, all_choices: list[Tensor]) -> Tensor:
    """Of one micro-batch: its own P, but f of all micro-batches of the step (Qiu et al. 2025, arXiv 2501.11873)."""
    load = counts_of(torch.cat(all_choices), probabilities.shape[1], probabilities)
    return product_of_means(load, sum(len(choices) for choices in all_choices), probabilities)


def deepseek_sequence_loss(logits: Tensor, k: int, sequence: int) -> Tensor:
    """DeepSeek-V3 (arXiv 2412.19437), equations 17-20: shares s / sum s of the sigmoids s, and f with the factor 1 / k.

    Choices are the k largest scores, without bias and groups. The shares are the softmax of ln s, which exists also
    where every s is too small for the numbers at hand.
    """
    log_scores = -torch.nn.functional.softplus(-logits)
    return sequence_loss(torch.softmax(log_scores, -1), largest(logits.detach(), k), sequence) / k


def z_loss(logits: Tensor) -> Tensor:
    """Mean over tokens of logsumexp(logits)^2 (ST-MoE, arXiv 2202.08906, equation 5)."""
    return torch.logsumexp(logits, -1).square().mean()
