"""What is done to a T1w scan of a head before anything else: its brain mask, its bias field, its noise."""

from typing import Literal

from privessel.study.config.fields import Count, Section, key

BrainTool = Literal["file", "deepbet", "robex"]


class HeadPreprocessing(Section):
    """Corrections of a scan, computed from its brain alone."""

    bias_field: bool = key(
        "Whether the bias field is divided out; N4 estimates it inside of the brain.",
        source="C-DeID-GAN: corrected",
    )
    denoising: Count = key(
        "Iterations of curvature flow that take out noise; 0 for none.", source="C-DeID-GAN: denoised"
    )
