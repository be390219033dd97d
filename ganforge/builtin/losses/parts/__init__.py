"""The discriminator's half of several losses."""
