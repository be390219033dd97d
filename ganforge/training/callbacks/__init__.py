"""Callbacks, run between rounds: they look at the game and never touch a gradient."""
