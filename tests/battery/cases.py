"""The battery: recipes in which one thing is planted that makes training fail, and recipes that are well.

Names that a finding may have to be right are listed from the planted cause to what follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A recipe of `recipes/`, made smaller.

    Args:
        name: of the row in the table.
        what: is wrong, in a phrase; of a recipe that is well, how it was made smaller.
        recipe: file in `recipes/`, without its ending.
        overrides: as given to `--set`.
        names: findings that are right; none where all is well.
        mendable: whether an override can undo what was planted: not where it is in code or data.
    """

    name: str
    what: str
    recipe: str
    overrides: tuple[str, ...]
    names: tuple[str, ...] = ()
    mendable: bool = True

    @property
    def healthy(self) -> bool:
        return not self.names

    @property
    def slug(self) -> str:
        return "".join(letter if letter.isalnum() else "_" for letter in self.name)


DIGITS = ("data.resolution=8",)
CONVS = (*DIGITS, "game.generator.network.width=16", "game.discriminator.network.width=16")


def rounds(count: int, batch: int, log_every: int = 50) -> tuple[str, ...]:
    """Return the overrides for so many rounds, and so many rounds to a line of the log."""
    return (f"run.images={count * batch}", f"run.batch={batch}", f"run.log_every_images={log_every * batch}")


def planted_data(defect: str, samples: int = 1, resolution: int = 8, inner: str = 'kind="digits"') -> str:
    source = f"{{{inner}, resolution={resolution}}}"
    return f'data={{kind="planted", defect="{defect}", samples={samples}, data={source}}}'


def planted_generator(defect: str, inner: str = 'kind="dcgan", width=16') -> str:
    return f'game.generator.network={{kind="planted", latent=64, defect="{defect}", network={{{inner}}}}}'


DCGAN = (*CONVS, *rounds(800, 32))
DCGAN_BRIEFLY = (*CONVS, *rounds(150, 32))
RING = rounds(1_000, 64)
ACGAN = (*CONVS, *rounds(800, 32))

DIVERGED = ("exploding", "non-finite")
STRONG = ("discriminator-too-strong", "vanishing-generator-gradient")
COLLAPSE = ("mode-collapse", "constant-output")

