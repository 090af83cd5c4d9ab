"""The picture of a patient: to scale, right way round, and made of whatever can be read."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.signal import correlate
from volumes import draw, save_nifti, write_patient

from privessel.cohort.picture import HEIGHT

ORANGE, BLUE = (255, 106, 61), (70, 160, 235)


def pixels(picture):
    return np.asarray(picture.convert("RGB")).astype(int)


def places(picture, colour):
    """Rows and columns of the pixels of one colour."""
    return np.argwhere((pixels(picture) == colour).all(axis=-1))


def axial(picture):
    """The first view: all that is left of the first gap of black columns."""
    return picture.crop((0, 0, round(picture.width * 0.28), picture.height))


def test_both_outlines_are_drawn_and_the_highest_view_has_the_height(tmp_path):
    picture = draw(write_patient(tmp_path))
    assert picture.height == HEIGHT
    assert len(places(picture, ORANGE)) > 50
    assert len(places(picture, BLUE)) > 200


def test_views_are_to_scale_whatever_the_voxels_are(tmp_path):
    """Twice as large voxels along z make coronal and sagittal views twice as high."""
    heights = []
    for name, side in (("a", 0.7), ("b", 1.4)):
        patient = write_patient(tmp_path / name, affine=np.diag([0.5, 0.5, side, 1]))
        rows = places(draw(patient), BLUE)
        width = draw(patient).width
        coronal = rows[(rows[:, 1] > width * 0.3) & (rows[:, 1] < width * 0.45), 0]
        heights.append(np.ptp(coronal))
    assert heights[1] / heights[0] == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("turn", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1)])
def test_what_lies_on_the_patients_right_in_front_is_at_the_upper_left_however_it_is_stored(tmp_path, turn):
    patient = write_patient(tmp_path)
    affine = np.diag([0.5 * turn[0], 0.5 * turn[1], 0.7, 1])
    image, mask = np.full((40, 44, 16), 100, np.float32), np.zeros((40, 44, 16), np.uint8)
    x, y = (slice(30, 34) if step > 0 else slice(6, 10) for step in turn[:2])  # right and front in RAS
    mask[x, y, 6:10] = 1
    for path, data in ((patient.image, image + 300.0 * mask), (patient.vessels, mask)):
        save_nifti(path, data, affine)
    save_nifti(patient.brain, np.ones((40, 44, 16), np.uint8), affine)
    view = axial(draw(patient))
    row, column = places(view, ORANGE).mean(axis=0)
    assert row < HEIGHT / 2
    assert column < HEIGHT * 40 / 44 / 2


def test_a_patient_with_faults_is_drawn_as_far_as_possible(tmp_path):
    patient = write_patient(tmp_path)
    image = np.full((40, 44, 16), np.nan, np.float32)
    image[10:30, 10:30, 4:12] = np.random.default_rng(1).uniform(10, 20, (20, 20, 8))
    save_nifti(patient.image, image, np.diag([0.5, 0.5, 0.7, 1]))
    save_nifti(patient.vessels, np.ones((4, 4, 4), np.uint8), np.eye(4))
    patient.brain.write_bytes(b"no NIfTI")
    picture = draw(patient)
    assert not len(places(picture, ORANGE))
    assert pixels(picture).max() > 200
    patient.image.write_bytes(b"")
    assert draw(patient).height < HEIGHT  # words in place of the scan


def test_every_view_says_in_its_pixels_that_it_stays_inside(tmp_path):
    letters = Image.new("1", (80, 16))
    ImageDraw.Draw(letters).text((2, 12), "inside only", fill=1, anchor="ls")
    wanted = np.asarray(letters.crop(letters.getbbox())).astype(float)
    for name, level in (("dark", 0), ("bright", 1)):
        patient = write_patient(tmp_path / name)
        image = level * np.random.default_rng(3).uniform(50, 100, (40, 44, 16)).astype(np.float32)
        save_nifti(patient.image, image, np.diag([0.5, 0.5, 0.7, 1]))
        white = (pixels(draw(patient)) == 255).all(axis=-1).astype(float)
        written = correlate(white, wanted, mode="valid", method="fft") > wanted.sum() - 0.5
        around = correlate(white, 1 - wanted, mode="valid", method="fft") < 0.05 * wanted.size
        assert np.count_nonzero(written & around) == 4


def test_an_image_of_zeros_is_drawn(tmp_path):
    patient = write_patient(tmp_path)
    save_nifti(patient.image, np.zeros((40, 44, 16), np.float32), np.diag([0.5, 0.5, 0.7, 1]))
    assert draw(patient).height == HEIGHT
