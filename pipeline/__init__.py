"""One module per stage of the pipeline: reads parameters, calls `nndl_jax`, writes files."""
