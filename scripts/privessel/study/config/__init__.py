"""The config of a study, typed: every key with its bounds, what it means, its unit and its source.

`config.yaml` holds the values, this package what may stand there. The schema that editors complete from and
docs/configuration.md are made from it (`make config-docs`).
"""

from pydantic import model_validator

from privessel.study.config.agreement import find_faults
from privessel.study.config.keys import StudyKeys


class StudyConfig(StudyKeys):
    """Every key of config.yaml."""

    @model_validator(mode="after")
    def _fits_together(self) -> "StudyConfig":
        faults = find_faults(self)
        if faults:
            raise ValueError("; ".join(faults))
        return self
