"""Evaluation: one pass over samples for all metrics, with receipts.

It knows subjects, views and metrics. It must not know sessions, checkpoints, or a command line.

Public:

- `batch`: FeatureNetworks
- `evaluate`: MetricValue, evaluate, sample_std
- `examination`: Examination
- `receipts`: comparable_groups, describe_data, describe_entry, describe_reference, differing, explain_differences
- `subject`: GameSubject, SourceSubject, Subject, evaluation_mode
"""
