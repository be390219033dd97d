"""What a component is and what it is given: all that a plugin may import."""
