"""Evaluation: one pass over samples for all metrics, with receipts.

It knows subjects, views and metrics. It must not know sessions, checkpoints, or a command line.
"""
