"""Layers that run in int8 on a CPU."""
