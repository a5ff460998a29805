#!/usr/bin/env python3
"""The logits of exported folders as Hugging Face transformers computes them.

    python3 logits.py IDS.json FOLDER...    of one sequence, written into each as logits.bin (float64)
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

ids, *folders = sys.argv[1:]
tokens = torch.tensor(json.loads(Path(ids).read_text()))[None]
for folder in folders:
    # Its own experts run in float64 in no other way.
    exact = {"dtype": torch.float64, "experts_implementation": "eager"}
    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True, **exact).eval()
    with torch.no_grad():
        logits = model(tokens).logits
    (Path(folder) / "logits.bin").write_bytes(logits[0].double().numpy().tobytes())
