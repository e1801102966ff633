"""What the Curves page shows: one module a view, `session` for what they share, `behind` for the images of a point."""
