"""Training: the runner, the loop, what happens between rounds, and a run from its start to its end.

It knows all packages before it. It must not know any GAN by name, nor a terminal.
"""
