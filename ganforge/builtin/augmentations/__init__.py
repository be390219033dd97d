"""Augmentations: changes to what the discriminator is shown, real and generated samples alike.

Every module here is a component; what several of them are made of is in `parts`.
"""
