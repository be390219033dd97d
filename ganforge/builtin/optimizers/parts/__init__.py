"""The fields of Adam and its kin, and the optimizer classes that a recipe may name."""
