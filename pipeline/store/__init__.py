"""Where inputs and results lie, and how they are read and written."""
