# SPDX-License-Identifier: MIT
import numpy as np

from springg import datasets


def test_dictionary_is_as_described():
    words = datasets.dictionary()
    assert words.vectors.shape == (4_000, 384)
    assert words.vectors.dtype == words.query_vectors.dtype == np.float32
    assert words.query_vectors.shape == (20, 384)
    assert len(set(words.ids)) == len(words.words) == len(words.definitions) == 4_000
    assert len(words.query_texts) == 20
    assert np.allclose(np.linalg.norm(words.vectors, axis=1), 1, atol=2e-3)
    assert words.metadata()[0] == {"words": words.words[0], "definition": words.definitions[0]}


def test_its_licence_travels_with_it():
    licence = datasets.FILE.with_name("LICENSE-WordNet.txt").read_text()
    assert "Princeton University" in licence
    assert datasets.FILE.with_name("README.md").exists()


def test_import_springg_does_not_load_it():
    import subprocess
    import sys

    code = "import sys, springg; print('springg.datasets' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
