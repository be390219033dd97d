"""What happens between rounds: tasks look at the game and never touch a gradient."""
