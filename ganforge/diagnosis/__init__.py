"""What shows that a run fails, and what to try: readings, monitors at work, the first NaN, memory that ran out."""
