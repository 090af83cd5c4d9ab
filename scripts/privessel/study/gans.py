"""Which GANs a study trains, which of their epochs it keeps, and the names of their pairs."""

from dataclasses import dataclass
from functools import cached_property

from privessel.errors import ConfigError
from privessel.study.config import StudyConfig
from privessel.study.names import GanName, Level

# Private levels share all keys but their noise, so any of them stands for all.
ANY_PRIVATE = "noise-1"


@dataclass(frozen=True)
class GanPlan:
    """The GANs of one study: every level's runs, those compared without privacy, controls, studied epochs."""

    config: StudyConfig

    def runs(self, level: str) -> tuple[int, ...]:
        """The numbers of a level's runs; without privacy there is one."""
        return self.config.run_numbers if Level.parse(level).private else (1,)

    def kept_epochs(self, *, private: bool) -> tuple[int, ...]:
        """Epochs whose generators are evaluated in full, the same for every architecture."""
        return self.config.gan.keys_of(self.config.arch, private=private)["kept_epochs"]

    def studied_epochs(self, *, private: bool) -> list[int]:
        """Epochs whose generators are saved of a run that is in the epoch study."""
        return sorted({*self.kept_epochs(private=private), *self.config.epoch_study.epochs})

    def training(self, arch: str, level: str, run: str | int) -> dict[str, object]:
        """Return all keys of one run, with the epochs that are saved of it."""
        private = Level.parse(level).private
        studied = str(GanName(arch, level, int(run))) in self.studied
        epochs = self.studied_epochs(private=private) if studied else self.kept_epochs(private=private)
        return self.config.gan_keys(level, arch) | {"kept_epochs": list(epochs)}

    @cached_property
    def studied_levels(self) -> tuple[str, ...]:
        """The levels of the epoch study; none where it studies no epochs."""
        return self.config.epoch_study.levels if self.config.epoch_study.epochs else ()

    @cached_property
    def studied_runs(self) -> list[int]:
        """The runs of the epoch study that this study has."""
        return [run for run in self.config.epoch_study.runs if run in self.config.run_numbers]

    @cached_property
    def studied(self) -> list[str]:
        """The runs whose epochs are studied."""
        return [
            str(GanName(self.config.arch, level, run))
            for level in self.studied_levels
            for run in self.studied_runs
            if run in self.runs(level)
        ]

    @cached_property
    def studied_pairs(self) -> list[str]:
        """The pairs of every studied epoch."""
        return [
            f"{gan}/epoch-{epoch}"
            for gan in self.studied
            for epoch in self.studied_epochs(private=GanName.parse(gan).private)
        ]

    @cached_property
    def pairs(self) -> list[str]:
        """The pairs of every level, run and kept epoch."""
        return [
            str(GanName(self.config.arch, level, run, epoch))
            for level in self.config.levels
            for run in self.runs(level)
            for epoch in self.kept_epochs(private=Level.parse(level).private)
        ]

    @cached_property
    def private_pairs(self) -> list[str]:
        """The pairs that noise protects."""
        return [pairs for pairs in self.pairs if GanName.parse(pairs).private]

    @cached_property
    def compared(self) -> list[str]:
        """The pairs of the architectures that are compared without privacy."""
        epoch = self.kept_epochs(private=False)[-1]
        others = [arch for arch in self.config.compared_architectures if arch != self.config.arch]
        return [str(GanName(arch, "inf", 1, epoch)) for arch in others]

    @cached_property
    def controls(self) -> list[str]:
        """The pairs whose labels are shuffled."""
        return [
            str(GanName(self.config.arch, level, self.runs(level)[0], self._last_epoch(level), shuffled=True))
            for level in self.config.shuffled
        ]

    @cached_property
    def all_runs(self) -> list[str]:
        """Every GAN that is trained, as `{arch}/{level}/run-{run}`."""
        names = [*self.pairs, *self.compared]
        return list(dict.fromkeys(str(GanName.parse(pairs).run_name) for pairs in names))

    def first_pairs(self, arch: str, level: str) -> str:
        """The last kept pairs of a level's first run."""
        return str(GanName(arch, level, self.runs(level)[0], self._last_epoch(level)))

    def exported(self) -> list[str]:
        """The sets that target `export` writes. Raises ConfigError where the study does not make them."""
        known = {*self.pairs, *self.compared}
        unknown = [pairs for pairs in self.config.export if pairs not in known]
        if unknown:
            raise ConfigError(
                f"config: export has {', '.join(unknown)}, not in this study. Remedy: name sets such as "
                f"{self.pairs[-1]}."
            )
        return list(self.config.export)

    def dataset_id(self, pairs: str) -> int:
        """nnU-Net's number of a set, from 501 on: no two sets of a study share one, as three digits allow."""
        return 501 + [*self.pairs, *self.compared, *self.studied_pairs].index(pairs) % 499

    def _last_epoch(self, level: str) -> int:
        return self.kept_epochs(private=Level.parse(level).private)[-1]
