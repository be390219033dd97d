"""The layers of a network that constraints reach."""

from __future__ import annotations

from torch import nn

from ganforge.api import RecipeError

TRANSPOSED_CONVOLUTIONS = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
WEIGHT_LAYERS = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear | nn.Embedding | TRANSPOSED_CONVOLUTIONS


def weight_layers(network: nn.Module, kind: str) -> list[tuple[str, nn.Module]]:
    """Return the convolutions, dense layers and embeddings of torch.nn by name; a `RecipeError` where there are none.

    Args:
        network: in which to look.
        kind: of the constraint, for the message.
    """
    layers: list[tuple[str, nn.Module]]
    layers = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, WEIGHT_LAYERS)]
    if not layers:
        raise RecipeError(
            f"constraints: {kind} found no convolution, dense layer or embedding of torch.nn in "
            f"{type(network).__name__}; leave it out, or choose a network of such layers"
        )
    return layers
