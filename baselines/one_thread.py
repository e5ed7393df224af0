"""Imported before NumPy by the command line: its matrix library gets one thread.

The matrices here are small, so that a second thread mostly waits, and waits busily: on two cores
with one of them taken, a joint fit took fifteen times as long. Cores are for further seeds. Whoever
sets the variable has it as it is set.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
