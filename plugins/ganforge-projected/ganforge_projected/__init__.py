"""Projected GAN (Sauer et al. 2021, arXiv:2111.01007) for ganforge."""

from __future__ import annotations

from ganforge import Component, hookimpl
from ganforge_projected.discriminator import Projected

__all__ = ["Projected"]


@hookimpl
def ganforge_components() -> list[type[Component]]:
    return [Projected]
