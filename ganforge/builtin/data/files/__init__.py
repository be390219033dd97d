"""Image files in folders and archives: found, labelled, and decoded once into a cache."""
