"""What a component is and what it is given: all that a plugin may import. It knows torch and pydantic, and no file, process or GAN."""
