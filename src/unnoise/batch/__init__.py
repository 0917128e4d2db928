"""Denoising many files: the plan, the manifest, the run, and interrupts."""
