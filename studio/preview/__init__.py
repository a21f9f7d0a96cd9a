"""The sampler: adapter files on a clean base, side by side, in labelled grids."""
