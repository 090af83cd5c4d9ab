"""Which heads of a study leave, what they are made from, and what can be refused before any job is."""

from collections.abc import Mapping
from dataclasses import dataclass

from privessel.errors import ConfigError
from privessel.study.config.deid_release import DeidRelease
from privessel.study.deid import DeidPlan
from privessel.study.head_scans import HeadScan
from privessel.study.site import SitePlan


@dataclass(frozen=True)
class DeidReleasePlan:
    """Target `deid_release` of one study."""

    heads: DeidPlan
    site: SitePlan

    @property
    def keys(self) -> DeidRelease:
        """The config's `deid.release`."""
        return self.heads.config.deid.release

    @property
    def public(self) -> bool:
        """Whether the heads are nobody's, or anyone's: then nothing is charged and no secret is needed."""
        return self.heads.cohorts[self.heads.own].public

    @property
    def archive(self) -> str:
        """The archive; the folder beside it has the same name without its ending."""
        return f"{self.heads.results}/release/{self.keys.name}.tar.gz"

    def scans(self) -> list[HeadScan]:
        """The scans whose heads leave; ConfigError where `left_out` names others, or all of them."""
        scans, left_out = self.heads.scans(self.heads.own), set(self.keys.left_out)
        if unknown := sorted(left_out - {scan.name for scan in scans}):
            raise ConfigError(
                f"config: deid.release.left_out has {', '.join(unknown)}, which is no scan of deid.heads. "
                "Remedy: name scans as {patient}_{session}."
            )
        kept = [scan for scan in scans if scan.name not in left_out]
        if not kept:
            raise ConfigError("config: deid.release.left_out leaves no scan. Remedy: name fewer scans.")
        return kept

    def records(self) -> list[dict[str, object]]:
        """These scans as plain data; `number` counts a person's released scans, whatever their sessions."""
        found, numbers = [], {}
        for scan in self.scans():
            numbers[scan.person] = numbers.get(scan.person, 0) + 1
            found.append(vars(scan) | {"name": scan.name, "number": numbers[scan.person]})
        return found

    def hull(self) -> str:
        """The hull that leaves; ConfigError, with the remedy, where none may."""
        hull, example = self.keys.hull, "Remedy: name one of deid.hulls, such as local-dp-4 or brain."
        if hull is None:
            raise ConfigError(f"config: deid.release.hull is not set, so no heads leave. {example}")
        if hull == "paper":
            raise ConfigError(
                "config: deid.release.hull is paper, the hull that is the person's own: nothing is promised "
                "of it, and it lets people be recognised (docs/deid.md), so no heads in it leave, and no "
                f"reason can outweigh that. {example}"
            )
        if hull not in self.heads.config.deid.hulls:
            raise ConfigError(f"config: deid.release.hull is {hull}, which is not in deid.hulls. {example}")
        if hull not in self.heads.config.deid.gan.hulls:
            raise ConfigError(
                f"config: deid.release.hull is {hull}, but no GAN makes heads in it. Remedy: add it to "
                "deid.gan.hulls."
            )
        if not self.keys.description.strip() or not self.keys.creators:
            raise ConfigError(
                "config: a release of heads needs deid.release.description, which is all that it says about "
                "the people, and deid.release.creators. Remedy: write down what may be said, and who stands "
                "for it."
            )
        if not self.public:
            self.site.require_secret()
        return hull

    def source(self, wildcards: Mapping[str, str]) -> dict[str, object]:
        """What one head on the scanner's grid is made from, by name."""
        folder, cohort, name = self.heads.folder, wildcards.heads, wildcards.scan
        return {
            "scan": self.heads.simulated(cohort, name),
            "checked": f"{folder}/intake.json",
            "frame": f"{folder}/frame/{cohort}/{name}.npz",
            "made": f"{folder}/made/{wildcards.hull}/{cohort}/{name}.npz",
            "hulls": f"{folder}/hulls/{wildcards.hull}/{cohort}.npz",
            "average": f"{folder}/public/average.npz",
        }

    def inputs(self) -> dict[str, object]:
        """What the release is made from, by name; ConfigError as `hull` and `scans`."""
        hull, folder, own = self.hull(), self.heads.folder, self.heads.own
        scans = self.scans()
        native = [f"{folder}/native/{hull}/{own}/{scan.name}" for scan in scans]
        return {
            # What these are made of, because the release composes them again and compares.
            "sources": [path for scan in scans for path in self.heads.simulated(own, scan.name)],
            "frames": [f"{folder}/frame/{own}/{scan.name}.npz" for scan in scans],
            "made": [f"{folder}/made/{hull}/{own}/{scan.name}.npz" for scan in scans],
            "average": f"{folder}/public/average.npz",
            "images": [f"{path}_T1w.nii.gz" for path in native],
            "masks": [f"{path}_defacemask.nii.gz" for path in native],
            "sidecars": [f"{path}_T1w.json" for path in native],
            # Every scan of the cohort, released or not: groups of k-same are formed of all.
            "gammas": self.heads.files("gamma", own),
            "hulls": f"{folder}/hulls/{hull}/{own}.npz",
            "model": f"{folder}/public/hulls.npz",
            "checked": f"{folder}/intake.json",
            # A person's charges count all together, so each of them makes the release anew.
            **({} if self.public else {"ledgers": self.site.ledgers()}),
        }

    def terms(self) -> dict[str, object]:
        """The config's `deid.release`, and what the draws were asked for, as plain data."""
        deid = self.heads.config.deid
        given = self.keys.model_dump(mode="json")
        return given | {"delta": deid.delta, "clip": deid.code.clip, "number": deid.draw}

    def places(self) -> list[str]:
        """Folders of scans, which no text of a release may name."""
        return [self.heads.root(name) for name in self.heads.names]

    def people(self) -> dict[str, list[str]]:
        """The people of all cohorts of heads, whom no text of a release may name."""
        return {name: self.heads.people(name) for name in self.heads.names}

    def megabytes(self) -> float:
        """MB of the release: some files at a time as they are packed, and one that is composed again."""
        return 1500 + 400 * self.heads.voxels(self.heads.own) / 1e6

    def minutes(self) -> int:
        """Minutes of the release: each file is composed again, packed, searched and compared once."""
        return int(30 + len(self.heads.scans(self.heads.own)) * self.heads.voxels(self.heads.own) / 1e7)
