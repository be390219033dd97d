"""Diagnosis: readings, monitors at work, the first NaN, and memory that ran out.

It knows numbers of the log, samples and errors. It must not know recipes but as a `Plan`, nor who acts on a finding.

Public:

- `divergence`: agree_on_error, divergence_error, find_divergence
- `memory`: MemoryGuard, check_memory, failing_module, shortage_of, turn_memory_error
- `panel`: Case, Panel, divergence_finding, replay_log
- `readings`: ORDER, data_readings, first_samples, sample_readings
"""
