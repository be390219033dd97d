"""ganforge: a plugin-based experiment runner for GANs.

What a component uses is here, as `ganforge.api` lists it (`from ganforge import Generator, hookimpl`), and what a
program does with recipes and runs, as `ganforge.runs.python_api` lists it (`ganforge.train("recipe.toml")`). Importing
ganforge itself loads neither torch nor mlflow; names are loaded when the first of them is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ganforge.version import __version__ as __version__

if TYPE_CHECKING:
    from ganforge.api import *  # noqa: F403
    from ganforge.runs.python_api import *  # noqa: F403
else:
    _LISTS = ("ganforge.api", "ganforge.runs.python_api")

    def __getattr__(name: str) -> object:
        if name == "__all__":  # for `from ganforge import *`
            return [name for listed in map(importlib.import_module, _LISTS) for name in listed.__all__]
        if not name.startswith("__"):
            for listed in map(importlib.import_module, _LISTS):
                if name in listed.__all__:
                    return getattr(listed, name)
        raise AttributeError(f"module 'ganforge' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *(name for listed in _LISTS for name in importlib.import_module(listed).__all__)})
