"""Exports: what was drawn is what others read, in nnU-Net's own terms, and never half of it."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from exported import check_nnunet, read_nnunet, read_png_pairs
from PIL import Image
from skimage import io

from privessel.release import export
from privessel.release.export import NnunetTarget, warn_of_level, write_exports

SIZE, COUNT = 24, 6
NAME = "Dataset123_Synthetic"


@pytest.fixture
def pairs():
    """Noise, a vessel of every tenth pixel or so, and a last label without any."""
    draws = np.random.default_rng(3)
    images = draws.integers(0, 256, (COUNT, SIZE, SIZE), np.uint8)
    labels = draws.random((COUNT, SIZE, SIZE)) > 0.9
    labels[-1] = False
    return images, labels


@pytest.fixture
def dataset(pairs, tmp_path):
    return nnunet(pairs, tmp_path / "raw")


def nnunet(pairs, folder, *, dataset_id=123, name="Synthetic"):
    target = NnunetTarget(folder, dataset_id, name)
    write_exports(*pairs, nnunet=target)
    return target.path


def png(pairs, folder):
    write_exports(*pairs, png=folder)


def files(folder):
    """Every file's bytes, by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def chunks(data):
    """The kinds of a PNG's chunks, in order."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, kinds = 8, []
    while at < len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body = data[at + 4 : at + 8 + length]
        assert zlib.crc32(body) == int.from_bytes(data[at + 8 + length : at + 12 + length], "big")
        kinds.append(kind)
        at += 12 + length
    return kinds


def redraw(path, change):
    Image.fromarray(change(np.asarray(Image.open(path)).copy())).save(path)


def describe(folder, **changes):
    """Change keys of dataset.json; None removes one."""
    file = folder / "dataset.json"
    described = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: value for key, value in described.items() if value is not None}))


def test_an_nnunet_dataset_gives_back_the_pairs_it_was_made_of(pairs, dataset):
    assert dataset.name == NAME
    assert check_nnunet(dataset) == COUNT
    images, labels = read_nnunet(dataset)
    assert (images.dtype, labels.dtype) == (np.uint8, bool)
    assert np.array_equal(images, pairs[0])
    assert np.array_equal(labels, pairs[1])


def test_png_pairs_give_back_the_pairs_they_were_made_of(pairs, tmp_path):
    png(pairs, tmp_path / "pairs")
    images, labels = read_png_pairs(tmp_path / "pairs")
    assert (images.dtype, labels.dtype) == (np.uint8, bool)
    assert np.array_equal(images, pairs[0])
    assert np.array_equal(labels, pairs[1])


def test_nnunets_own_reader_sees_one_channel_and_the_labels_0_and_1(pairs, dataset):
    # NaturalImage2DIO is skimage.io.imread, and two dimensions are one channel to it.
    image = io.imread(dataset / "imagesTr" / "case_00002_0000.png")
    label = io.imread(dataset / "labelsTr" / "case_00002.png")
    assert np.array_equal(image, pairs[0][2])
    assert (image.dtype, label.dtype) == (np.uint8, np.uint8)
    assert np.array_equal(label, pairs[1][2].astype(np.uint8))


def test_a_dataset_is_laid_out_and_described_as_nnunet_asks(dataset):
    assert json.loads((dataset / "dataset.json").read_text()) == {
        "channel_names": {"0": "TOF-MRA"},
        "labels": {"background": 0, "vessel": 1},
        "numTraining": COUNT,
        "file_ending": ".png",
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }
    assert set(files(dataset)) == {
        "dataset.json",
        *(f"imagesTr/case_{index:05d}_0000.png" for index in range(COUNT)),
        *(f"labelsTr/case_{index:05d}.png" for index in range(COUNT)),
    }


def test_plain_pairs_are_black_and_white_and_listed(pairs, tmp_path):
    png(pairs, tmp_path / "pairs")
    with (tmp_path / "pairs" / "pairs.csv").open(newline="") as lines:
        listed = [tuple(row) for row in csv.reader(lines)]
    names = [(f"image-{index:05d}.png", f"label-{index:05d}.png") for index in range(COUNT)]
    assert listed == [("image", "label"), *names]
    assert set(files(tmp_path / "pairs")) == {"pairs.csv", *(name for pair in names for name in pair)}
    assert set(np.unique(io.imread(tmp_path / "pairs" / "label-00000.png"))) == {0, 255}


def test_the_same_pairs_give_the_same_bytes(pairs, tmp_path):
    one, other = (nnunet(pairs, tmp_path / name) for name in ("one", "other"))
    assert files(one) == files(other)
    for name in ("three", "four"):
        png(pairs, tmp_path / name)
    assert files(tmp_path / "three") == files(tmp_path / "four")


def test_pngs_hold_pixels_and_nothing_else(pairs, dataset, tmp_path):
    png(pairs, tmp_path / "pairs")
    written = [data for name, data in files(tmp_path).items() if name.endswith(".png")]
    assert len(written) == 4 * COUNT
    for data in written:
        assert set(chunks(data)) == {b"IHDR", b"IDAT", b"IEND"}


def wrong_size(pixels):
    return pixels[:-1]


def wrong_value(pixels):
    pixels[3, 4] = 2
    return pixels


def flip(path):
    """Change one bit of the pixels' compressed stream: its length and the file's header stay right."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


