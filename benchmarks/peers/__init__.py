"""The same two trainings as others write them, one program a file, for `whole_training`."""
