"""The recipe of games of two, statistics of their scores, auxiliary heads and borrowed weights."""
