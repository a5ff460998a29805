"""What the three decoders are built of, besides routing: norms, rotary embedding, attention, gated MLPs.

The mathematics of Hugging Face transformers for Qwen3-MoE, Mixtral and DeepSeek-V3 in training: no cache, no dropout.
"""

import torch
from torch import Tensor

from .tensors import Tensors, below, linear, silu

LATENT_NORM_EPSILON = 1e-6
"""Of the two norms inside latent attention, whatever `rms_norm_eps` says."""


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    return weight * x / torch.sqrt(x.square().mean(-1, keepdim=True) + epsilon)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, epsilon: float = 1e-5) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return weight * centred / torch.sqrt(centred.square().mean(-1, keepdim=True) + epsilon) + bias


def rotary(x: Tensor, theta: float, interleaved: bool = False) -> Tensor:
    """Turns pairs of channels of x `[..., S, D]` by the angles `position * theta^(-2i/D)`.

    Pair i are the channels i and i + D/2, or with `interleaved` 2i and 2i + 1; those come out gathered into halves,
    which changes no product of a query and a key that were both turned so.
    """
    length, width = x.shape[-2:]
    frequencies = theta ** (-torch.arange(0, width, 2, dtype=x.dtype) / width)
    angles = torch.arange(length, dtype=x.dtype)[:, None] * frequencies
    a, b = (x[..., 0::2], x[..., 1::2]) if interleaved else (x[..., : width // 2], x[..., width // 2 :])
    return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1)


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """q `[B, H, S, D]`, k `[B, G, S, D]`, v `[B, G, S, V]` to `[B, S, H V]`; query head h reads group h // (H / G)."""
    repeats = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(repeats, 1), v.repeat_interleave(repeats, 1)
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    shares = torch.softmax(scores.masked_fill(future, float("-inf")), -1)
    return (shares @ v).transpose(1, 2).flatten(2)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """`[B, S, H D]` to `[B, H, S, D]`."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def grouped_query_attention(x: Tensor, p: Tensors, config: dict) -> Tensor:
    """Of Qwen3-MoE, whose heads of queries and keys are normalised before they are turned, and of Mixtral."""
    heads, groups, theta = config["num_attention_heads"], config["num_key_value_heads"], config["rope_theta"]
    q, k = split_heads(linear(x, p, "q_proj"), heads), split_heads(linear(x, p, "k_proj"), groups)
    v = split_heads(linear(x, p, "v_proj"), groups)
    if "q_norm.weight" in p:
        q = rms_norm(q, p["q_norm.weight"], config["rms_norm_eps"])
        k = rms_norm(k, p["k_norm.weight"], config["rms_norm_eps"])
    return linear(causal_attention(rotary(q, theta), rotary(k, theta), v), p, "o_proj")


def latent_attention(x: Tensor, p: Tensors, config: dict) -> Tensor:
    """Multi-head latent attention of DeepSeek-V3, with keys and values written out for every head."""
    heads, theta, pairs = config["num_attention_heads"], config["rope_theta"], config["rope_interleave"]
    nope, rope = config["qk_nope_head_dim"], config["qk_rope_head_dim"]
    if config["q_lora_rank"] is None:
        q = linear(x, p, "q_proj")
    else:
        compressed = rms_norm(linear(x, p, "q_a_proj"), p["q_a_layernorm.weight"], LATENT_NORM_EPSILON)
        q = linear(compressed, p, "q_b_proj")
    q_plain, q_turned = split_heads(q, heads).split([nope, rope], -1)
    latent, k_turned = linear(x, p, "kv_a_proj_with_mqa").split([config["kv_lora_rank"], rope], -1)
    latent = rms_norm(latent, p["kv_a_layernorm.weight"], LATENT_NORM_EPSILON)
    k_plain, v = split_heads(linear(latent, p, "kv_b_proj"), heads).split([nope, config["v_head_dim"]], -1)
    shared = rotary(k_turned[:, None], theta, pairs).expand(-1, heads, -1, -1)
    q = torch.cat([q_plain, rotary(q_turned, theta, pairs)], -1)
    return linear(causal_attention(q, torch.cat([k_plain, shared], -1), v), p, "o_proj")


def gated_mlp(x: Tensor, p: Tensors, names: tuple[str, str, str] = ("gate_proj", "up_proj", "down_proj")) -> Tensor:
    """down(silu(gate x) * up x)."""
    gate, up, down = names
    return linear(silu(linear(x, p, gate)) * linear(x, p, up), p, down)


def mixture(x: Tensor, experts: Tensor, weights: Tensor, p: Tensors, names: tuple[str, str, str], count: int) -> Tensor:
    """sum_j weights[t, j] E(x[t]) over the chosen experts `[T, k]`; expert e has the parameters below `e.`.

    An expert without tokens has the gradient 0, not none, as where the weights of all are one tensor: the optimiser
    then moves it.
    """
    y = torch.zeros_like(x)
    for e in range(count):
        token, slot = torch.where(experts == e)
        y = y.index_add(0, token, weights[token, slot, None] * gated_mlp(x[token], below(p, f"{e}."), names))
    return y
