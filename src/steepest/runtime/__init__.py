"""Running machine code: threads that stay alive between calls, and the memory that programs use."""
