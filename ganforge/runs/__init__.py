"""Runs that were played: read again, compared, sampled, exported."""
