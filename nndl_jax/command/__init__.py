"""The command line `nndl`: a file for each group of commands, which the app puts together."""
