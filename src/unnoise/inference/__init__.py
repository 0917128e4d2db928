"""Inference: applying a trained network to pictures of any size, in tiles, in the precision and memory that the machine
offers."""
