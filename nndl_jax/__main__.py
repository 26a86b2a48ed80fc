"""`python -m nndl_jax` is the command `nndl`."""

from nndl_jax.command.app import main

main()
