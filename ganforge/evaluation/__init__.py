"""Metrics: one pass over samples for all of them, with receipts."""
