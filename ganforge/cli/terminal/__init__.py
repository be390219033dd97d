"""What a person sees: tables, curves, progress, findings."""
