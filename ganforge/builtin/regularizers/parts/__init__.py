"""Gradients by inputs, and transforms that scores should not depend on."""
