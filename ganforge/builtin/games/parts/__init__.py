"""What games of two are made of: their recipe, statistics of their scores, heads and borrowed weights."""
