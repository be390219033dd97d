"""Optimizer classes by their dotted names."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import pkgutil
from typing import Any

import torch

from ganforge.api import did_you_mean

TRUST_VARIABLE = "GANFORGE_OPTIMIZERS"  # packages, with commas between


def optimizer_class(name: str) -> type[torch.optim.Optimizer]:
    """Return the class of a dotted name; a `ValueError` in words where there is none.

    What a recipe says must not run code that nobody installed for it: only modules of torch.optim, of installed plugins
    and of packages in `GANFORGE_OPTIMIZERS` are imported.
    """
    module_name, _, last = name.rpartition(".")
    if not module_name or not all(part.isidentifier() for part in name.split(".")):
        hint = did_you_mean(f"torch.optim.{name}", _optimizers("torch.optim", torch.optim))
        raise ValueError(f"expected a dotted name such as 'torch.optim.RAdam', given '{name}'{hint}")
    _check_trusted(module_name, name)
    module = _import_module(module_name)
    found = getattr(module, last, None)
    known = _optimizers(module_name, module)
    if found is None:
        some = f" (it has: {', '.join(known)})" if known else " (it has no optimizer)"
        raise ValueError(f"module '{module_name}' has no '{last}'{did_you_mean(name, known)}{some}")
    if not (inspect.isclass(found) and issubclass(found, torch.optim.Optimizer)) or found is torch.optim.Optimizer:
        raise ValueError(
            f"'{name}' is no optimizer: expected a subclass of torch.optim.Optimizer{did_you_mean(name, known)}"
        )
    return found


def _import_module(name: str) -> Any:
    top = name.partition(".")[0]
    if importlib.util.find_spec(top) is None:
        installed = [module.name for module in pkgutil.iter_modules()]
        raise ValueError(f"no module '{top}' is installed{did_you_mean(top, installed)}")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(f"no module '{error.name}' is installed, which '{name}' needs or is") from error
    except Exception as error:
        raise ValueError(f"module '{name}' cannot be imported ({type(error).__name__}: {error})") from error


def _check_trusted(module: str, name: str) -> None:
    """Refuse a module that a person who can only write recipes could have chosen to be run: to import is to run."""
    top = module.partition(".")[0]
    allowed = trusted_packages()
    if module == "torch.optim" or module.startswith("torch.optim.") or top in allowed:
        return
    others = f", and those of {', '.join(sorted(allowed))}" if allowed else ""
    way = f"to allow an installed package, set {TRUST_VARIABLE}={top}, or offer its optimizer by a plugin"
    hint = did_you_mean(name, _optimizers("torch.optim", torch.optim))
    raise ValueError(
        f"module '{module}' is not trusted{hint}; recipes may name the optimizers of torch.optim{others}; {way}"
    )


def trusted_packages() -> set[str]:
    """Return the packages beside torch.optim that recipes may name: those of plugins, and those in the environment."""
    plugins = {point.module.partition(".")[0] for point in importlib.metadata.entry_points(group="ganforge")}
    named = {name.strip() for name in os.environ.get(TRUST_VARIABLE, "").split(",")}
    return {name for name in plugins | named if name} - {"ganforge"}


def _optimizers(name: str, module: Any) -> list[str]:
    return [
        f"{name}.{entry}"
        for entry, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, torch.optim.Optimizer) and value is not torch.optim.Optimizer
    ]
