"""The hooks, what is installed, finding it, and whose code broke."""
