"""Parts of the benchmarks of speed: the same trials, trained in several ways."""
