"""The vision transformer of DINOv2, for its published weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPS = 1e-6
OFFSET = 0.1  # what the published weights were trained with: positions are stretched to slightly more than the grid


class VisionTransformer(nn.Module):
    """A vision transformer with LayerScale (arXiv:2010.11929; Oquab et al. 2023, arXiv:2304.07193, app. B).

    Args:
        width: of a token.
        depth: blocks.
        heads: of each attention.
        gated: SwiGLU (arXiv:2002.05202) instead of a perceptron in each block.
        patch: pixels along a patch.
        positions: patches along an image that positions are known for; others are interpolated.
    """

    def __init__(
        self, width: int, depth: int, heads: int, gated: bool = False, patch: int = 14, positions: int = 37
    ) -> None:
        super().__init__()
        self.patch, self.positions = patch, positions
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))  # of its training; it is in the file
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + positions**2, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch, patch)})
        self.blocks = nn.ModuleList(TransformerBlock(width, heads, gated) for _ in range(depth))
        self.norm = nn.LayerNorm(width, EPS)

    def forward(self, images: Tensor) -> Tensor:
        """Return the class token [B, width] of images [B, 3, H, W], whose sides are multiples of the patch."""
        patches = self.patch_embed["proj"](images).flatten(2).transpose(1, 2)
        rows, columns = images.shape[2] // self.patch, images.shape[3] // self.patch
        tokens = torch.cat([self.cls_token.expand(len(images), -1, -1), patches], 1)
        tokens = tokens + self.position_embeddings(rows, columns)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)[:, 0]  # type: ignore[no-any-return]

    def position_embeddings(self, rows: int, columns: int) -> Tensor:
        """Return the embeddings [1, 1 + rows * columns, width] of the class token and of all places."""
        if rows == columns == self.positions:
            return self.pos_embed
        known = self.pos_embed[:, 1:].reshape(1, self.positions, self.positions, -1).permute(0, 3, 1, 2)
        scale = ((rows + OFFSET) / self.positions, (columns + OFFSET) / self.positions)
        places = F.interpolate(known, scale_factor=scale, mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], places.flatten(2).transpose(1, 2)], 1)


class TransformerBlock(nn.Module):
    """Attention and a perceptron, each added to its input after a scale for each channel."""

    def __init__(self, width: int, heads: int, gated: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, EPS), nn.LayerNorm(width, EPS)
        self.attn = MultiHeadAttention(width, heads)
        self.mlp = SwiGLU(width) if gated else FeedForward(width)
        self.ls1, self.ls2 = LayerScale(width), LayerScale(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens of the same shape [B, T, width]."""
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        return tokens + self.ls2(self.mlp(self.norm2(tokens)))  # type: ignore[no-any-return]


class MultiHeadAttention(nn.Module):
    """Attention of all tokens to all others (arXiv:1706.03762, sec. 3.2)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens of the same shape [B, T, width]."""
        batch, count, _ = tokens.shape
        query, key, value = self.qkv(tokens).reshape(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value)
        return self.proj(seen.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class FeedForward(nn.Module):
    """One hidden layer four times as wide, with GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens of the same shape [B, T, width]."""
        return self.fc2(F.gelu(self.fc1(tokens)))  # type: ignore[no-any-return]


class SwiGLU(nn.Module):
    """SwiGLU, its hidden layer two thirds as wide as a perceptron's, rounded up to a multiple of 8."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = (4 * width * 2 // 3 + 7) // 8 * 8
        self.w12, self.w3 = nn.Linear(width, 2 * hidden), nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens of the same shape [B, T, width]."""
        gate, value = self.w12(tokens).chunk(2, -1)
        return self.w3(F.silu(gate) * value)  # type: ignore[no-any-return]


class LayerScale(nn.Module):
    """A factor for each channel (arXiv:2103.17239)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens of the same shape [B, T, width]."""
        return tokens * self.gamma
