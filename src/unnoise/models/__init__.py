"""Models: a network with weights, its recipe and its card; shipped models and published checkpoints."""
