"""Side-by-side benchmarks against peers, one file each: ``python -m bench`` lists and runs them."""
