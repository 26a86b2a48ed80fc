"""One core and one thread for each library: import this before all of them.

Thread pools are sized when libraries are loaded.
"""

import os

os.environ.update(JAX_PLATFORMS="cpu", PJRT_NPROC="1", OMP_NUM_THREADS="1")
os.environ.update(OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
