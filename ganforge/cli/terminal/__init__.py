"""Terminal: what a person sees, tables, curves, progress, findings."""
