"""What values of a picture mean: display or linear, range, clipping, and the brightness that a result must keep."""
