"""Training: the pictures, the batches of crops, the loop, and the files that a run writes."""
