"""Atomic writing, temporary names, and what a path leads to."""
