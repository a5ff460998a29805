"""A case: what is given, how PyTorch gets from there to what is expected, and how near others must come."""

import json
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

import safetensors

FORMAT = "lpr-fixture/1"

Tolerance = dict[str, float]
"""max |got - expected| <= atol + rtol max |expected|, over a tensor."""

OBJECTIVE = "objective"


@dataclass
class Case:
    name: str
    kind: str
    """Which test reads it."""
    description: str
    given: dict[str, Tensor]
    """Parameters and buffers under their own names, inputs under `in.`; float32 or int64."""
    compute: Callable[[dict[str, Tensor]], dict[str, Tensor]]
    """From `given`, in any float type, to the expected outputs; integers must be equal."""
    tolerances: dict[str, Tolerance]
    """By the beginning of a tensor's name in the file; the longest that fits counts."""
    differentiated: list[str] = field(default_factory=list)
    """Of `given`: the tensors for which the gradient of the objective is stored."""
    objective: str = OBJECTIVE
    """Which output that is."""
    further: Callable[[dict[str, Tensor], dict[str, Tensor]], dict[str, Tensor]] | None = None
    """From outputs and gradients to more tensors, stored under their own names."""
    info: dict[str, Any] = field(default_factory=dict)
    """Everything else that a reader must know."""


def tolerance_of(tolerances: dict[str, Tolerance], name: str) -> Tolerance:
    return tolerances[max((key for key in tolerances if name.startswith(key)), key=len)]


def evaluate(case: Case, dtype: torch.dtype) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Outputs and gradients, computed in a float type."""
    given = {name: t.to(dtype) if t.is_floating_point() else t.clone() for name, t in case.given.items()}
    for name in case.differentiated:
        given[name].requires_grad_(True)
    outputs = case.compute(given)
    gradients = {}
    if case.differentiated:
        outputs[case.objective].backward()
        gradients = {name: given[name].grad for name in case.differentiated if given[name].grad is not None}
    return {name: value.detach() for name, value in outputs.items()}, gradients


def check_rounding(case: Case, name: str, single: Tensor, double: Tensor) -> float:
    """How much of a tolerance rounding to float32 uses up; throws where that is over half: it asks too much."""
    if not double.is_floating_point():
        if not torch.equal(single, double):
            raise AssertionError(f"{case.name}: {name} differs between float32 and float64: the case hangs on rounding")
        return 0.0
    if not torch.isfinite(double).all():
        raise AssertionError(f"{case.name}: {name} is not finite")
    bound = tolerance_of(case.tolerances, name)
    limit = bound["atol"] + bound["rtol"] * double.abs().max().item()
    used = (single.double() - double).abs().max().item() / limit if limit > 0 else 0.0
    if used > 0.5:
        raise AssertionError(f"{case.name}: rounding to float32 uses {used:.0%} of the tolerance of {name}")
    return used


def write(case: Case, folder: Path) -> float:
    """Writes `NAME.safetensors` and `NAME.json`; gives the largest share of a tolerance that float32 uses."""
    outputs, gradients = evaluate(case, torch.float64)
    outputs32, gradients32 = evaluate(case, torch.float32)
    used = 0.0
    tensors = dict(case.given)
    for prefix, values, singles in (("out.", outputs, outputs32), ("grad.", gradients, gradients32)):
        for name, value in values.items():
            used = max(used, check_rounding(case, prefix + name, singles[name], value))
            tensors[prefix + name] = value.float() if value.is_floating_point() else value
    if case.further is not None:
        tensors |= {name: value.float() for name, value in case.further(outputs, gradients).items()}
    untouched = [name for name in case.differentiated if name not in gradients]
    if untouched:
        raise AssertionError(f"{case.name}: no gradient reaches {', '.join(untouched)}")
    safetensors.save(folder / f"{case.name}.safetensors", tensors, {"case": case.name, "format": FORMAT})
    info = {
        "format": FORMAT,
        "case": case.name,
        "kind": case.kind,
        "description": case.description,
        "made_with": f"PyTorch {torch.__version__}",
        **case.info,
        "tolerances": case.tolerances,
    }
    (folder / f"{case.name}.json").write_text(json.dumps(jsonable(info), indent=1, allow_nan=False) + "\n")
    return used


def jsonable(value: Any) -> Any:
    """Numbers that JSON does not know become null; others keep the digits that all machines agree on."""
    if isinstance(value, float):
        return float(f"{value:.12g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: jsonable(each) for key, each in value.items()}
    return [jsonable(each) for each in value] if isinstance(value, (list, tuple)) else value


# What is given.


def generator(name: str, attempt: int = 0) -> Generator:
    """A stream of its own for each case, so that one case can be added without changing another."""
    return Generator().manual_seed(zlib.crc32(name.encode()) + attempt)


def normal(g: Generator, *shape: int, scale: float = 1.0) -> Tensor:
    """Normal numbers of 11 significant bits: the same on every machine, and small in a repository."""
    return (scale * torch.randn(*shape, generator=g)).half().float()


def uniform(g: Generator, *shape: int) -> Tensor:
    """Even in [0, 1)."""
    return (torch.rand(*shape, generator=g) * 1024).floor() / 1024


SMALLEST_GAP = 2e-4
"""Between what is chosen and what is not, so that rounding chooses alike."""


def gap(merit: Tensor, k: int) -> float:
    """Smallest distance of any row between its k-th largest and the next."""
    finite = merit.detach().clamp_min(-1e6)
    if k >= finite.shape[-1]:
        return math.inf
    ordered = finite.sort(-1, descending=True).values
    return (ordered[..., k - 1] - ordered[..., k]).min().item()


def first_clean(name: str, draw: Callable[[Generator], Any], clean: Callable[[Any], bool], attempts: int = 3000) -> Any:
    """The first draw of the case's streams that hangs on no near tie."""
    for attempt in range(attempts):
        drawn = draw(generator(name, attempt))
        if clean(drawn):
            return drawn
    raise RuntimeError(f"{name}: none of {attempts} draws is free of near ties")
