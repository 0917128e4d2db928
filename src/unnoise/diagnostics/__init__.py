"""What is installed here, how fast it is, and what would make it faster."""
