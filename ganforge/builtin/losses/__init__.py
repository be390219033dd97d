"""Losses: what the scores of a duel cost the discriminator and the generator.

Every module here is a component; what several of them are made of is in `parts`.
"""
