"""What a file is, told by its content and never by its name."""

import gzip
import zlib

from privessel.errors import CohortError
from privessel.files.source import POINTERS

_GZIP = b"\x1f\x8b"
# A NIfTI file compressed twice happens; more layers are no accident of an export.
_MOST_LAYERS = 3
_NIFTI1_PAIR, _NIFTI2_PAIR = b"ni1\0", b"ni2\0"
_CONVERT = "convert it to NIfTI, for instance with 3D Slicer, ITK-SNAP or SimpleITK"
_CONVERT_DICOM = "convert the whole series to NIfTI with dcm2niix"
# Where a mark begins, the mark, what such a file is, and what to do with it.
_MARKS = (
    (128, b"DICM", "a DICOM file", _CONVERT_DICOM),
    (0, b"NRRD", "an NRRD file", _CONVERT),
    (0, b"ObjectType", "a MetaImage header (MHA or MHD)", _CONVERT),
    (0, b"NDims", "a MetaImage header (MHA or MHD)", _CONVERT),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (MINC2 and MATLAB 7.3 are such)", _CONVERT),
    (0, b"CDF\x01", "a MINC1 file", "convert it with mnc2nii"),
    (0, b"MATLAB", "a MATLAB file", "save the array as NIfTI, with the voxel size in its header"),
    (0, b"\x93NUMPY", "a NumPy array", "save the array as NIfTI, with the voxel size in its header"),
    (0, b"PK\x03\x04", "a zip archive", "unpack it and name the NIfTI file in it"),
    (257, b"ustar", "a tar archive", "unpack it and name the NIfTI file in it"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it and name the NIfTI file in it"),
    (0, b"BZh", "a bzip2 file", "unpack it with bunzip2; NIfTI is read plain or with gzip"),
    (0, b"\xfd7zXZ\0", "an xz file", "unpack it with unxz; NIfTI is read plain or with gzip"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file", "unpack it with zstd -d; NIfTI is read plain or with gzip"),
    (0, b"\x89PNG", "a PNG picture", "export the volume as NIfTI"),
    (0, b"\xff\xd8\xff", "a JPEG picture", "export the volume as NIfTI"),
    (0, b"II*\0", "a TIFF picture", "export the volume as NIfTI, with the voxel size in its header"),
    (0, b"MM\0*", "a TIFF picture", "export the volume as NIfTI, with the voxel size in its header"),
    *(
        (0, start, f"a pointer of {maker}", f"fetch the file's content with `{command}`")
        for start, (maker, command) in POINTERS.items()
    ),
    (0, b"<", "a web page or XML text", "download the file again; the server may have asked for a login"),
)
_MGH_HEAD = b"\0\0\0\x01"
_ANALYZE_SIZES = (b"\x5c\x01\0\0", b"\0\0\x01\x5c")


def unpack_nifti(raw: bytes, *, most: int | None = None) -> bytes:
    """Return a single-file NIfTI's bytes, whether `raw` is plain, gzipped, or gzipped again.

    Checksums of gzip are verified. With `most`, `raw` may be the start of a file: no more than the first
    `most` bytes are unpacked, and no checksum is verified. Raises CohortError that says what the content is
    instead, with the remedy; the caller names the file.
    """
    content, layers = raw, 0
    while content[:2] == _GZIP and layers < _MOST_LAYERS:
        try:
            content = gzip.decompress(content) if most is None else _unpack_start(content, most)
        except (OSError, EOFError, zlib.error) as problem:
            raise CohortError(
                f"is empty, truncated or not NIfTI (gzip: {problem}). Remedy: export or copy the file again"
            ) from problem
        layers += 1
    if content[4:8] == b"n+2\0" or content[344:348] == b"n+1\0":
        return content
    what, remedy = _identify(content)
    raise CohortError(f"is {what}. Remedy: {remedy}")


def _unpack_start(content: bytes, most: int) -> bytes:
    return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(content, most)


def _identify(content: bytes) -> tuple[str, str]:
    """Return what content that is not a NIfTI file is, and what to do with it."""
    for place, mark, what, remedy in _MARKS:
        if content.lstrip(b"\xef\xbb\xbf \r\n")[place:].startswith(mark) or content[place:].startswith(mark):
            return f"{what}, not NIfTI", remedy
    if content[344:348] == _NIFTI1_PAIR or content[4:8] == _NIFTI2_PAIR:
        return (
            "the header of a NIfTI pair (.hdr and .img), which holds no voxels",
            "save both as one .nii.gz file, for instance with nibabel",
        )
    if content[:4] in _ANALYZE_SIZES and len(content) >= 348:
        return "an Analyze 7.5 header, which holds no orientation, not NIfTI", "export the volume as NIfTI"
    if content[:4] == _MGH_HEAD and len(content) > 284:
        return "a FreeSurfer volume (MGH), not NIfTI", "convert it with mri_convert"
    start = content[:64]
    if start and not any(byte < 9 or byte > 126 for byte in start):
        return f"text ({start[:24].decode('ascii')!r}...), not NIfTI", "name the NIfTI file in the template"
    return "empty, truncated or not NIfTI (no NIfTI header)", "export or copy the file again"
