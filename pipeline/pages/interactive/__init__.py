"""The data that each interactive starts from, a file for each chapter."""
