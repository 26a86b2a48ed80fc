"""Processes, cores, signals, locks, and how JAX works in a stage."""
