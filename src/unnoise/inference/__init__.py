"""Applying models to pictures: tiles, precision, device, many files."""
