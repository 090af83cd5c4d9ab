"""The eps of a whole patient by one run, as tests of the accountant ask for it."""

from privessel.privacy.accounting import Charge
from privessel.privacy.patient import group_epsilon


def patient_epsilon(*, noise_multiplier, sampling_rate, steps, patches_per_patient, delta):
    """The eps of one patient whose patches are sampled and clipped one by one."""
    charge = Charge(noise_multiplier, sampling_rate, steps)
    return group_epsilon([charge], patches=patches_per_patient, delta=delta)
