"""The plugin for napari: denoise a layer, train on it, report on it. `napari.yaml` tells napari of it."""
