"""Parts of `search_quality.py`: the surrogate, the simulated clock, and who plays against it."""
