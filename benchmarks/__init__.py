"""Timings side by side with others, on one core; README.md says what is counted."""

import os

# Thread pools are sized when libraries are loaded: this module comes before all of them.
os.environ.update(JAX_PLATFORMS="cpu", PJRT_NPROC="1", OMP_NUM_THREADS="1")
os.environ.update(OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
