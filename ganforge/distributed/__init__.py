"""Several processes as one: starting them, sums and means over them, and whether they still agree."""