LABEL, IMAGE = Path("labelsTr/case_00001.png"), Path("imagesTr/case_00001_0000.png")
BROKEN = {
    "missing label": (lambda at: (at / LABEL).unlink(), f"{LABEL} is missing"),
    "other size": (lambda at: redraw(at / LABEL, wrong_size), rf"{LABEL} has \(23, 24\) pixels"),
    "label value 2": (lambda at: redraw(at / LABEL, wrong_value), f"{LABEL} has the label 2"),
    "wrong numTraining": (
        lambda at: describe(at, numTraining=7),
        "dataset.json says numTraining 7, .* 6 cases",
    ),
    "missing image": (lambda at: (at / IMAGE).unlink(), "dataset.json says numTraining 6, .* 5 cases"),
    "channel of none": (
        lambda at: (at / IMAGE).rename(at / "imagesTr/case_00001_0001.png"),
        "case_00001_0001.png does not end in _0000.png",
    ),
    "no channel suffix": (
        lambda at: (at / IMAGE).rename(at / "imagesTr/case_00001.png"),
        "case_00001.png does not end in _0000.png",
    ),
    "cut PNG": (
        lambda at: (at / IMAGE).write_bytes((at / IMAGE).read_bytes()[:200]),
        f"{IMAGE} cannot be read",
    ),
    "flipped bit": (lambda at: flip(at / IMAGE), f"{IMAGE} cannot be read"),
    "no PNG": (lambda at: (at / LABEL).write_text("vessel"), f"{LABEL} cannot be read"),
    "empty PNG": (lambda at: (at / LABEL).write_bytes(b""), f"{LABEL} cannot be read"),
    "colours": (
        lambda at: redraw(at / IMAGE, lambda pixels: np.stack([pixels] * 3, -1)),
        f"{IMAGE} is of Pillow's mode RGB",
    ),
    "no labels folder": (lambda at: shutil.rmtree(at / "labelsTr"), "labelsTr is missing"),
    "no dataset.json": (lambda at: (at / "dataset.json").unlink(), "dataset.json is missing"),
    "cut dataset.json": (
        lambda at: (at / "dataset.json").write_text('{"labels": {'),
        "dataset.json lacks a part or cannot be read",
    ),
    "no file_ending": (lambda at: describe(at, file_ending=None), "dataset.json lacks a part .*file_ending"),
    "other ending": (lambda at: describe(at, file_ending=".tif"), "dataset.json is not about the .png files"),
    "a gap in labels": (
        lambda at: describe(at, labels={"background": 0, "vessel": 2}),
        "dataset.json has labels .* not background 0",
    ),
    "no background": (
        lambda at: describe(at, labels={"tissue": 0, "vessel": 1}),
        "dataset.json has labels .* not background 0",
    ),
    "a list of files": (lambda at: describe(at, dataset={}), "dataset.json is not about the .png files"),
    "no case": (
        lambda at: (shutil.rmtree(at / "imagesTr"), (at / "imagesTr").mkdir(), describe(at, numTraining=0)),
        "dataset.json says numTraining 0, .* 0 cases",
    ),
    "two channels": (
        lambda at: describe(at, channel_names={"0": "TOF-MRA", "1": "T1"}),
        "dataset.json has channel_names",
    ),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_told_by_the_file_that_breaks_it(rule, dataset):
    damage, told = BROKEN[rule]
    damage(dataset)
    with pytest.raises(ValueError, match=f"{told}.*Remedy"):
        check_nnunet(dataset)
    with pytest.raises(ValueError, match=told):
        read_nnunet(dataset)


def test_no_flipped_bit_of_a_label_passes_for_other_vessels(pairs, tmp_path):
    # Short streams are where pixels can be read in full although their checksum is wrong.
    written = nnunet([part[:1] for part in pairs], tmp_path)
    (label,) = (written / "labelsTr").iterdir()
    whole, refused = label.read_bytes(), 0
    for index in range(len(whole)):
        label.write_bytes(whole[:index] + bytes([whole[index] ^ 1]) + whole[index + 1 :])
        try:
            assert np.array_equal(read_nnunet(written)[1], pairs[1][:1])
        except ValueError:
            refused += 1
    assert refused > 0.9 * len(whole)


def test_a_folder_of_another_name_is_no_dataset(dataset):
    renamed = dataset.rename(dataset.with_name("Synthetic"))
    with pytest.raises(ValueError, match="Synthetic is not called Dataset, three digits"):
        check_nnunet(renamed)


def test_files_that_nnunet_ignores_are_ignored(dataset):
    (dataset / "imagesTr" / "notes.txt").write_text("by hand")
    shutil.copy(dataset / LABEL, dataset / "labelsTr" / "spare.png")
    assert check_nnunet(dataset) == COUNT


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda at: (at / "label-00001.png").unlink(), "label-00001.png is missing"),
        (lambda at: redraw(at / "label-00001.png", wrong_size), "label-00001.png has .* pixels"),
        (lambda at: redraw(at / "label-00001.png", wrong_value), "label-00001.png has the label 2"),
        (lambda at: flip(at / "image-00001.png"), "image-00001.png cannot be read"),
        (lambda at: (at / "pairs.csv").unlink(), "pairs.csv cannot be read"),
        (lambda at: (at / "pairs.csv").write_text("image\nimage-00000.png\n"), "pairs.csv cannot be read"),
        (
            lambda at: (at / "pairs.csv").write_text("image,label\n../a.png,b.png\n"),
            "pairs.csv cannot be read",
        ),
        (lambda at: (at / "pairs.csv").write_text("image,label\n"), "pairs.csv lists no pairs"),
    ],
)
def test_damaged_plain_pairs_are_told_by_name(damage, told, pairs, tmp_path):
    png(pairs, tmp_path)
    damage(tmp_path)
    with pytest.raises(ValueError, match=f"{told}.*Remedy"):
        read_png_pairs(tmp_path)


