#!/usr/bin/env python3
"""Checkpoint folders in plain PyTorch, tied to this project by nothing but the file formats.

    python3 interop.py logits FOLDER IDS.json OUT.bin    reads a folder, writes the logits of a sequence (float64)
    python3 interop.py write FOLDER SEED                 fills a folder that holds a config.json with random weights

A folder holds config.json and model.safetensors, with the keys and names of Hugging Face transformers.
"""

import json
import sys
from pathlib import Path

import torch

import safetensors
from reference import decoder


def config_of(folder: Path) -> dict:
    """With the defaults of transformers for what may be left out."""
    config = json.loads((folder / "config.json").read_text())
    defaults = dict(decoder_sparse_step=1, mlp_only_layers=[], rope_interleave=True)
    if config.get("head_dim") is None:
        config["head_dim"] = config["hidden_size"] // config["num_attention_heads"]
    return defaults | config


def write_logits(folder: Path, ids_path: Path, out: Path) -> None:
    weights = {name: tensor.double() for name, tensor in safetensors.load(folder / "model.safetensors").items()}
    ids = torch.tensor(json.loads(ids_path.read_text()))
    logits, _ = decoder.logits_of(config_of(folder), None, weights, ids[None], {})
    out.write_bytes(logits[0].numpy().tobytes())


def write_weights(folder: Path, seed: int) -> None:
    torch.manual_seed(seed)
    # Norms are about 1, so that nothing vanishes; all else is small.
    shapes = decoder.shapes(config_of(folder), None)
    weights = {name: 0.2 * torch.randn(shape) + (1.0 if "norm" in name else 0.0) for name, shape in shapes.items()}
    safetensors.save(folder / "model.safetensors", weights, {"format": "pt"})


def main(arguments: list[str]) -> None:
    match arguments:
        case ["logits", folder, ids, out]:
            write_logits(Path(folder), Path(ids), Path(out))
        case ["write", folder, seed]:
            write_weights(Path(folder), int(seed))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
