"""The layers that constraints reach."""
