"""Networks: generators and discriminators, a file for each paper.

Every module here is a component; what several of them are made of is in `layers`.
"""
