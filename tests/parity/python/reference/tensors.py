"""Dictionaries of tensors, and the few functions of rows that everything is made of."""

from collections.abc import Mapping

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]


def below(tensors: Tensors, prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with the prefix, under the rest of their names."""
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def linear(x: Tensor, tensors: Tensors, name: str) -> Tensor:
    """x W^T + b, W `[out, in]`; without b where there is none of that name."""
    y = x @ tensors[name + ".weight"].T
    bias = tensors.get(name + ".bias")
    return y if bias is None else y + bias


def silu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def unit_rows(x: Tensor) -> Tensor:
    """Each row divided by its Euclidean norm."""
    return x / x.norm(dim=-1, keepdim=True)


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """|a_i - b_j|^2 of all rows: `[n, D]`, `[m, D]` to `[n, m]`."""
    return (a[:, None] - b[None]).square().sum(-1)


def largest(x: Tensor, k: int) -> Tensor:
    """Indices of the k largest of each row, the largest first; of equal ones the first."""
    return torch.sort(x, dim=-1, descending=True, stable=True).indices[..., :k]


def one_hot(indices: Tensor, count: int, like: Tensor) -> Tensor:
    """`[..., n]` numbers below `count` to `[..., n, count]` ones and zeros."""
    return torch.nn.functional.one_hot(indices, count).to(like.dtype)


def counts_of(indices: Tensor, count: int, like: Tensor) -> Tensor:
    """How often each number below `count` occurs."""
    return torch.bincount(indices.flatten(), minlength=count).to(like.dtype)
