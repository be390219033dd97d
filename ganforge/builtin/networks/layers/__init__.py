"""Layers, blocks and base networks that several generators and discriminators are made of."""
