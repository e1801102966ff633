"""Views of the Smoothing page."""
