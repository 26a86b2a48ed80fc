"""What the book works out without training: records and their numbers, with NumPy alone."""
