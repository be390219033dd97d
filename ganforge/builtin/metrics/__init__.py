"""Metrics: numbers that say how good samples are, each with a receipt.

Every module here is a component; what several of them are made of is in `parts`.
"""
