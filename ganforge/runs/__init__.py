"""Runs that were played: read again, compared, sampled, measured, exported.

It knows runs' folders and how a game is built. It must not know rounds and gradients, nor a terminal.
"""
