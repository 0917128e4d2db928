"""Judging a result without the truth: estimated gain, lost structure, uncertainty, the report."""
