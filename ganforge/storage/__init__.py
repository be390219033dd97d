"""What a run keeps on disk beside its logs: checkpoints, weights, and where folders are."""
