"""Arrays (x, y, z) handed to SimpleITK as images with a voxel size, and back."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import SimpleITK
from numpy.typing import NDArray


def to_image(array: NDArray, spacing: tuple[float, float, float]) -> SimpleITK.Image:
    """Return an array (x, y, z), a mask as uint8, as an image with `spacing` in mm, without rotation."""
    stored = array.astype(np.uint8) if array.dtype == bool else array
    # SimpleITK takes axes from slowest to fastest, so x comes last.
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(stored.T))
    image.SetSpacing([float(side) for side in spacing])
    return image


def to_array(image: SimpleITK.Image) -> NDArray:
    """Return an image's voxels as a C-contiguous array (x, y, z)."""
    return np.ascontiguousarray(SimpleITK.GetArrayViewFromImage(image).T)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run SimpleITK on one thread, because the last digits of N4 depend on the number of threads."""
    before = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
