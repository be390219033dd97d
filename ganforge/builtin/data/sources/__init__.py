"""Opened data: images in one array, the part of them that is held out, points as pictures."""