def test_pairs_of_several_sizes_do_not_become_one_array(pairs, tmp_path):
    png(pairs, tmp_path)
    for kind in ("image", "label"):
        redraw(tmp_path / f"{kind}-00001.png", wrong_size)
    with pytest.raises(ValueError, match="images of several sizes"):
        read_png_pairs(tmp_path)


WRITERS = {"nnunet": nnunet, "pairs": lambda pairs, folder: png(pairs, folder / NAME)}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("problem", [OSError("disk full"), KeyboardInterrupt()])
def test_an_interrupted_export_leaves_nothing(writer, problem, pairs, tmp_path, monkeypatch):
    stop_after(7, monkeypatch.setattr, lambda: raises(problem))
    with pytest.raises(type(problem)):
        WRITERS[writer](pairs, tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    WRITERS[writer](pairs, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def raises(problem):
    raise problem


def stop_after(count, patch, stop):
    """Let `count` pictures be written, then stop."""
    save, written = export._write_file, []

    def counted(path, content):
        written.append(path)
        if len(written) > count:
            stop()
        save(path, content)

    patch(export, "_write_file", counted)


def test_a_killed_export_leaves_nothing_that_passes_for_one_and_can_be_repeated(pairs, tmp_path):
    # In a process of its own, which nothing tidies up after.
    program = (
        "import os, signal, sys; sys.path[:0] = sys.argv[2:]; import numpy as np; from pathlib import Path;"
        "from release.test_export import nnunet, stop_after;"
        "stop_after(7, setattr, lambda: os.kill(os.getpid(), signal.SIGKILL));"
        "nnunet((np.zeros((6, 8, 8), np.uint8), np.zeros((6, 8, 8), bool)), Path(sys.argv[1]))"
    )
    folders = [str(Path(__file__).parents[1]), str(Path(export.__file__).parents[2])]
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), *folders], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert ended.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(f".{NAME}-")
    # Even under a dataset's name it is none: dataset.json is written last.
    half = (left / "partial").rename(left / "Dataset124_Half")
    with pytest.raises(ValueError, match="dataset.json is missing"):
        check_nnunet(half)
    assert check_nnunet(nnunet(pairs, tmp_path)) == COUNT


