"""What a scan's BIDS sidecar may keep; a module of its own, because it is published with every release."""

import json
import re
from collections.abc import Mapping
from typing import Any

# Of a BIDS sidecar: how the scan was made, in numbers and terms that many scans share. A number is kept
# within the range that scanners have, with few digits; a text only if it is one of the standard's terms.
NUMBERS = {
    "MagneticFieldStrength": (0.01, 25.0),  # T
    "EchoTime": (0.0, 1.0),  # s, as all times
    "RepetitionTime": (0.0, 30.0),
    "InversionTime": (0.0, 30.0),
    "FlipAngle": (0.0, 360.0),  # degrees
    "SliceThickness": (0.1, 20.0),  # mm
    "PixelBandwidth": (1.0, 1e5),  # Hz
    "PartialFourier": (0.1, 1.0),
    "ParallelReductionFactorInPlane": (1.0, 32.0),
}
TERMS = {
    "Modality": r"MR",
    "MRAcquisitionType": r"[23]D",
    "ScanningSequence": r"(?:SE|IR|GR|EP|RM)(?:[_/\\](?:SE|IR|GR|EP|RM)){0,4}",
    "SequenceVariant": r"(?:SK|MTC|SS|TRSS|SP|MP|OSP|NONE)(?:[_/\\](?:SK|MTC|SS|TRSS|SP|MP|OSP|NONE)){0,6}",
    "PhaseEncodingDirection": r"[ijk]-?",
}
DIGITS = 4  # of a number


def write_sidecar(sidecar: Mapping[str, Any]) -> str:
    """Return what of a scan's BIDS sidecar leaves, as the text of a file."""
    return json.dumps(scrub_sidecar(sidecar), indent=1, sort_keys=True) + "\n"


def scrub_sidecar(sidecar: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a scan's BIDS sidecar leaves: NUMBERS within their ranges, and TERMS; nothing else."""
    kept: dict[str, Any] = {}
    for name, (least, most) in NUMBERS.items():
        value = sidecar.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
            kept[name] = float(f"{value:.{DIGITS}g}")
    for name, pattern in TERMS.items():
        value = sidecar.get(name)
        if isinstance(value, str) and re.fullmatch(pattern, value):
            kept[name] = value
    return kept
