"""Regularizers: penalties that are added to the loss of either player.

Every module here is a component; what several of them are made of is in `parts`.
"""
