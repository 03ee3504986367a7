# SPDX-License-Identifier: MIT
"""springg as a database of VectorDBBench; install.py beside this folder puts it there."""
