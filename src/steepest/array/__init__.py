"""`Tensor` and the functions on it, named and behaving as the Python array API standard says."""
