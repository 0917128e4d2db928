"""Training: the pictures, the batches drawn from them, the loop, and what it leaves on disk."""