FAILURES = (
    Case(
        "lr of D too high",
        "the discriminator's learning rate is 0.1",
        "dcgan_digits",
        (*DCGAN, "game.discriminator.optimizer.lr=0.1"),
        (*STRONG, *DIVERGED, "oscillation"),
    ),
    Case(
        "lr of G too high",
        "the generator's learning rate is 0.1",
        "dcgan_digits",
        (*DCGAN, "game.generator.optimizer.lr=0.1"),
        (*COLLAPSE, *STRONG, *DIVERGED, "oscillation"),
    ),
    Case(
        "both lr too high",
        "both learning rates are 0.03",
        "dcgan_digits",
        (*DCGAN, "game.discriminator.optimizer.lr=0.03", "game.generator.optimizer.lr=0.03"),
        (*STRONG, *DIVERGED, *COLLAPSE, "oscillation"),
    ),
    Case(
        "sigmoid output",
        "the generator's images are in [0, 1], real ones in [-1, 1]",
        "dcgan_digits",
        (*DCGAN_BRIEFLY, planted_generator("sigmoid")),
        ("range-mismatch",),
        mendable=False,
    ),
    Case(
        "data in [0, 255]",
        "real images are not normalised",
        "dcgan_digits",
        (*DCGAN_BRIEFLY, planted_data("raw")),
        ("range-mismatch",),
        mendable=False,
    ),
    Case(
        "data in [0, 1]",
        "real images are in [0, 1], the generator's in [-1, 1]",
        "dcgan_digits",
        (*DCGAN_BRIEFLY, planted_data("unit")),
        ("range-mismatch",),
        mendable=False,
    ),
    Case(
        "no normalisation",
        "a deep DCGAN without any norm",
        "dcgan_digits",
        (
            "data.resolution=32",
            "game.generator.network.width=8",
            "game.discriminator.network.width=8",
            "game.generator.network.norm=none",
            "game.discriminator.network.norm=none",
            *rounds(800, 16),
        ),
        (*COLLAPSE, "discriminator-too-weak", *STRONG, "vanishing-generator-gradient"),
    ),
    Case(
        "saturating loss",
        "the minimax loss, and five steps of the discriminator for one of the generator",
        "vanilla_digits",
        (
            *DIGITS,
            *rounds(800, 32),
            "game.generator.every=5",
            "game.discriminator.network.dropout=0.0",
            "game.discriminator.optimizer.lr=2e-3",
        ),
        STRONG,
    ),
    Case(
        "latent of one",
        "the latent is a single number",
        "dcgan_digits",
        (*DCGAN, "game.generator.network.latent=1"),
        ("mode-collapse",),
    ),
    Case(
        "one image",
        "a data set of one image",
        "dcgan_digits",
        (*DCGAN_BRIEFLY, planted_data("one")),
        ("repeated-data",),
        mendable=False,
    ),
    Case(
        "copies",
        "60 images, each of them 30 times",
        "dcgan_digits",
        (*DCGAN_BRIEFLY, planted_data("copies", 60)),
        ("repeated-data",),
        mendable=False,
    ),
    Case(
        "black images",
        "all images are black",
        "dcgan_digits",
        (*DCGAN_BRIEFLY, planted_data("black")),
        ("blank-data",),
        mendable=False,
    ),
    Case(
        "scrambled channels",
        "coloured images whose rows of pixels are read as planes",
        "dcgan_digits",
        (*DCGAN_BRIEFLY, planted_data("scrambled", resolution=16, inner='kind="crops"')),
        ("scrambled-data",),
        mendable=False,
    ),
    Case(
        "exchanged channels",
        "coloured photographs whose red and blue are exchanged",
        "dcgan_digits",
        (*DCGAN_BRIEFLY, planted_data("exchanged", resolution=16, inner='kind="crops", indoors=true')),
        ("exchanged-channels",),
        mendable=False,
    ),
    Case(
        "one label",
        "every label is 0",
        "acgan_digits",
        (*CONVS, *rounds(100, 32), planted_data("one-class", inner='kind="digits", labels=true')),
        ("unlabelled-data",),
        mendable=False,
    ),
    Case(
        "generator at rest",
        "the generator's learning rate is next to nothing",
        "dcgan_digits",
        (*DCGAN_BRIEFLY, "game.generator.optimizer.lr=1e-12"),
        ("dead-player",),
    ),
    Case(
        "discriminator at rest",
        "the discriminator's learning rate is next to nothing",
        "dcgan_digits",
        (*DCGAN_BRIEFLY, "game.discriminator.optimizer.lr=1e-12"),
        ("dead-player",),
    ),
    Case(
        "discriminator too small",
        "a discriminator of one unit",
        "vanilla_digits",
        (
            *DIGITS,
            *rounds(800, 32),
            "game.discriminator.network.width=1",
            "game.discriminator.network.depth=1",
            "game.discriminator.network.dropout=0.0",
            "game.loss=non-saturating",
        ),
        ("discriminator-too-weak",),
    ),
    Case(
        "20 steps of D",
        "twenty steps of the discriminator for one of the generator",
        "dcgan_digits",
        (*DCGAN, "game.generator.every=20"),
        STRONG,
    ),
    Case(
        "R1 too strong",
        "R1 with a gamma of 10,000",
        "dcgan_digits",
        (
            *DCGAN,
            "game.discriminator.network.norm=none",
            'game.discriminator.regularizers=[{kind="r1", gamma=1e4}]',
        ),
        ("discriminator-too-weak",),
    ),
    Case(
        "NaN in the data",
        "one sample of the data is not a number",
        "dcgan_digits",
        (*DCGAN, planted_data("nan")),
        ("non-finite",),
        mendable=False,
    ),
    Case(
        "NaN in the loss",
        "the loss is not a number from round 200 on",
        "dcgan_digits",
        (*DCGAN, 'game.loss={kind="planted", loss="non-saturating", after_images=6_400}'),
        ("non-finite",),
        mendable=False,
    ),
    Case(
        "overflow",
        "a critic without constraint, and plain gradient descent at a learning rate of 10",
        "wgan_digits",
        (
            *CONVS,
            *rounds(800, 32),
            "game.discriminator.constraints=[]",
            "game.discriminator.network.norm=none",
            'game.discriminator.optimizer={kind="sgd", lr=10.0}',
        ),
        DIVERGED,
    ),
    Case(
        "critic without constraint",
        "WGAN without clipping or penalty",
        "wgan_gp_ring",
        (*RING, "game.discriminator.regularizers=[]", "game.discriminator.optimizer.lr=1e-3"),
        DIVERGED,
    ),
    Case(
        "too few images",
        "20 images without augmentation",
        "dcgan_digits",
        (*DCGAN_BRIEFLY, planted_data("few", 20)),
        ("little-data",),
    ),
    Case(
        "overfitting",
        "the same, a larger discriminator, and other images held out; `little-data` is told to be silent",
        "dcgan_digits",
        (
            *DCGAN,
            'diagnosis.ignore=["little-data"]',
            planted_data("few", 20, inner='kind="digits", part="train"'),
            'diagnosis.held_out={kind="digits", resolution=8, part="test"}',
            'game.discriminator.network={kind="mlp", width=256, depth=3}',
            "game.discriminator.optimizer.lr=5e-4",
            "game.generator.optimizer.lr=1e-3",
        ),
        ("discriminator-overfits",),
    ),
    Case(
        "lr rises late",
        "learning rates rise fivefold in the second half",
        "r3gan_ring",
        (
            *RING,
            "game.generator.optimizer.lr={start=1e-3, end=5e-3, after_images=32_000, images=35_000}",
            "game.discriminator.optimizer.lr={start=1e-3, end=5e-3, after_images=32_000, images=35_000}",
            'metrics=[{kind="mode-coverage", every_images=3_200}]',
        ),
        ("metric-turned",),
    ),
    Case(
        "mode collapse",
        "the ring of Metz et al. 2017: D learns ten times more slowly than G, which runs from mode to mode",
        "vanilla_ring",
        rounds(1_200, 128),
        ("discriminator-too-weak", "mode-collapse", "oscillation"),
    ),
    Case(
        "deaf generator",
        "the generator does not hear its latents",
        "vanilla_digits",
        (*DIGITS, *rounds(800, 32), "game.loss=non-saturating", planted_generator("deaf", inner='kind="mlp"')),
        ("mode-collapse",),
        mendable=False,
    ),
    Case(
        "one class collapses",
        "the generator does not hear its latents where the label is 0",
        "acgan_digits",
        (*ACGAN, planted_generator("deaf-to-one-class")),
        ("partial-collapse",),
        mendable=False,
    ),
    Case(
        "grey output",
        "what the generator makes is almost grey",
        "dcgan_digits",
        (*DCGAN, planted_generator("grey")),
        ("constant-output", "range-mismatch"),
        mendable=False,
    ),
    Case(
        "augmentation at its end",
        "ADA whose target is never reached",
        "dcgan_digits",
        (
            *CONVS,
            *rounds(800, 16),
            'game.discriminator.augmentations=[{kind="ada", target=-0.9, speed_images=4_000, antialias=false}]',
        ),
        ("saturated-augmentation",),
    ),
    Case(
        "dead codes",
        "InfoGAN with next to no weight on the information of its categorical code",
        "infogan_digits",
        (*CONVS, *rounds(1_000, 32), "game.categorical_weight=1e-4"),
        ("dead-codes",),
    ),
)

