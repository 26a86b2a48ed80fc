"""How JAX works in the tests' own process; the processes that they start settle it themselves."""

# Eight devices of one thread each, on CPUs, where equal runs have equal bits.
JAX_SETTINGS = {
    "PJRT_NPROC": "1",
    "JAX_NUM_CPU_DEVICES": "8",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
CACHE = "JAX_COMPILATION_CACHE_DIR"
