"""Recording what a Python function does to values: eagerly for gradients, or as a whole graph."""
