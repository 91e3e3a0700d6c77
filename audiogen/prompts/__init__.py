"""Which cells of the grid to keep, for models that vamp and inpaint: empty so far."""
