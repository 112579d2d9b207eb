"""Writing token ids to an `.npy` file as they come."""

import hashlib
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray


class IdsWriter:
    """Appends ids to a one-dimensional `.npy` file, whose header gets the length when it is closed.

    NumPy pads the header so that the length can grow in place. As a context, it lets go of the file at the
    end, complete or not.

    Args:
        path: the file to create.
        dtype: of the ids.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self._file = path.open("wb")
        self._dtype = dtype
        self._digest = hashlib.sha256()
        self.count = 0
        self._write_header()
        self._data_start = self._file.tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, ids: NDArray[np.unsignedinteger[Any]]) -> None:
        """Adds ids at the end."""
        data = np.ascontiguousarray(ids, self._dtype).tobytes()
        self._file.write(data)
        self._digest.update(data)
        self.count += len(ids)

    def close(self) -> str:
        """Completes the file; returns the SHA-256 of the ids."""
        self._file.seek(0)
        self._write_header()
        if self._file.tell() != self._data_start:
            raise ValueError("The .npy header changed its size.")
        self._file.close()
        return self._digest.hexdigest()

    def _write_header(self) -> None:
        header = {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self.count,)}
        npy.write_array_header_1_0(self._file, header)
