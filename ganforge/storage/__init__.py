"""What a run keeps on disk beside its logs: checkpoints, players' weights, and where folders are.

It knows safetensors and the disk. It must not know recipes, games, or a terminal.
"""
