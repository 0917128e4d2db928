"""Denoising many files: one file, the plan, the run, the manifest, and interrupts."""
