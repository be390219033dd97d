"""Storage: what a run keeps on disk beside its logs, and where: checkpoints, players' weights, names of files.

It knows safetensors and the disk. It must not know recipes, games, or a terminal.
"""
