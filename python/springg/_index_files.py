# SPDX-License-Identifier: MIT
"""Files in and out of an index: the part of `Index` that brings their modules in on use."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from springg.importing import ImportReport
    from springg.index import Index
    from springg.types import OnError


class IndexFiles:
    """`import_file` and `export_file` of an index."""

    __slots__ = ()

    def import_file(
        self,
        path: str | os.PathLike[str],
        *,
        ids: str | None = None,
        vectors: str | None = None,
        metadata: str | Sequence[str] | None = None,
        on_error: OnError = "raise",
        progress: Any = None,
    ) -> ImportReport:
        """Add the rows of a file.

        Parameters
        ----------
        path : path-like
            ``.npy .npz .fvecs .bvecs .ivecs .hdf5 .h5 .jsonl .parquet``, by its ending; ``.bin``
            of the Go Springg, with the ``.meta`` and ``.wal`` of the same name beside it.
        ids, vectors : str, optional
            Fields of ids (``id``, ``ids``) and vectors (``vector``, ``vectors``; ``train``). A
            file without ids counts its rows from ``len(index)``.
        metadata : str or sequence of str, optional
            Fields of metadata; by default all that are left.
        on_error : {"raise", "skip"}
            What a bad row does: raise and store nothing, or be left out and reported.
        progress : callable, tqdm-like object or True, optional
            As in `add`.

        Returns
        -------
        ImportReport
            The rows added, an int, with ``.skipped``: line (from 1) and reason of each. A write
            that a crash cut in a ``.wal`` is listed there too, whatever `on_error` says.

        Raises
        ------
        InvalidArgument, DimensionMismatch, AlreadyExists, Corruption, IoError, Unsupported
            Names the file, and the line of a bad row; nothing of the file is stored.

        Notes
        -----
        Of the Go Springg's files the state comes that it had acknowledged: the log is applied once,
        also when the Go program appended it to itself. Vectors keep their bits. Metadata are
        records ``{"published_date": ..., "modified_date": ..., "custom": {...}}`` without empty
        parts; ``metadata="custom"`` takes that part alone. Numbers in them are 64-bit floats, so
        that integers beyond 2^53 come as floats.
        """
        from springg.importing import import_file

        return import_file(
            cast("Index", self),
            path,
            ids=ids,
            vectors=vectors,
            metadata=metadata,
            on_error=on_error,
            progress=progress,
        )

    def export_file(
        self,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,  # noqa: A002
        normalise: bool = False,
    ) -> int:
        """Write every row to a file that `import_file` reads; one that is there is replaced.

        Parameters
        ----------
        path : path-like
            ``.jsonl .parquet .npz .hdf5 .bin`` keep ids, vectors and metadata; ``.npy .fvecs
            .bvecs .ivecs`` vectors alone.
        format : str, optional
            ``"npy"``, ``"jsonl"``, ``"springg1"``, ...; else the ending of `path` says it.
        normalise : bool
            For ``"springg1"`` alone: write vectors of unit length, with the bits that the Go
            Springg's add stores. Else vectors are written as they are, as its update stores them;
            it ranks both alike.

        Returns
        -------
        int
            Rows written, those of one moment.

        Raises
        ------
        InvalidArgument, IoError, Unsupported

        Notes
        -----
        ``"springg1"`` writes NAME.bin and, when a row has metadata, NAME.meta, byte for byte as the
        Go Springg does, and removes a NAME.wal; ``.bin`` is appended to a path that lacks it. Ids
        that are integers or UUIDs become text, in the form of ``str(id)``, and come back as text;
        two ids of one text are refused. Metadata that are no record
        ``{"published_date", "modified_date", "custom"}`` become one: dates that are text stay, all
        other keys come into ``custom``. Numbers become 64-bit floats.
        """
        from springg.exporting import export_file

        return export_file(cast("Index", self), path, format=format, normalise=normalise)
