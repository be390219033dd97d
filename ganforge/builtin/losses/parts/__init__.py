"""Halves of losses that several losses share."""
