"""Computing a region of a result, or a whole result in strips, with less work and memory."""
