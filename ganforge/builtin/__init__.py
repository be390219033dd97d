"""The components that come with ganforge, offered through the same hook as everybody's.

Each sub-package holds one family, one small file per paper; a class in such a file is found without being listed. They
import `ganforge.api` and each other; they must not know anything else of ganforge.
"""

from __future__ import annotations

import sys

from ganforge.api import Component, components_in, hookimpl


@hookimpl
def ganforge_components() -> list[type[Component]]:
    return components_in(sys.modules[__name__])
