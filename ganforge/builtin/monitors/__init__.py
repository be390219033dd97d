"""Monitors: watchers of the log that say what goes wrong in a run, and what to try.

Every module here is a component; what several of them are made of is in `parts`.
"""
