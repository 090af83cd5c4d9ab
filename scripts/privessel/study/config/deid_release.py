"""Target `deid_release`: which heads leave, under which name, and what is said of them."""

from privessel.study.config.fields import HullName, Positive, Section, Text, distinct, key
from privessel.study.config.privacy import LICENCES, Reason, ReleaseName


class DeidRelease(Section):
    """Target `deid_release`, the only way by which heads should leave."""

    hull: HullName | None = key(
        "In which hull the heads are that leave, one of `deid.hulls`; `paper` promises nothing, and is "
        "refused; null: none leave."
    )
    name: ReleaseName = key(
        "Name of folder and archive; the codes of people follow from it, so that two releases have others."
    )
    description: str = key("The only words about the people that leave; needed for a release.")
    creators: tuple[Text, ...] = key("Who stands for the release; needed for one.")
    licence: LICENCES = key("Licence of the heads.")
    left_out: distinct(Text) = key(
        "Scans of `heads` that do not leave, as {patient}_{session}; how many they are is told."
    )
    epsilon: Positive = key(
        "Most that all draws of a person's hulls may have cost together, in all studies of the site, at "
        "`deid.delta`."
    )
    override: Reason | None = key("A written reason to release against that limit; it leaves too.")
