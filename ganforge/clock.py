"""Images shown so far, for what changes with them inside networks, games and terms."""

from __future__ import annotations

from torch import nn

from ganforge.schedule import Number, value_at


class Clock(nn.Module):
    """Knows how many images were shown. Whoever plays or samples sets all clocks of the game, as they roll all dice."""

    def __init__(self) -> None:
        super().__init__()
        self.images = 0

    def value(self, number: Number) -> float:
        """Return what a scheduled or constant number is by now."""
        return value_at(number, self.images)


def set_clocks(module: nn.Module, images: int) -> None:
    """Set every clock below `module`."""
    for child in module.modules():
        if isinstance(child, Clock):
            child.images = images
