"""Simulated pictures: cameras, sensors, and scenes that nobody photographed."""
