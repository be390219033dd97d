"""Training: the runner, the loop, what happens between rounds, and a run from its start to its end.

It knows all packages before it. It must not know any GAN by name, nor a terminal.

Public:

- `assemble`: open_reference
- `build`: build_game, make_accelerator, require_device
- `callbacks.callback`: Callback
- `check`: check_recipe
- `crash_report`: explain
- `reporter`: Reporter, SilentReporter
- `run`: Outcome, dry_run, train_run
- `runner`: strip_prefix
- `session`: Session
- `signals`: Signals
"""
