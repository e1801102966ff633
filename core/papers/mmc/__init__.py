"""The reproducibility report on Max-Mahalanobis centres: its experiments, its published numbers, what it claims."""
