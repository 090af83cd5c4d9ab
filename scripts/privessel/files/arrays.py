"""Arrays on disk: `.npz` archives, written whole or not at all; `reading.read_arrays` reads them."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from privessel.files.atomic import atomic_path


def write_arrays(path: Path, /, **arrays: ArrayLike) -> None:
    """Write arrays by name to a compressed `.npz`; an OSError of writing names `path`."""
    with atomic_path(path) as partial:
        np.savez_compressed(partial, **arrays)
