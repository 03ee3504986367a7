# SPDX-License-Identifier: MIT
"""Real data that comes with the package, to try springg on.

>>> from springg import datasets
>>> words = datasets.dictionary()
>>> words.vectors.shape, words.query_texts[0]
((4000, 384), 'someone who designs buildings')
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

__all__ = ["Dictionary", "dictionary"]

FILE = Path(__file__).parent / "data" / "dictionary-sample.npz"


@dataclasses.dataclass(frozen=True)
class Dictionary:
    """Definitions of English words with sentence embeddings, and questions in plain words.

    Attributes
    ----------
    ids : list of str
        4,000 distinct names, such as ``"architect"``.
    words : list of str
        The words of each meaning, separated by commas.
    definitions : list of str
        What the words mean.
    vectors : ndarray
        float32, (4000, 384), of about unit length: "words: definition" as all-MiniLM-L6-v2 sees
        it, kept as float16 in the file.
    query_texts : list of str
        20 sentences that are not in the dictionary.
    query_vectors : ndarray
        float32, (20, 384), their embeddings.
    """

    ids: list[str]
    words: list[str]
    definitions: list[str]
    vectors: np.ndarray
    query_texts: list[str]
    query_vectors: np.ndarray

    def metadata(self) -> list[dict[str, str]]:
        """Return words and definition of each row, as `Index.add` takes them."""
        pairs = zip(self.words, self.definitions, strict=True)
        return [{"words": words, "definition": definition} for words, definition in pairs]


def dictionary() -> Dictionary:
    """Load 4,000 meanings of WordNet 3.0 with 384-d embeddings and 20 queries.

    Returns
    -------
    Dictionary
        Arrays of its own; nothing is cached. The texts are (c) 2006 Princeton University, whose
        notice is in ``springg/data/LICENSE-WordNet.txt``.
    """
    with np.load(FILE, allow_pickle=False) as archive:
        return Dictionary(
            ids=archive["ids"].tolist(),
            words=archive["words"].tolist(),
            definitions=archive["definitions"].tolist(),
            vectors=archive["vectors"].astype(np.float32),
            query_texts=archive["query_texts"].tolist(),
            query_vectors=archive["query_vectors"],
        )
