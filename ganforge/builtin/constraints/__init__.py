"""Constraints: changes to the weights of a player, when its network is built or after each step.

Every module here is a component; what several of them are made of is in `parts`.
"""
