"""The safetensors format for float32 and int64, by hand.

A little-endian u64 with the length of the header, a JSON header of types, shapes and offsets, then the numbers. The
header is padded to a multiple of 8 bytes and int64 come first, so that every tensor is aligned.
"""

import json
import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

KINDS = {torch.int64: ("I64", "<i8"), torch.float32: ("F32", "<f4")}


def save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Scalars get the shape `[1]`."""
    header: dict[str, object] = {"__metadata__": metadata}
    parts, offset = [], 0
    for name in sorted(tensors, key=lambda name: (tensors[name].dtype != torch.int64, name)):
        tensor = tensors[name].detach().reshape(tensors[name].shape or (1,))
        kind, layout = KINDS[tensor.dtype]
        part = np.ascontiguousarray(tensor.numpy()).astype(layout).tobytes()
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [offset, offset + len(part)]}
        parts.append(part)
        offset += len(part)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


def load(path: Path) -> dict[str, Tensor]:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    layouts, tensors = dict(KINDS.values()), {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            numbers = np.frombuffer(content[begin:end], dtype=layouts[entry["dtype"]])
            tensors[name] = torch.from_numpy(numbers.copy()).reshape(entry["shape"])
    return tensors
