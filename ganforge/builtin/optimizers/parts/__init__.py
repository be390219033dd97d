"""Fields that optimizers share, and which classes a recipe may name."""
