"""Models: a network with weights, its recipe and its card; the shipped ones and published checkpoints."""