@pytest.mark.parametrize("writer", WRITERS)
def test_a_folder_that_holds_something_is_refused_and_left_alone(writer, pairs, tmp_path):
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "notes.txt").write_text("by hand")
    with pytest.raises(ValueError, match=f"{NAME} is there, and not empty. Remedy"):
        WRITERS[writer](pairs, tmp_path)
    assert files(tmp_path) == {f"{NAME}/notes.txt": b"by hand"}


@pytest.mark.parametrize("writer", WRITERS)
def test_an_empty_folder_is_filled_and_open_to_the_group_as_any_other(writer, pairs, tmp_path):
    (tmp_path / NAME).mkdir()
    WRITERS[writer](pairs, tmp_path)
    (tmp_path / "plain").mkdir()
    assert len(files(tmp_path / NAME)) == 2 * COUNT + 1
    assert (tmp_path / NAME).stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("writer", WRITERS)
def test_a_folder_filled_meanwhile_is_not_overwritten(writer, pairs, tmp_path, monkeypatch):
    def fill():
        (tmp_path / NAME).mkdir(exist_ok=True)
        (tmp_path / NAME / "theirs").write_text("first")

    stop_after(7, monkeypatch.setattr, fill)
    with pytest.raises(OSError, match="not empty"):
        WRITERS[writer](pairs, tmp_path)
    assert files(tmp_path) == {f"{NAME}/theirs": b"first"}


def test_an_id_that_is_taken_is_refused(pairs, dataset):
    with pytest.raises(ValueError, match=f"{NAME} has id 123 already"):
        nnunet(pairs, dataset.parent, name="Other")
    assert [path.name for path in dataset.parent.iterdir()] == [NAME]


@pytest.mark.parametrize(
    ("dataset_id", "name"), [(0, "Vessels"), (1000, "Vessels"), (5, ""), (5, "a/b"), (5, "..")]
)
def test_an_id_or_name_that_nnunet_could_not_find_is_refused(dataset_id, name, pairs, tmp_path):
    with pytest.raises(ValueError, match="take 1 to 999, and letters"):
        nnunet(pairs, tmp_path / "raw", dataset_id=dataset_id, name=name)
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda images, labels: (images[:0], labels[:0]), "1 to 100000 pairs"),
        (
            lambda images, labels: (np.zeros((100_001, 1, 1), np.uint8), np.zeros((100_001, 1, 1), bool)),
            "1 to",
        ),
        (lambda images, labels: (images, labels[:-1]), "both"),
        (lambda images, labels: (images[0], labels[0]), "both"),
        (lambda images, labels: (images, labels.astype(np.uint8)), "not uint8 .* and uint8"),
        (lambda images, labels: (images.astype(np.float32), labels), "not float32"),  # patients' patches
    ],
)
def test_what_is_no_synthetic_set_is_refused(writer, change, told, pairs, tmp_path):
    with pytest.raises(ValueError, match=told):
        WRITERS[writer](change(*pairs), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("level", "warned"), [("inf", True), ("noise-0.65", False), ("eps-5", False)])
def test_files_of_pairs_without_privacy_come_with_a_warning(tmp_path, caplog, level, warned):
    warn_of_level(level, folder=tmp_path)
    assert ("must not leave" in caplog.text) == warned
