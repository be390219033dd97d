"""Storage: what a run keeps on disk beside its logs, and where: checkpoints, players' weights, names of files.

It knows safetensors and the disk. It must not know recipes, games, or a terminal.

Public:

- `checkpoint`: Checkpoint, checkpoint_path, discard_checkpoints, list_checkpoints, load_checkpoint, load_newest,
  prune_checkpoints, save_checkpoint
- `folders`: RUNS, cache_folder, discard_unused, new_run, runs_of
- `layout`: RunLayout, images_name, images_of, recipe_file
- `lookup`: choose_checkpoint, explain_no_run
- `weights`: PlayerWeights, weights_of_file, weights_of_run
"""
