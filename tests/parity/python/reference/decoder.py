"""The three decoders with mixture-of-experts layers, their losses and one training step.

A config has the keys of Hugging Face `config.json`, every one that is read written out; parameters have the names of
Hugging Face checkpoints. The router is the family's own, or LPR where settings of it are given.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from . import balance_losses, latent_prototypes
from .latent_prototypes import LprSettings
from .layers import gated_mlp, grouped_query_attention, latent_attention, mixture, rms_norm
from .routing import Routing, biased_away
from .sigmoid_routers import deepseek_v3
from .softmax_routers import top_k_softmax
from .tensors import Tensors, below, counts_of, largest

Shapes = dict[str, tuple[int, ...]]


def experts_of(config: dict) -> int:
    keys = {"qwen3_moe": "num_experts", "mixtral": "num_local_experts", "deepseek_v3": "n_routed_experts"}
    return config[keys[config["model_type"]]]


def has_experts(config: dict, layer: int) -> bool:
    if config["model_type"] == "deepseek_v3":
        return layer >= config["first_k_dense_replace"]
    if config["model_type"] == "qwen3_moe":
        return layer not in config["mlp_only_layers"] and (layer + 1) % config["decoder_sparse_step"] == 0
    return True


def block_of(config: dict) -> str:
    return "block_sparse_moe" if config["model_type"] == "mixtral" else "mlp"


def expert_names(config: dict) -> tuple[str, str, str]:
    """Of gate, up and down."""
    return ("w1", "w3", "w2") if config["model_type"] == "mixtral" else ("gate_proj", "up_proj", "down_proj")


def _attention_shapes(config: dict) -> Shapes:
    hidden, heads, biased = config["hidden_size"], config["num_attention_heads"], config.get("attention_bias", False)
    if config["model_type"] != "deepseek_v3":
        width, groups = config["head_dim"], config["num_key_value_heads"]
        own: Shapes = {
            "q_proj.weight": (heads * width, hidden),
            "k_proj.weight": (groups * width, hidden),
            "v_proj.weight": (groups * width, hidden),
            "o_proj.weight": (hidden, heads * width),
        }
        if biased:
            own |= {name.replace("weight", "bias"): shape[:1] for name, shape in own.items()}
        if config["model_type"] == "qwen3_moe":
            own |= {"q_norm.weight": (width,), "k_norm.weight": (width,)}
        return own
    nope, rope, value = config["qk_nope_head_dim"], config["qk_rope_head_dim"], config["v_head_dim"]
    rank, query_rank = config["kv_lora_rank"], config["q_lora_rank"]
    own = {
        "kv_a_proj_with_mqa.weight": (rank + rope, hidden),
        "kv_a_layernorm.weight": (rank,),
        "kv_b_proj.weight": (heads * (nope + value), rank),
        "o_proj.weight": (hidden, heads * value),
    }
    if query_rank is None:
        return own | {"q_proj.weight": (heads * (nope + rope), hidden)}
    return own | {
        "q_a_proj.weight": (query_rank, hidden),
        "q_a_layernorm.weight": (query_rank,),
        "q_b_proj.weight": (heads * (nope + rope), query_rank),
    }


def _mlp_shapes(hidden: int, width: int, names: tuple[str, str, str]) -> Shapes:
    gate, up, down = names
    return {f"{gate}.weight": (width, hidden), f"{up}.weight": (width, hidden), f"{down}.weight": (hidden, width)}


def _feed_forward_shapes(config: dict, lpr: LprSettings | None, layer: int) -> Shapes:
    hidden, names = config["hidden_size"], expert_names(config)
    if not has_experts(config, layer):
        return _mlp_shapes(hidden, config["intermediate_size"], names)
    experts = experts_of(config)
    width = config["intermediate_size" if config["model_type"] == "mixtral" else "moe_intermediate_size"]
    gate = {"weight": (experts, hidden)} if lpr is None else latent_prototypes.shapes(lpr, hidden, experts)
    own = {f"gate.{name}": shape for name, shape in gate.items()}
    for e in range(experts):
        own |= {f"experts.{e}.{name}": shape for name, shape in _mlp_shapes(hidden, width, names).items()}
    if config["model_type"] == "deepseek_v3":
        if lpr is None:
            own["gate.e_score_correction_bias"] = (experts,)
        shared = _mlp_shapes(hidden, width * config["n_shared_experts"], names)
        own |= {f"shared_experts.{name}": shape for name, shape in shared.items()}
    return own


def shapes(config: dict, lpr: LprSettings | None) -> Shapes:
    """All parameters and buffers."""
    hidden, vocabulary = config["hidden_size"], config["vocab_size"]
    own: Shapes = {"model.embed_tokens.weight": (vocabulary, hidden)}
    for i in range(config["num_hidden_layers"]):
        layer: Shapes = {"input_layernorm.weight": (hidden,), "post_attention_layernorm.weight": (hidden,)}
        layer |= {f"self_attn.{name}": shape for name, shape in _attention_shapes(config).items()}
        layer |= {f"{block_of(config)}.{name}": shape for name, shape in _feed_forward_shapes(config, lpr, i).items()}
        own |= {f"model.layers.{i}.{name}": shape for name, shape in layer.items()}
    return own | {"model.norm.weight": (hidden,), "lm_head.weight": (vocabulary, hidden)}


def is_buffer(name: str) -> bool:
    """Whether no gradient reaches a tensor."""
    gate, _, leaf = name.rpartition("gate.")
    return gate != "" and (leaf == "e_score_correction_bias" or latent_prototypes.is_buffer(leaf))


@dataclass
class Output:
    logits: Tensor
    task_loss: Tensor
    total_loss: Tensor
    routings: dict[int, Routing]
    """By layer."""
    regularizer: Tensor | None = None
    """Of LPR: the sum over layers, without strength."""
    auxiliary: list[Tensor] = field(default_factory=list)
    """The load-balancing losses of the own routers: one in the pooled scope, else one a layer."""


def next_token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy of `logits[:, t]` against `labels[:, t + 1]` where that is not -100."""
    targets = labels[:, 1:].flatten()
    kept = targets != -100
    log_probabilities = torch.log_softmax(logits[:, :-1].flatten(0, 1)[kept], -1)
    return -log_probabilities.gather(1, targets[kept, None]).mean()


