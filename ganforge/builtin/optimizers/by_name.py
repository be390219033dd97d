"""Optimizer classes by their dotted names."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Iterable
from typing import Any

import torch


def find(name: str) -> type[torch.optim.Optimizer]:
    """Return the class of a dotted name; a `ValueError` in words where there is none."""
    module_name, _, last = name.rpartition(".")
    if not module_name or not all(part.isidentifier() for part in name.split(".")):
        hint = nearest(f"torch.optim.{name}", _optimizers("torch.optim", torch.optim))
        raise ValueError(f"expected a dotted name such as 'torch.optim.RAdam', given '{name}'{hint}")
    module = _module(module_name)
    found = getattr(module, last, None)
    known = _optimizers(module_name, module)
    if found is None:
        some = f" (it has: {', '.join(known)})" if known else " (it has no optimizer)"
        raise ValueError(f"module '{module_name}' has no '{last}'{nearest(name, known)}{some}")
    if not (inspect.isclass(found) and issubclass(found, torch.optim.Optimizer)) or found is torch.optim.Optimizer:
        raise ValueError(
            f"'{name}' is no optimizer: expected a subclass of torch.optim.Optimizer{nearest(name, known)}"
        )
    return found


def _module(name: str) -> Any:
    top = name.partition(".")[0]
    if importlib.util.find_spec(top) is None:
        installed = [module.name for module in pkgutil.iter_modules()]
        raise ValueError(f"no module '{top}' is installed{nearest(top, installed)}")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(f"no module '{error.name}' is installed, which '{name}' needs or is") from error
    except Exception as error:
        raise ValueError(f"module '{name}' cannot be imported ({type(error).__name__}: {error})") from error


def _optimizers(name: str, module: Any) -> list[str]:
    return [
        f"{name}.{entry}"
        for entry, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, torch.optim.Optimizer) and value is not torch.optim.Optimizer
    ]


def nearest(name: str, names: Iterable[str]) -> str:
    """Return "; did you mean 'x'?", or nothing where no name is near."""
    near = difflib.get_close_matches(name, list(names), 1)
    return f"; did you mean '{near[0]}'?" if near else ""
