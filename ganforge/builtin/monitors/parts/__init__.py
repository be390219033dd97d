"""Trends and comparisons that several monitors are made of."""
