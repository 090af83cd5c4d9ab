"""What de-identified heads are still good for: which files tell, and what finding out costs."""

from dataclasses import dataclass

from privessel.study import names
from privessel.study.deid import DeidPlan
from privessel.study.deid_gan import HeadGanPlan
from privessel.study.head_scans import HeadScan
from privessel.study.names import HULL_METHOD
from privessel.study.resources import GPU_TERA, THREAD_TERA


@dataclass(frozen=True)
class HeadUtilityPlan:
    """Tissues, ages, scaled gammas and times of the heads of a study; read only where the part is enabled."""

    heads: DeidPlan
    gans: HeadGanPlan

    @property
    def methods(self) -> list[str]:
        """Everything that makes heads of scans; blurring acts on pictures alone."""
        return [method for method in self.heads.methods if method != names.BLURRED]

    @property
    def has_ages(self) -> bool:
        """Whether there is an age network."""
        return self.heads.config.deid.age.steps > 0

    @property
    def metrics(self) -> list[str]:
        """The table of every method."""
        return [f"{self.heads.folder}/metrics/{method}/{self.heads.own}.csv" for method in self.methods]

    @property
    def tables(self) -> list[str]:
        """All tables on heads."""
        summaries = ("identification", "volumes", "times")
        return [f"{self.heads.folder}/tables/{name}.csv" for name in summaries] + self.metrics

    @property
    def shields(self) -> list[str]:
        """The shields whose hulls some method shows as they are."""
        hulls = [
            method.removeprefix(HULL_METHOD) for method in self.methods if method.startswith(HULL_METHOD)
        ]
        return [hull for hull in hulls if hull in self.heads.shielded]

    @property
    def filled(self) -> list[str]:
        """The hulls that a GAN fills with heads; none without a GAN."""
        return list(self.gans.keys.hulls)

    def reference_of(self, method: str) -> list[str]:
        """The labels that a method's are compared with: of the unaltered heads, or of these the truth."""
        folder, own = self.heads.folder, self.heads.own
        if method != names.ORIGINAL:
            return [f"{folder}/tissues/{names.ORIGINAL}/{own}.npz"]
        return [f"{folder}/truth/{own}.npz"] if self.heads.is_phantom(own) else []

    def table(self, cohort: str) -> str:
        """The table of a cohort's people."""
        return f"{self.heads.root(cohort)}/{self.heads.config.deid.participants}"

    def table_made(self, cohort: str) -> list[str]:
        """The same where the workflow makes it; a cohort of your own is no input, as elsewhere."""
        return [f"{self.heads.root(cohort)}/participants.tsv"] if self.heads.is_phantom(cohort) else []

    def table_path(self, cohort: str) -> str:
        """The table that ages are read from."""
        return self.table_made(cohort)[0] if self.heads.is_phantom(cohort) else self.table(cohort)

    def ages(self) -> dict[str, object]:
        """What `deid.age.AgeTraining` takes."""
        return self.heads.config.deid.age.model_dump()

    @property
    def scaled(self) -> list[HeadScan]:
        """The scans of figure 5: the first of each of so many people, the one shown before all others."""
        people, seen, shown = self.heads.config.deid.scaling.people, [], self.heads.shown
        for scan in [shown, *self.heads.scans(self.heads.own)]:
            if scan.person not in [other.person for other in seen]:
                seen.append(scan)
        return seen[:people]

    def steps(self, logs: str) -> list[dict[str, str]]:
        """The measured steps: what each is called, what it worked on, and the file of the measurement."""
        heads, steps = self.heads, []
        for cohort in heads.names:
            for scan in heads.scans(cohort):
                steps.append(("frame, privacy transform", cohort, f"frame/{cohort}/{scan.name}"))
        folds = self.gans.needed(heads.own) if self.filled else []
        steps += [("GAN", f"fold {fold}", f"gan/fold-{fold}") for fold in folds]
        steps += [("heads by GANs", hull, f"made/{hull}/{heads.own}") for hull in self.filled]
        steps += [("method, depth maps", method, f"faces/{method}/{heads.own}") for method in heads.methods]
        steps += [("method, tissues", method, f"tissues/{method}/{heads.own}") for method in self.methods]
        steps.append(("identification", heads.own, "identification"))
        if self.has_ages:
            steps += [("age network", heads.known, "age"), ("ages of all methods", heads.own, "ages")]
        return [{"step": step, "of": of, "path": f"{logs}/deid/{path}.tsv"} for step, of, path in steps]

    def benchmarks(self, logs: str) -> list[str]:
        """Their files."""
        return [step["path"] for step in self.steps(logs)]

    @property
    def scaled_records(self) -> list[dict[str, object]]:
        """The same as plain data, with the fold whose GAN makes each person's heads."""
        scaled = [scan.name for scan in self.scaled]
        records = {record["name"]: record for record in self.gans.records(self.heads.own)}
        return [records[name] for name in scaled]

    # --- What it costs ---

    def tissue_minutes(self) -> int:
        """Some 10 s a scan at 128 voxels a side."""
        seconds = 1 + 10 * (self.heads.config.deid.size / 128) ** 3
        return int(15 + len(self.heads.scans(self.heads.own)) * seconds / 60)

    def age_megabytes(self) -> float:
        """All public heads, and the activations of a batch."""
        age, cube = self.heads.config.deid.age, self.heads.config.deid.size**3 / 1e6
        return 1500 + 8 * cube * len(self.heads.scans(self.heads.known)) + 8 * cube * age.batch * age.width

    def age_minutes(self) -> int:
        """All steps on an old GPU, or on the threads of a CPU where the config asks for one."""
        age = self.heads.config.deid.age
        tera = THREAD_TERA * age.threads if age.device == "cpu" else GPU_TERA
        return int(20 + age.steps * (3 * age.batch * self._age_tera() / tera + 0.1) / 60)

    def read_minutes(self) -> int:
        """A forward pass for each head on one thread."""
        heads = len(self.methods) * len(self.heads.scans(self.heads.own))
        return int(15 + heads * (1 + self._age_tera() / THREAD_TERA) / 60)

    def _age_tera(self) -> float:
        """Operations (1e12) of a forward pass of one head."""
        age = self.heads.config.deid.age
        return 4 * age.width**2 * 27 * (self.heads.config.deid.size / 4) ** 3 * 2 * 2 / 1e12
