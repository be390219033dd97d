"""Games: who plays, in which turns, and what each player minimises.

Every module here is a component; what several games are made of is in `parts`.
"""
