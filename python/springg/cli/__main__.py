# SPDX-License-Identifier: MIT
"""``python -m springg.cli`` is `springg`."""

from springg.cli import entry

if __name__ == "__main__":
    entry()