def _own_routing(config: dict, p: Tensors, x: Tensor, sequence: int) -> Routing:
    k = config["num_experts_per_tok"]
    if config["model_type"] != "deepseek_v3":
        return top_k_softmax(p, x, k, config["model_type"] == "mixtral" or config["norm_topk_prob"])
    groups, kept = config["n_group"], config["topk_group"]
    return deepseek_v3(p, x, k, groups, kept, config["norm_topk_prob"], config["routed_scaling_factor"], sequence)


def _mixture_block(
    config: dict, lpr: LprSettings | None, p: Tensors, h: Tensor, eps: Tensor | None
) -> tuple[Tensor, Routing]:
    x = h.flatten(0, 1)
    gate, k = below(p, "gate."), config["num_experts_per_tok"]
    if lpr is None:
        routing = _own_routing(config, gate, x, h.shape[1])
    else:
        routing = latent_prototypes.route(lpr, gate, x, eps, k)
    read = x if routing.expert_input is None else routing.expert_input
    names, count = expert_names(config), experts_of(config)
    y = mixture(read, routing.experts, routing.weights, below(p, "experts."), names, count)
    if config["model_type"] == "deepseek_v3":
        y = y + gated_mlp(x, below(p, "shared_experts."))
    return y.view_as(h), routing


def auxiliary_losses(config: dict, routings: list[Routing], sequence: int) -> list[Tensor]:
    """The Switch loss of the own routers' logits, in the scope of the config (Hugging Face: pooled over layers)."""
    k = config["num_experts_per_tok"]
    layers = [(torch.softmax(r.logits, -1), largest(r.logits.detach(), k)) for r in routings]
    scope = config.get("router_aux_loss_scope", "pooled")
    if scope == "pooled":
        return [balance_losses.pooled_loss(layers)]
    if scope == "sequence":
        return [balance_losses.sequence_loss(*layer, sequence) for layer in layers]
    return [balance_losses.layer_loss(*layer) for layer in layers]


def logits_of(
    config: dict, lpr: LprSettings | None, p: Tensors, ids: Tensor, eps: dict[int, Tensor]
) -> tuple[Tensor, dict[int, Routing]]:
    """Logits `[B, S, V]` of ids `[B, S]`, and the routing of each layer with experts.

    eps: of LPR, the noise of each such layer, `[B S, D]`.
    """
    epsilon = config["rms_norm_eps"]
    attend = latent_attention if config["model_type"] == "deepseek_v3" else grouped_query_attention
    x, routings = p["model.embed_tokens.weight"][ids], {}
    for i in range(config["num_hidden_layers"]):
        own = below(p, f"model.layers.{i}.")
        x = x + attend(rms_norm(x, own["input_layernorm.weight"], epsilon), below(own, "self_attn."), config)
        h = rms_norm(x, own["post_attention_layernorm.weight"], epsilon)
        block = below(own, block_of(config) + ".")
        if has_experts(config, i):
            y, routings[i] = _mixture_block(config, lpr, block, h, eps.get(i))
        else:
            y = gated_mlp(h, block)
        x = x + y
    return rms_norm(x, p["model.norm.weight"], epsilon) @ p["lm_head.weight"].T, routings


def forward(
    config: dict, lpr: LprSettings | None, p: Tensors, ids: Tensor, labels: Tensor, eps: dict[int, Tensor]
) -> Output:
    """With the losses of labels `[B, S]`, which are not shifted."""
    logits, routings = logits_of(config, lpr, p, ids, eps)
    task = next_token_loss(logits, labels)
    if lpr is not None:
        regularizer = sum(latent_prototypes.regularizer(lpr, r.losses) for r in routings.values())
        return Output(logits, task, task + lpr.strength * regularizer, routings, regularizer=regularizer)
    auxiliary = auxiliary_losses(config, list(routings.values()), ids.shape[1])
    total = task
    if config.get("output_router_logits", False):
        total = total + config["router_aux_loss_coef"] * sum(auxiliary)
    for routing in routings.values():
        total = total + config.get("router_z_loss_coef", 0) * balance_losses.z_loss(routing.logits)
        if config["model_type"] == "deepseek_v3":
            total = total + config.get("aux_loss_alpha", 0) * routing.losses["sequenceBalance"]
    return Output(logits, task, total, routings, auxiliary=auxiliary)


def after_step(config: dict, lpr: LprSettings | None, p: Tensors, routings: dict[int, Routing]) -> dict[str, Tensor]:
    """What a step changes outside of the gradient, by name: selection biases, and prototypes that are averages."""
    changed = {}
    for i, routing in routings.items():
        gate = f"model.layers.{i}.{block_of(config)}.gate."
        if lpr is not None:
            moved = latent_prototypes.after_step(lpr, below(p, gate), routing)
            changed |= {gate + name: value for name, value in moved.items()}
        elif config["model_type"] == "deepseek_v3" and config.get("router_bias_update_rate", 0) > 0:
            name, rate = gate + "e_score_correction_bias", config["router_bias_update_rate"]
            changed[name] = biased_away(p[name], counts_of(routing.experts, experts_of(config), p[name]), rate)
    return changed
