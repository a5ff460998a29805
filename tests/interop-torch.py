"""The three architectures in plain PyTorch, written from their published equations and tied to this project by nothing but the file formats:

    python3 interop-torch.py logits FOLDER IDS.json OUT.bin    reads a checkpoint folder, writes the logits of a sequence of token ids (float64)
    python3 interop-torch.py write FOLDER SEED                 fills a folder that holds a config.json with random weights

A folder holds config.json and model.safetensors, with the keys and names of Hugging Face transformers.
"""
import json
import struct
import sys

import torch
from torch.nn.functional import linear, silu


def read_safetensors(path):
    """An 8-byte length, a JSON header of names, types, shapes and offsets, then the numbers."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    data = content[8 + length :]
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "F32", f"{name} is {entry['dtype']}"
        begin, end = entry["data_offsets"]
        numbers = torch.frombuffer(bytearray(data[begin:end]), dtype=torch.float32)
        tensors[name] = numbers.reshape(entry["shape"]).double()
    return tensors


def write_safetensors(path, tensors):
    header, parts, offset = {}, [], 0
    for name, tensor in tensors.items():
        part = tensor.float().contiguous().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + len(part)]}
        parts.append(part)
        offset += len(part)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


class Model:
    """A decoder that computes in float64."""

    def __init__(self, config, weights):
        self.config = config
        self.weights = weights
        self.family = config["model_type"]

    def logits(self, ids):
        x = self.weights["model.embed_tokens.weight"][ids]
        for layer in range(self.config["num_hidden_layers"]):
            at = f"model.layers.{layer}."
            normed = self.norm(x, at + "input_layernorm")
            x = x + (self.latent_attention if self.family == "deepseek_v3" else self.attention)(normed, at + "self_attn.")
            normed = self.norm(x, at + "post_attention_layernorm")
            x = x + self.feed_forward(normed, layer, at)
        return self.linear(self.norm(x, "model.norm"), "lm_head")

    def linear(self, x, name):
        return linear(x, self.weights[name + ".weight"])

    def norm(self, x, name):
        scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.config["rms_norm_eps"])
        return x * scale * self.weights[name + ".weight"]

    def angles(self, length, width):
        rates = self.config["rope_theta"] ** (-torch.arange(0, width, 2).double() / width)
        return torch.arange(length).double()[:, None, None] * rates

    def rotate(self, x, neighbours=False):
        """x [length, heads, width]: each pair of channels turned by the position times its rate."""
        angles = self.angles(x.shape[0], x.shape[-1])
        if neighbours:
            a, b = x[..., 0::2], x[..., 1::2]
        else:
            a, b = x.chunk(2, dim=-1)
        return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], dim=-1)

    def attend(self, q, k, v, scale):
        """Each position over itself and those before it; all [length, heads, width]."""
        scores = torch.einsum("qhd,khd->hqk", q, k) * scale
        future = torch.ones(scores.shape[1:], dtype=torch.bool).triu(1)
        shares = scores.masked_fill(future, float("-inf")).softmax(-1)
        return torch.einsum("hqk,khd->qhd", shares, v).flatten(1)

    def attention(self, x, at):
        heads, groups = self.config["num_attention_heads"], self.config["num_key_value_heads"]
        width = self.config.get("head_dim") or self.config["hidden_size"] // heads
        q = self.linear(x, at + "q_proj").unflatten(-1, (heads, width))
        k = self.linear(x, at + "k_proj").unflatten(-1, (groups, width))
        v = self.linear(x, at + "v_proj").unflatten(-1, (groups, width))
        if self.family == "qwen3_moe":
            q, k = self.norm(q, at + "q_norm"), self.norm(k, at + "k_norm")
        repeat = heads // groups
        k, v = self.rotate(k).repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1)
        return self.linear(self.attend(self.rotate(q), k, v, width**-0.5), at + "o_proj")

    def latent_attention(self, x, at):
        c = self.config
        heads, nope, rope, value = (c[key] for key in ("num_attention_heads", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"))
        if c["q_lora_rank"] is None:
            q = self.linear(x, at + "q_proj")
        else:
            q = self.linear(self.norm(self.linear(x, at + "q_a_proj"), at + "q_a_layernorm"), at + "q_b_proj")
        q = q.unflatten(-1, (heads, nope + rope))
        latent, key_rope = self.linear(x, at + "kv_a_proj_with_mqa").split([c["kv_lora_rank"], rope], -1)
        expanded = self.linear(self.norm(latent, at + "kv_a_layernorm"), at + "kv_b_proj").unflatten(-1, (heads, nope + value))
        key_rope = self.rotate(key_rope[:, None, :], neighbours=True).expand(-1, heads, -1)
        q = torch.cat([q[..., :nope], self.rotate(q[..., nope:], neighbours=True)], -1)
        k = torch.cat([expanded[..., :nope], key_rope], -1)
        return self.linear(self.attend(q, k, expanded[..., nope:], (nope + rope) ** -0.5), at + "o_proj")

    def mlp(self, x, at, names=("gate_proj", "up_proj", "down_proj")):
        gate, up, down = (at + name for name in names)
        return self.linear(silu(self.linear(x, gate)) * self.linear(x, up), down)

    def feed_forward(self, x, layer, at):
        if self.family == "mixtral":
            return self.experts(x, at + "block_sparse_moe.", ("w1", "w3", "w2"))
        names = ("gate_proj", "up_proj", "down_proj")
        if self.family == "qwen3_moe":
            return self.experts(x, at + "mlp.", names)
        if layer < self.config["first_k_dense_replace"]:
            return self.mlp(x, at + "mlp.")
        return self.experts(x, at + "mlp.", names) + self.mlp(x, at + "mlp.shared_experts.")

    def experts(self, x, at, names):
        chosen, shares = (self.route_sigmoid if self.family == "deepseek_v3" else self.route_softmax)(x, at + "gate")
        rows = []
        for token in range(x.shape[0]):
            parts = [
                share * self.mlp(x[token], f"{at}experts.{expert}.", names)
                for expert, share in zip(chosen[token].tolist(), shares[token])
            ]
            rows.append(sum(parts))
        return torch.stack(rows)

    def route_softmax(self, x, gate):
        shares, chosen = self.linear(x, gate).softmax(-1).topk(self.config["num_experts_per_tok"])
        if self.family == "mixtral" or self.config["norm_topk_prob"]:
            shares = shares / shares.sum(-1, keepdim=True)
        return chosen, shares

    def route_sigmoid(self, x, gate):
        c = self.config
        scores = self.linear(x, gate).sigmoid()
        selection = scores + self.weights[gate + ".e_score_correction_bias"]
        groups = selection.unflatten(-1, (c["n_group"], -1))
        best = groups.topk(2, -1).values.sum(-1).topk(c["topk_group"], -1).indices
        kept = torch.zeros(groups.shape[:2], dtype=torch.bool).scatter(1, best, True)
        selection = groups.masked_fill(~kept[..., None], float("-inf")).flatten(1)
        chosen = selection.topk(c["num_experts_per_tok"]).indices
        shares = scores.gather(1, chosen)
        if c["norm_topk_prob"]:
            shares = shares / (shares.sum(-1, keepdim=True) + 1e-20)
        return chosen, shares * c["routed_scaling_factor"]


def shapes(c):
    """Names and shapes of all weights of a config."""
    hidden, vocabulary, heads = c["hidden_size"], c["vocab_size"], c["num_attention_heads"]
    family = c["model_type"]
    yield "model.embed_tokens.weight", (vocabulary, hidden)
    for layer in range(c["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        yield at + "input_layernorm.weight", (hidden,)
        yield at + "post_attention_layernorm.weight", (hidden,)
        attention = at + "self_attn."
        if family == "deepseek_v3":
            nope, rope, value, rank = c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"], c["kv_lora_rank"]
            if c["q_lora_rank"] is None:
                yield attention + "q_proj.weight", (heads * (nope + rope), hidden)
            else:
                yield attention + "q_a_proj.weight", (c["q_lora_rank"], hidden)
                yield attention + "q_a_layernorm.weight", (c["q_lora_rank"],)
                yield attention + "q_b_proj.weight", (heads * (nope + rope), c["q_lora_rank"])
            yield attention + "kv_a_proj_with_mqa.weight", (rank + rope, hidden)
            yield attention + "kv_a_layernorm.weight", (rank,)
            yield attention + "kv_b_proj.weight", (heads * (nope + value), rank)
            yield attention + "o_proj.weight", (hidden, heads * value)
        else:
            width = c.get("head_dim") or hidden // heads
            yield attention + "q_proj.weight", (heads * width, hidden)
            yield attention + "k_proj.weight", (c["num_key_value_heads"] * width, hidden)
            yield attention + "v_proj.weight", (c["num_key_value_heads"] * width, hidden)
            yield attention + "o_proj.weight", (hidden, heads * width)
            if family == "qwen3_moe":
                yield attention + "q_norm.weight", (width,)
                yield attention + "k_norm.weight", (width,)
        if family == "mixtral":
            yield at + "block_sparse_moe.gate.weight", (c["num_local_experts"], hidden)
            for expert in range(c["num_local_experts"]):
                for name, shape in zip(("w1", "w3", "w2"), mlp_shapes(c["intermediate_size"], hidden)):
                    yield f"{at}block_sparse_moe.experts.{expert}.{name}.weight", shape
            continue
        if family == "deepseek_v3" and layer < c["first_k_dense_replace"]:
            yield from mlp_weights(at + "mlp.", c["intermediate_size"], hidden)
            continue
        experts = c["n_routed_experts"] if family == "deepseek_v3" else c["num_experts"]
        yield at + "mlp.gate.weight", (experts, hidden)
        for expert in range(experts):
            yield from mlp_weights(f"{at}mlp.experts.{expert}.", c["moe_intermediate_size"], hidden)
        if family == "deepseek_v3":
            yield at + "mlp.gate.e_score_correction_bias", (experts,)
            yield from mlp_weights(at + "mlp.shared_experts.", c["n_shared_experts"] * c["moe_intermediate_size"], hidden)
    yield "model.norm.weight", (hidden,)
    yield "lm_head.weight", (vocabulary, hidden)


def mlp_shapes(width, hidden):
    return (width, hidden), (width, hidden), (hidden, width)


def mlp_weights(at, width, hidden):
    for name, shape in zip(("gate_proj", "up_proj", "down_proj"), mlp_shapes(width, hidden)):
        yield f"{at}{name}.weight", shape


def main(command, folder, *rest):
    with open(f"{folder}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    if command == "logits":
        ids_path, out = rest
        with open(ids_path, encoding="utf-8") as file:
            ids = json.load(file)
        logits = Model(config, read_safetensors(f"{folder}/model.safetensors")).logits(torch.tensor(ids))
        with open(out, "wb") as file:
            file.write(logits.numpy().tobytes())
    elif command == "write":
        torch.manual_seed(int(rest[0]))
        # Norms are about 1, so that nothing vanishes; all else is small.
        weights = {name: torch.randn(shape) * 0.2 + (1.0 if "norm" in name else 0.0) for name, shape in shapes(config)}
        write_safetensors(f"{folder}/model.safetensors", weights)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
