"""A normalizing flow of points."""
