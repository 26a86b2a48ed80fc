"""What trains a batch of runs, measures and saves it."""
