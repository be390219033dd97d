"""Optimizers: how the weights of a player follow their gradient.

Every module here is a component; what several of them are made of is in `parts`.
"""
