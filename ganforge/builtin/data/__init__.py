"""The family of data sets; every other file here is a component.

`files` finds and decodes image files, `sources` is what several data sets share.
"""
