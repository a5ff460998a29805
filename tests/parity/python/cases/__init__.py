"""All cases. To add one, write it into the module it belongs to; a new kind needs a test that reads it."""

from . import balance, decoders, losses, optimisation, parts, prototypes, routers
from .case import Case

MODULES = (decoders, prototypes, routers, parts, losses, optimisation, balance)


def all_cases() -> list[Case]:
    return [case for module in MODULES for case in module.cases()]
