# SPDX-License-Identifier: MIT
"""`python -m pybuild`: see cli.py. One BLAS thread, set before NumPy starts: the bytes of a table file then do not
depend on how many cores the machine has or mpirun leaves."""

import os
import sys

for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"

from .cli import main  # noqa: E402  (NumPy must not be imported before the lines above)

sys.exit(main())
