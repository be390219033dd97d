"""From TOML to a checked recipe and back; whatever is wrong is said with its place and the nearest fix."""
