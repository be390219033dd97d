"""A progress bar as the reporter of a run that a program or a notebook starts."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganforge.api.monitor import Finding

SHOWN = {"discriminator/adversarial": "D", "generator/adversarial": "G"}  # terms beside the bar, by their short names


class ProgressBar:
    """A bar of images shown, in a notebook or a terminal, with losses and the newest metrics behind it.

    What a person should read, findings among it, is written above the bar. It is opened by the first round.

    Args:
        total: images shown when the run is over.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._bar: Any = None
        self._values: dict[str, str] = {}

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def progress(self, images: int) -> None:
        """Move on to so many images shown."""
        shown = min(images, self.total)
        if self._bar is None:
            self._bar = _bar_class()(total=self.total, initial=shown, unit=" images", dynamic_ncols=True)
        self._bar.update(shown - self._bar.n)

    def values(self, images: int, values: Mapping[str, float]) -> None:
        """Show the losses of both players, and metrics, whose names have no slash."""
        shown = {SHOWN.get(name, name): value for name, value in values.items() if name in SHOWN or "/" not in name}
        self._values |= {name: f"{value:.4g}" for name, value in shown.items()}
        if self._bar is not None:
            self._bar.set_postfix(self._values, refresh=False)

    def say(self, text: str) -> None:
        """Write it above the bar."""
        _bar_class().write(text)

    def finding(self, images: int, finding: Finding) -> None:
        """Write what was found, why, and what may be tried."""
        lines = [f"{finding.name} after {images:,} images: {finding.symptom}", f"  evidence: {finding.evidence}"]
        lines += [f"  cause: {finding.cause}", *(f"  try: {remedy}" for remedy in finding.remedies)]
        self.say("\n".join(lines))


def _bar_class() -> Any:
    """Return tqdm's bar for where we are: a widget in a notebook that has ipywidgets, else text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would advise to install ipywidgets
        from tqdm.auto import tqdm
    return tqdm
