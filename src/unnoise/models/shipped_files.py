"""Where the files of the shipped models lie."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
"""The folder of the shipped models."""