HEALTHY = (
    Case("vanilla_digits", "8x8", "vanilla_digits", (*DIGITS, *rounds(1_000, 32))),
    Case("dcgan_digits", "8x8, 16 channels", "dcgan_digits", (*CONVS, *rounds(1_000, 32))),
    Case(
        "dcgan_digits, 16x16",
        "8 channels",
        "dcgan_digits",
        (*rounds(1_000, 32), "game.generator.network.width=8", "game.discriminator.network.width=8"),
    ),
    Case(
        "dcgan on crops",
        "coloured photographs, 16x16, 8 channels, R1 in place of BatchNorm in D",
        "dcgan_digits",
        (
            *rounds(1_000, 32),
            'data={kind="crops", resolution=16}',
            "game.generator.network.width=8",
            "game.generator.optimizer.lr=4e-4",
            "game.discriminator.network.width=8",
            "game.discriminator.network.norm=none",
            'game.discriminator.regularizers=[{kind="r1", gamma=1.0, every=4}]',
        ),
    ),
    Case("lsgan", "8x8, 16 channels", "dcgan_digits", (*CONVS, *rounds(1_000, 32), "game.loss=least-squares")),
    Case(
        "wgan_digits",
        "8x8, 8 channels",
        "wgan_digits",
        (*DIGITS, "game.generator.network.width=8", "game.discriminator.network.width=8", *rounds(1_000, 32)),
    ),
    Case("wgan_gp_ring", "batches of 64", "wgan_gp_ring", RING),
    Case("r3gan_ring", "batches of 64", "r3gan_ring", RING),
    Case("unrolled_ring", "400 rounds", "unrolled_ring", rounds(400, 64)),
    Case("minibatch_ring", "batches of 64", "minibatch_ring", RING),
    Case(
        "sngan",
        "8x8, hinge, spectral norm",
        "sngan_faces32",
        (
            'data={kind="digits", resolution=8}',
            *rounds(1_000, 16),
            "game.generator.network.width=6",
            "game.discriminator.network.width=6",
        ),
    ),
    Case(
        "stylegan2",
        "8x8, 32 channels",
        "stylegan2_faces",
        (
            'data={kind="digits", resolution=8}',
            *rounds(600, 8),
            "game.generator.network.channel_max=32",
            "game.discriminator.network.channel_max=32",
        ),
    ),
    Case(
        "stylegan2_faces",
        "16x16, 32 channels",
        "stylegan2_faces",
        (
            "data.resolution=16",
            *rounds(300, 8),
            "game.generator.network.channel_max=32",
            "game.discriminator.network.channel_max=32",
        ),
    ),
    Case(
        "progan",
        "4x4 to 8x8",
        "progan_faces",
        (
            'data={kind="digits", resolution=8}',
            *rounds(1_000, 16),
            "run.batches=[]",
            "game.growth={start=4, fade=4_000, stable=4_000}",
            "game.generator.network.channel_max=32",
            "game.discriminator.network.channel_max=32",
        ),
    ),
    Case("acgan_digits", "8x8, 16 channels", "acgan_digits", ACGAN),
    Case("cgan_digits", "8x8", "cgan_digits", (*DIGITS, *rounds(1_000, 32))),
    Case("infogan_digits", "8x8, 16 channels", "infogan_digits", (*CONVS, *rounds(1_000, 32))),
)

CASES = (*FAILURES, *HEALTHY)
