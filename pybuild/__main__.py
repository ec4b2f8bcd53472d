# SPDX-License-Identifier: MIT
"""`python -m pybuild`: see cli.py. One thread, said before NumPy starts, so that no rank of mpirun starts threads that build()
(blas.py) would not use."""

import os
import sys

for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"

from .cli import main  # noqa: E402  (NumPy must not be imported before the lines above)

sys.exit(main())
