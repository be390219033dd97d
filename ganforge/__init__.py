"""ganforge: a plugin-based experiment runner for GANs.

What a component uses is here, as `ganforge.api` lists it: `from ganforge import Generator, hookimpl`. Importing
ganforge itself loads neither torch nor mlflow; all names are loaded when the first of them is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ganforge.version import __version__ as __version__

if TYPE_CHECKING:
    from ganforge.api import *  # noqa: F403
else:

    def __getattr__(name: str) -> object:
        api = importlib.import_module("ganforge.api")
        if name not in api.__all__:
            raise AttributeError(f"module 'ganforge' has no attribute {name!r}")
        return getattr(api, name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *importlib.import_module("ganforge.api").__all__})
