"""Introducing graph smoothness loss: its experiments, its published numbers, what it claims."""
