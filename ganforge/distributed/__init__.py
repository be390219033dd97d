"""Several processes as one: starting them, sums and means over them, and whether they still agree.

It knows Accelerate and torch.distributed. It must not know recipes, games, or what is summed up.
"""
