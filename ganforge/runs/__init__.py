"""Runs that were played: read again, compared, sampled, measured, exported.

It knows runs' folders and how a game is built. It must not know rounds and gradients, nor a terminal. `python_api`
lists what programs use.

Public:

- `comparison`: Comparison, MetricComparison, ReadingKind, compare
- `contact_sheet`: write_contact_sheet
- `evaluation`: Evaluation, EvaluationRequest
- `evaluator`: Evaluator, Progress
- `export`: export_weights
- `labels`: read_labels
- `replay`: RunReplay, left_out_plugins, replay_run
- `run_groups`: RunGroup
- `sample_files`: check_output, write_samples
- `sampling`: LoadedGame, choose_device, draw_samples, load_game
- `seeds`: SeedGroup, plan_seeds
- `summary`: summarise_run
"""
