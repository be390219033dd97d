"""Several processes as one: starting them, sums and means over them, and whether they still agree.

It knows Accelerate and torch.distributed. It must not know recipes, games, or what is summed up.

Public:

- `all_reduce`: all_reduce
- `consistency`: check_ranks, check_same_start
- `error_reports`: report_once
- `launch`: HOW_TO_START, end_with_launcher, launch, launched_world_size
- `sync_batchnorm`: convert_batchnorms, local_batchnorms
- `world`: World, is_peer_loss
"""
