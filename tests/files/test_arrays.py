import numpy as np
import pytest

from privessel.errors import DamagedError
from privessel.files.arrays import write_arrays
from privessel.files.reading import read_array, read_arrays


def test_arrays_are_read_as_they_were_written_all_or_one(tmp_path):
    file = tmp_path / "new" / "arrays.npz"
    write_arrays(file, path=np.arange(3), names=["a", "007"])
    assert list(read_arrays(file)) == ["path", "names"]
    np.testing.assert_array_equal(read_array(file, "path"), [0, 1, 2])
    assert read_array(file, "names").tolist() == ["a", "007"]
    with pytest.raises(DamagedError, match="arrays.npz.*other"):
        read_array(file, "other")


def test_a_failed_write_leaves_the_former_file(tmp_path):
    file = tmp_path / "arrays.npz"
    write_arrays(file, one=np.ones(2))

    class Unwritable:
        def __array__(self, dtype=None, copy=None):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="arrays.npz"):
        write_arrays(file, one=Unwritable())
    np.testing.assert_array_equal(read_array(file, "one"), [1, 1])
    assert [path.name for path in tmp_path.iterdir()] == ["arrays.npz"]
