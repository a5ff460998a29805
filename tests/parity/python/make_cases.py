#!/usr/bin/env python3
"""Makes the cases that the parity tests compare with, in plain PyTorch on a CPU.

    python3 make_cases.py             writes all cases anew
    python3 make_cases.py --check     makes them elsewhere and says which of them differ from what is stored

The same version of PyTorch gives the same bytes. `reference` holds the equations, `cases` what is made of them.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import torch

from cases import all_cases
from cases.case import write

STORED = Path(__file__).resolve().parent.parent / "cases"


def make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for case in all_cases():
        used = write(case, folder)
        print(f"{case.name:36s} rounding to float32 uses {used:4.0%} of the tolerance")


def differing(folder: Path) -> list[str]:
    """Files that are not the same in both folders."""
    names = {path.name for place in (folder, STORED) for path in place.iterdir()}

    def same(name: str) -> bool:
        return all((place / name).exists() for place in (folder, STORED)) and (
            (folder / name).read_bytes() == (STORED / name).read_bytes()
        )

    return sorted(name for name in names if not same(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with what is stored, change nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if not arguments.check:
        for path in STORED.glob("*"):
            path.unlink()
        make(STORED)
        files = list(STORED.iterdir())
        print(f"{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.2f} MB")
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        different = differing(Path(folder))
    print("\n".join(f"differs: {name}" for name in different) or f"all as stored, by PyTorch {torch.__version__}")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
