#!/usr/bin/env python3
"""What the experts of the last layer of exported folders make of tokens, by the code beside them and plain PyTorch.

    python3 experts.py TOKENS.json FOLDER...    rows of numbers; written into each folder as experts.bin (float64)
"""

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "python"))
import safetensors

WIDTH = {"lpr_mixtral": "intermediate_size"}
EXPERTS = {"lpr_qwen3_moe": "num_experts", "lpr_mixtral": "num_local_experts", "lpr_deepseek_v3": "n_routed_experts"}

tokens, *folders = sys.argv[1:]
x = torch.tensor(json.loads(Path(tokens).read_text()), dtype=torch.float64)
for folder in map(Path, folders):
    code = {"__name__": "lpr_experts"}
    exec(compile((folder / "lpr_experts.py").read_text(), "lpr_experts.py", "exec"), code)
    config = json.loads((folder / "config.json").read_text())
    family = config["model_type"]
    is_mixtral = family == "lpr_mixtral"
    width = config[WIDTH.get(family, "moe_intermediate_size")]
    block = code["LprBlock"](
        config["hidden_size"],
        width,
        config[EXPERTS[family]],
        config["num_experts_per_tok"],
        config["lpr_options"],
        ("w1", "w3", "w2") if is_mixtral else ("gate_proj", "up_proj", "down_proj"),
    ).double()
    prefix = f"model.layers.{config['num_hidden_layers'] - 1}.{'block_sparse_moe' if is_mixtral else 'mlp'}."
    weights = safetensors.load(folder / "model.safetensors").items()
    # The MLP that DeepSeek-V3 has for all tokens is no part of the mixture.
    own = {name[len(prefix):]: value for name, value in weights if name.startswith(prefix)}
    block.load_state_dict({name: value for name, value in own.items() if not name.startswith("shared_experts")})
    with torch.no_grad():
        output = block.eval()(x[None])[0]
    (folder / "experts.bin").write_bytes(output.numpy().tobytes())
