"""Transforms, adaptive strengths and buffers that several augmentations are made of."""
