"""Features: networks that describe images for metrics, each with its published weights.

Every module here is a component; what several of them are made of is in `parts`.
"""
