"""Simulated pictures: cameras, sensors, and artificial scenes."""
