"""Distances, features and classifiers that several metrics are made of."""
