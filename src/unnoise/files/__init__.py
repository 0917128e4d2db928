"""Writing files atomically, their temporary names, and what lies at a path."""
