#!/usr/bin/env python3
"""What the experts of the last layer of exported folders make of tokens, by the code beside them and plain PyTorch.

    python3 experts.py TOKENS.json FOLDER...    rows of numbers; written into each folder as experts.bin (float64)
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "python"))
import safetensors

tokens, *folders = sys.argv[1:]
x = torch.tensor(json.loads(Path(tokens).read_text()), dtype=torch.float64)
for folder in map(Path, folders):
    code = {"__name__": "lpr_experts"}
    exec(compile((folder / "lpr_experts.py").read_text(), "lpr_experts.py", "exec"), code)
    # The MLP that DeepSeek-V3 has for all tokens is no part of the mixture.
    keys = json.loads((folder / "config.json").read_text()) | {"n_shared_experts": 0}
    config = SimpleNamespace(**keys)
    block = code["lpr_block"](config).double()
    prefix = f"model.layers.{config.num_hidden_layers - 1}.{code['block_name'](config)}."
    weights = safetensors.load(folder / "model.safetensors").items()
    own = {name[len(prefix):]: value for name, value in weights if name.startswith(prefix)}
    block.load_state_dict({name: value for name, value in own.items() if not name.startswith("shared_experts")})
    with torch.no_grad():
        block.gate.token_ids = torch.arange(len(x)) % config.vocab_size
        output = block.eval()(x[None])[0]
    (folder / "experts.bin").write_bytes(output.numpy().tobytes())
