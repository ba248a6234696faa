"""Language models as pure PyTorch: chat format, checkpoints, generation, scoring; no Django."""
