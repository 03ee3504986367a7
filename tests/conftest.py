# SPDX-License-Identifier: MIT
"""What the tests of every folder share: where the larger data sets are."""

import os
import pathlib

import pytest

DATA = pathlib.Path(
    os.environ.get("SPRINGG_DATA", pathlib.Path(__file__).parents[1] / "../shared/data")
)

# Not for pytest: processes of the peer benchmark import it, with a path of their own.
collect_ignore = ["library/fake_peer.py"]


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """The folder of the larger real sets; where CI runs, one that is missing is a failure."""
    if not (DATA / "dictionary-minilm-384").is_dir():
        message = f"no data sets in {DATA}: set SPRINGG_DATA to the folder that holds them"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return DATA
