"""Comparing models on data sets: every pair is a cell, which is kept, and all cells are one table."""
