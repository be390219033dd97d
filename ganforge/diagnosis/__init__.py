"""Diagnosis: readings, monitors at work, the first NaN, and memory that ran out.

It knows numbers of the log, samples and errors. It must not know recipes but as a `Plan`, nor who acts on a finding.
"""
