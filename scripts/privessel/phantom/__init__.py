"""A simulated TOF-MRA cohort: heads, arteries and scanners from explicit parameters and an integer seed."""

from privessel.phantom.acquisition import ACQUISITIONS, Acquisition
from privessel.phantom.anatomy import Anatomy
from privessel.phantom.dataset import write_patient, write_table
from privessel.phantom.families import FAMILIES
from privessel.phantom.sets import SETS, Parameters, draw_setting
from privessel.phantom.simulation import Phantom, simulate
from privessel.phantom.vessels import Vessels

__all__ = [
    "ACQUISITIONS",
    "FAMILIES",
    "SETS",
    "Acquisition",
    "Anatomy",
    "Parameters",
    "Phantom",
    "Vessels",
    "draw_setting",
    "simulate",
    "write_patient",
    "write_table",
]
