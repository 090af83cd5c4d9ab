"""What a simulated cohort says of itself as a BIDS dataset: README, descriptions, columns and sidecars."""

from dataclasses import asdict
from typing import Any

import privessel
from privessel.phantom.simulation import Phantom

BIDS_VERSION = "1.9.0"
GENERATOR = {
    "Name": "privessel",
    "Version": privessel.__version__,
    "Description": "simulated TOF-MRA; no patient",
}
_NOBODY = "none: simulated"
_OF_ONE_SEQUENCE = ("MagneticFieldStrength", "RepetitionTime", "EchoTime", "FlipAngle")
_MASKS = {
    "vessels": ("ROI", "arteries of the brain as a reader would mark them, 1 inside"),
    "brain": ("Brain", "brain without skull, as imperfect as an automatic mask, 1 inside"),
}
COLUMNS = {
    "split": {
        "Description": "What a patient is for.",
        "Levels": {
            "train": "patches train generators and U-Nets",
            "validation": "chooses settings",
            "test": "judges",
        },
    }
}


def describe_dataset(name: str, mask: str | None = None) -> dict[str, Any]:
    """Return dataset_description.json of the images, or of one kind of masks."""
    common = {
        "BIDSVersion": BIDS_VERSION,
        "Authors": ["The privessel authors"],
        "GeneratedBy": [GENERATOR],
    }
    if mask is None:
        return {"Name": f"{name} (simulated)", "DatasetType": "raw", **common}
    title = {"Name": f"{name} (simulated): {mask} masks", "DatasetType": "derivative"}
    return {**title, **common, "SourceDatasets": [{"URL": "../../"}]}


def describe_in_words(name: str, mask: str | None = None) -> str:
    """Return the README of the images, or of one kind of masks."""
    what = "TOF-MRA scans." if mask is None else f"Masks: {_MASKS[mask][1]}."
    return (
        f"{name}: simulated TOF-MRA of the brain\n\n"
        f"{what} Every patient here was simulated by privessel {privessel.__version__}; no scan of anyone "
        "took part. The sidecar of each image has the seed and all parameters, from which its bytes follow.\n"
    )


def mask_sidecar(mask: str) -> dict[str, str]:
    """Return the metadata of all masks of one kind."""
    kind, words = _MASKS[mask]
    return {"Type": kind, "Description": words}


def sidecar(phantom: Phantom, *, seed: int, one_sequence: bool = True) -> dict[str, Any]:
    """Return the BIDS metadata of a simulated image: the imitated sequence, seed and parameters.

    one_sequence: whether the image imitates the sequence written down here; if not, as in a family that
    covers many scanners (`sets.MANY_SCANNERS`), nothing is said of field strength, times and flip angle.
    """
    fields = {
        "Simulated": True,
        "Modality": "MR",
        "Manufacturer": "simulated",
        "ManufacturersModelName": "privessel phantom",
        "SoftwareVersions": f"privessel {privessel.__version__}",
        "DeviceSerialNumber": _NOBODY,
        "StationName": _NOBODY,
        "InstitutionName": _NOBODY,
        "InstitutionAddress": _NOBODY,
        "InstitutionalDepartmentName": _NOBODY,
        "ReceiveCoilName": _NOBODY,
        "ReceiveCoilActiveElements": _NOBODY,
        "MatrixCoilMode": _NOBODY,
        "CoilCombinationMethod": _NOBODY,
        "MagneticFieldStrength": 3,
        "MRAcquisitionType": "3D",
        "ScanningSequence": "GR",
        "SequenceVariant": "SP",
        "SequenceName": "tof_multislab",
        "PulseSequenceType": "time-of-flight, multi-slab",
        "PulseSequenceDetails": "imitated: 3D spoiled gradient echo in slabs, with a ramp of the flip angle",
        "NonlinearGradientCorrection": False,
        "RepetitionTime": 0.022,
        "EchoTime": 0.00386,
        "FlipAngle": 18,
        "Units": "arbitrary",
        "PhantomSeed": seed,
        "PhantomParameters": asdict(phantom.parameters),
    }
    return {key: value for key, value in fields.items() if one_sequence or key not in _OF_ONE_SEQUENCE}
