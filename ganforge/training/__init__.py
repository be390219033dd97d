"""Playing a game: the runner, the loop, and what happens between rounds."""
