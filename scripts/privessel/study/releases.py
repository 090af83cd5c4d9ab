"""What a release is made from, and what can be refused before any job is."""

from dataclasses import dataclass

from privessel.errors import ConfigError
from privessel.study.config import StudyConfig
from privessel.study.config.fields import resolve_delta
from privessel.study.gans import ANY_PRIVATE, GanPlan
from privessel.study.names import GanName, private_unet_name, vote_name
from privessel.study.site import SitePlan


@dataclass(frozen=True)
class ReleasePlan:
    """Target `release` of one study."""

    config: StudyConfig
    gans: GanPlan
    site: SitePlan
    results: str

    @property
    def unit_delta(self) -> float:
        """Delta of one unit at which a release states its eps."""
        terms = self.terms()
        return terms["delta" if self.config.privacy.unit == "patch" else "patient_delta"]

    def terms(self) -> dict[str, object]:
        """The section `release` of the config, its deltas as numbers."""
        release = self.config.release
        return release.model_dump() | {
            "creators": list(release.creators),
            "delta": resolve_delta(release.delta, units=self.site.patches),
            "patient_delta": resolve_delta(release.patient_delta, units=self.site.training_patients),
        }

    def steps(self) -> int:
        """Private steps of the whole run."""
        if self.config.release.pairs in self.config.private_unets:
            return self.config.private_unet.steps
        keys = self.config.gan_keys(ANY_PRIVATE)
        return keys["epochs"] * keys["steps_per_epoch"] * keys["critic_steps"]

    def searched(self) -> str:
        """The set that is searched for copies of patches; ConfigError for a model, which has none."""
        inputs = self.inputs()
        if "pairs" not in inputs:
            raise ConfigError(
                f"config: release.pairs {self.config.release.pairs} is a model, and has no images that could "
                "be copies. Remedy: ask for `copies` of a set only."
            )
        return inputs["pairs"]

    def inputs(self) -> dict[str, object]:
        """Return the files of the set, its run and its generator by name; ConfigError with the remedy."""
        release = self.config.release
        if not release.pairs:
            example = (self.gans.private_pairs or ["wgan/noise-1/run-1/epoch-50"])[-1]
            raise ConfigError(
                "config: release.pairs is not set, so there is nothing to release. Remedy: name one set of "
                f"a private level, such as {example}, a vote, such as {vote_name(1.0, 1)}, or a private "
                f"U-Net, such as {private_unet_name('eps-8', 1)}."
            )
        known = [*self.gans.pairs, *self.gans.studied_pairs, *self.config.votes, *self.config.private_unets]
        if release.pairs not in known:
            raise ConfigError(
                f"config: release.pairs {release.pairs} is not in this study. Remedy: name one of its sets."
            )
        pairs = GanName.parse(release.pairs)
        if not pairs.private:
            raise ConfigError(
                f"config: release.pairs {release.pairs} was made without noise: nothing protects the "
                "patients behind it, and no reason can outweigh that. Remedy: name a set of a private "
                "level, such as noise-1 or eps-5."
            )
        if not release.description.strip() or not release.creators:
            raise ConfigError(
                "config: a release needs release.description, which is all that it says about the cohort, "
                "and release.creators. Remedy: write down what may be said, and who stands for it."
            )
        # A run's charges on its patients count all together, so each of them makes the bundle anew.
        ledgers = {} if self.site.public else {"ledgers": self.site.ledgers()}
        if release.pairs in self.config.votes:
            vote = f"{self.results}/{release.pairs}"
            names = {"pairs": "pairs.npz", "privacy": "privacy.json", "setting": "setting.json"}
            names |= {"model": "unet.pt"} if release.weights else {}
            return {name: f"{vote}/{file}" for name, file in names.items()} | ledgers
        if release.pairs in self.config.private_unets:
            if not release.weights:
                raise ConfigError(
                    f"config: release.pairs {release.pairs} is a model and has no data, but release.weights "
                    "is false, so nothing would leave. Remedy: set release.weights to true."
                )
            unet = f"{self.results}/{release.pairs}"
            names = {"model": "unet.pt", "privacy": "privacy.json", "history": "history.csv"}
            return {name: f"{unet}/{file}" for name, file in names.items()} | ledgers
        run = f"{self.results}/gan/{pairs.run_name}"
        files: dict[str, object] = {
            "pairs": f"{self.results}/synthetic/{pairs}.npz",
            "privacy": f"{run}/privacy.json",
            "history": f"{run}/history.csv",
        }
        model = f"{run}/generator-epoch-{pairs.epoch}.pt"
        return files | ledgers | ({"model": model} if release.weights else {})
