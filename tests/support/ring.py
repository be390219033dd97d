"""The recipe that tests play where any would do: two small perceptrons that learn a ring of Gaussians."""

from __future__ import annotations


def ring_recipe(
    *,
    images: int,
    batch: int,
    log_every: int,
    grid: int = 4,
    grid_every: int = 10_000,
    checkpoint_every: int = 50_000,
    watched: int = 64,
    monitors: bool = True,
    latent: int = 4,
    width: int = 8,
    lr: float = 1e-3,
    ema: int | None = None,
    seed: int = 0,
    tracking: str = "none",
    more: str = "",
) -> str:
    """The recipe as TOML; seed, intervals and diagnosis are by default what recipes that leave them out have.

    Args:
        images: shown until the end; intervals are in images, too.
        batch: images in a round.
        log_every: between log lines.
        grid: samples in a grid.
        grid_every: between grids.
        checkpoint_every: between checkpoints.
        watched: generated samples that the diagnosis looks at for a log line; 0 = none.
        monitors: whether the standard ones watch.
        latent: the generator's input.
        width: of both networks.
        lr: of both optimizers.
        ema: half-life, in images, of the generator's average; None: there is no average.
        seed: all random numbers follow from it.
        tracking: kind of it, "none" or "mlflow".
        more: further tables, such as [[metrics]] or [[game.discriminator.regularizers]].
    """
    average = "" if ema is None else f"[game.generator.ema]\nhalf_life_images = {ema}"
    return f"""
seed = {seed}
[data]
kind = "ring"
[run]
images = {images}
batch = {batch}
log_every_images = {log_every}
[grid]
samples = {grid}
every_images = {grid_every}
[checkpoints]
every_images = {checkpoint_every}
[diagnosis]
samples = {watched}
standard = {str(monitors).lower()}
[tracking]
kind = "{tracking}"
[game]
kind = "gan"
loss = "non-saturating"
[game.generator.network]
kind = "mlp"
latent = {latent}
width = {width}
[game.generator.optimizer]
lr = {lr}
{average}
[game.discriminator.network]
kind = "mlp"
width = {width}
[game.discriminator.optimizer]
lr = {lr}
{more}
"""
