"""A release that is a model and has no data: what it holds, what it says, and how its recipient checks it."""

import io
import json
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from dp_accounting.pld.privacy_loss_distribution import (
    from_gaussian_mechanism,
    from_mixture_gaussian_mechanism,
)
from private_unet.ward import PATIENTS, RUN, Ward
from scipy import stats
from study.studies import TINY, make
from tiny_release import TERMS as USUAL
from tiny_release import verified

from privessel.cohort.intake import read_voxels
from privessel.deid.draws import HullDraw, draw_hull
from privessel.deid.shield import Mechanism
from privessel.errors import ConfigError, PrivacyError
from privessel.private_unet import step as step_module
from privessel.private_unet.run import PrivateUNetRun
from privessel.release import bundle
from privessel.release.forbidden import list_forbidden
from privessel.release.guarantee import count_cohort, state_guarantee
from privessel.release.own_run import read_entries
from privessel.release.refusals import find_refusals, require_allowed, require_protected
from privessel.release.selection import find_choice
from privessel.release.statement import summarise_numbers

TERMS = replace(USUAL, delta=1e-4, epsilon=1e3)


class Finished(Ward):
    """A finished private U-Net, and what a release is made of."""

    def __init__(self, folder, *, public=False, **changes):
        super().__init__(folder)
        self.public = public
        self.record = self.train(public=public, **changes)
        self.voxels = read_voxels(self.scans)

    def guarantee(self, *, run=RUN, **changes):
        site = None if self.public else self.site
        record = json.loads((self.folder(run) / "privacy.json").read_text()) | changes
        entries = read_entries(record, site=site, results=self.results)
        cohort = count_cohort(self.files, public=self.public, max_overlap=None, record=record)
        given = {"site": site, "voxels": self.voxels, "steps": 6, "cohort": cohort, "terms": TERMS}
        return state_guarantee(record, entries, **given, results=self.results), entries

    def choice(self, guarantee, *, run=RUN):
        return find_choice(
            run.name, results=self.results, history=self.folder(run) / "history.csv", cohort="cohort",
            train_patients=self.voxels, epochs=(), trainings=guarantee.trainings,
        )  # fmt: skip

    def publish(self, folder, *, unet=None):
        guarantee, entries = self.guarantee()
        choice = self.choice(guarantee)
        refused = find_refusals(guarantee, terms=TERMS, choice=choice)
        require_allowed(refused, name="x", override=None)
        numbers = summarise_numbers(guarantee, choice=choice, terms=TERMS, outweighed=[])
        forbidden = list_forbidden(
            patients={"cohort": PATIENTS}, voxels=self.voxels, paths=[self.results], seed=20_221_107,
            pairs=RUN.name, site=None if self.public else self.site, accounts=entries.accounts, terms=TERMS,
        )  # fmt: skip
        model = unet or self.folder() / "unet.pt"
        signer = None if self.public else self.site.signer()
        pairs = bundle.load_content(None, model)
        content = bundle.Content(*pairs, numbers, TERMS, "private-unet", model, signer)
        bundle.publish(content, archive=folder / "vessels.tar.gz", forbidden=forbidden)
        return folder / "vessels"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return Finished(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="module")
def released(finished, tmp_path_factory):
    return finished.publish(tmp_path_factory.mktemp("released"))


def test_its_recipient_computes_the_eps_again_and_finds_no_contradiction(finished, released):
    told = verified(released, "--key", finished.site.signer().fingerprint)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "eps of one patch, the run that made the model: stated" in told.stdout
    assert "verdict: no contradiction, and every eps is what its mechanisms give" in told.stdout


def test_it_holds_the_weights_the_texts_and_the_check_and_no_data(finished, released):
    names = {path.relative_to(released).as_posix() for path in released.rglob("*") if path.is_file()}
    rest = {name for name in names if not name.startswith("checks/")}
    assert rest == {
        "model/unet.pt", "privacy.json", "PRIVACY.md", "README.md", "LICENSE", "verify.py", "site.pub",
        "MANIFEST.sha256", "MANIFEST.sha256.sig",
    }  # fmt: skip
    state = torch.load(io.BytesIO((released / "model/unet.pt").read_bytes()), weights_only=True)
    assert set(state) == {"shape", "weights", "patch_size", "mean", "sd"}
    for name, value in finished.weights().items():
        assert torch.equal(state["weights"][name], value)


def test_it_says_that_it_is_a_model_whom_it_protects_and_that_images_are_none_of_it(released):
    said, card = (" ".join((released / name).read_text().split()) for name in ("PRIVACY.md", "README.md"))
    assert "# What the model vessels tells about patients" in said
    assert "**A whole patient is not protected.**" in said or "**A whole patient is protected" in said
    assert "bounds what this model tells about one patch" in said
    assert "so were the mean and the standard deviation that its inputs are scaled by" in said
    assert "It comes without data." in card
    for text in (said, card):
        assert "generator of images" not in text
        assert "synthetic" not in text
        assert "data set" not in text
        assert "Croissant" not in text
    numbers = json.loads((released / "privacy.json").read_text())
    assert numbers["sampler"] == "poisson, a fresh sample every step"
    assert (numbers["data"]["architecture"], numbers["data"]["pairs"]) == ("private-unet", 0)
    assert numbers["run"] == {
        "noise_multiplier": 1.0, "sampling_rate": 0.1, "steps": 6, "pure_epsilon": None,
    }  # fmt: skip


def test_other_private_runs_on_its_patients_are_composed_with_it(tmp_path):
    ward = Finished(tmp_path)
    alone, _ = ward.guarantee()
    ward.train(replace(RUN, number=2))
    both, _ = ward.guarantee()
    assert both.epsilon == alone.epsilon
    assert both.epsilon_composed > 1.2 * alone.epsilon_composed
    assert len(both.promises_composed["patch"]["composed"]) == 2
    assert both.trainings.runs == 2
    # Nothing in the files shows what chose among the two, and that is a reason to refuse.
    choice = ward.choice(both)
    assert choice.candidates == 2
    assert "no file shows what chose it" in choice.told
    assert "private sets and models" in choice.told


def test_a_privacy_state_from_before_a_private_unet_is_an_older_copy_and_nothing_is_released(tmp_path):
    """The charges of the second one are gone with it, so the first would seem to be the only one."""
    ward = Finished(tmp_path)
    shutil.copytree(ward.site.state, tmp_path / "backup")
    ward.train(replace(RUN, number=2))
    shutil.rmtree(ward.site.state)
    shutil.copytree(tmp_path / "backup", ward.site.state)
    with pytest.raises(PrivacyError, match="charges were removed|older copy"):
        ward.guarantee()
    with pytest.raises(PrivacyError, match="charges were removed|older copy"):
        ward.train(replace(RUN, number=3))


def draw_a_hull(ward, person, *, noise=1.08):
    draw = HullDraw(
        "heads", person, "eps-4", 1, 1e-5, Mechanism(2.5, noise), "model", {"1": f"head of {person}"}
    )
    folder = ward.results / f"deid/draws/heads/{person}/eps-4/run-1"
    files = [Path(step_module.__file__)]
    rest = {"code_files": files, "seed": 1, "site": ward.site, "results": ward.results}
    draw_hull(draw, np.array([0.5, -1.0]), folder=folder, **rest)


def test_a_hull_that_was_drawn_of_a_patient_is_composed_with_a_model_that_hides_patches(tmp_path):
    """The oracle is dp-accounting: the hull is one Gaussian step on all of the person, at every level."""
    ward = Finished(tmp_path)
    alone, _ = ward.guarantee()
    draw_a_hull(ward, "p1")
    draw_a_hull(ward, "nobody of the study")
    both, _ = ward.guarantee()
    for level, patches in (("patient", 8), ("region", 8), ("patch", 1)):
        promise = both.promises_composed[level]
        assert promise["epsilon"] > 1.02 * alone.promises_composed[level]["epsilon"]
        assert len(promise["composed"]) == 2
        exact = exact_epsilon(patches, delta=promise["delta"])
        assert exact <= promise["epsilon"] <= 1.02 * exact
    assert both.trainings.runs == 2
    # A hull is no set that somebody could have chosen this model from, and its recipient counts it, too.
    assert not ward.choice(both).faults
    told = verified(ward.publish(tmp_path / "released"))
    assert told.returncode == 0, told.stdout


def exact_epsilon(patches, *, delta):
    """Of the ward's six steps and a hull's draw, for so many patches of a patient."""
    counts = stats.binom(patches, 0.1).pmf(np.arange(patches + 1))
    given = {"value_discretization_interval": 1e-3}
    step = from_mixture_gaussian_mechanism(1.0, list(range(patches + 1)), list(counts), **given)
    hull = from_gaussian_mechanism(1.08, **given)
    return step.self_compose(6).compose(hull).get_epsilon_for_delta(delta)


def test_a_run_that_hides_patients_is_still_refused_beside_one_that_hides_patches(tmp_path):
    ward = Finished(tmp_path)
    draw_a_hull(ward, "p1")
    ward.train(replace(RUN, number=2), unit="patient", batch=2)
    with pytest.raises(PrivacyError, match="no single eps follows from both"):
        ward.guarantee()


def test_a_hull_counts_for_a_model_that_hides_patients(tmp_path):
    ward = Finished(tmp_path, unit="patient", batch=2)
    draw_a_hull(ward, "p1")
    both, _ = ward.guarantee()
    given = {"value_discretization_interval": 1e-3}
    step = from_gaussian_mechanism(1.0, sampling_prob=0.4, **given).self_compose(6)
    exact = step.compose(from_gaussian_mechanism(1.08, **given)).get_epsilon_for_delta(TERMS.patient_delta)
    assert both.epsilon_composed == pytest.approx(exact, rel=2e-3)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("noise_multiplier", 2.0),
        ("clipping_norm", 0.1),
        ("delta", 1e-3),
        ("unit", "patient"),
        ("patients", 9),
    ],
)
def test_an_edited_privacy_json_is_not_released(finished, part, value):
    with pytest.raises(PrivacyError, match="was edited, or is of another run"):
        finished.guarantee(**{part: value})


def test_other_weights_in_the_place_of_the_paid_ones_are_not_released(tmp_path):
    ward = Finished(tmp_path)
    shutil.copyfile(ward.start, ward.folder() / "unet.pt")
    with pytest.raises(PrivacyError, match="unet.pt are not as they were when the run finished"):
        ward.guarantee()


def test_without_its_kept_copies_nothing_shows_what_was_paid_for_and_nothing_is_released(tmp_path):
    ward = Finished(tmp_path)
    shutil.rmtree(ward.folder() / ".finished")
    shutil.copyfile(ward.start, ward.folder() / "unet.pt")
    with pytest.raises(PrivacyError, match=r"copies of its files .* are missing"):
        ward.guarantee()


def test_kept_copies_of_a_run_with_less_noise_do_not_pass_for_those_of_this_one(tmp_path):
    """Whole and undamaged, with the same patients, delta and clipping norm: only the identity differs."""
    ward, loud = Finished(tmp_path), PrivateUNetRun("noise-0.5", 1, "cohort")
    ward.train(loud)
    for name in (".finished", "unet.pt"):
        own, other = ward.folder() / name, ward.folder(loud) / name
        shutil.rmtree(own) if own.is_dir() else own.unlink()
        (shutil.copytree if other.is_dir() else shutil.copyfile)(other, own)
    with pytest.raises(PrivacyError, match="are of another run than its ledger"):
        ward.guarantee()


def forge_kept(ward, name, content):
    """Replace a kept copy, its digest and the output, as somebody who writes to the results can."""
    kept = ward.folder() / ".finished"
    (kept / name).write_bytes(content)
    digests = json.loads((kept / "digests.json").read_text())
    (kept / "digests.json").write_text(json.dumps(digests | {name: sha256(content).hexdigest()}))
    (ward.folder() / name).write_bytes(content)


@pytest.mark.parametrize("name", ["unet.pt", "privacy.json"])
def test_kept_copies_that_were_edited_with_their_digests_are_not_released(tmp_path, name):
    """The digests are in the site's register, which nobody can write to without its secret."""
    ward = Finished(tmp_path)
    ward.guarantee()
    if name == "unet.pt":
        forge_kept(ward, name, ward.start.read_bytes())
    else:
        forge_kept(ward, name, json.dumps(ward.record | {"clipping_norm": 1e-3, "delta": 1e-3}).encode())
    with pytest.raises(PrivacyError, match="not the files that the site's register lists"):
        ward.guarantee()
    ward.train()  # restores what is kept, and does not make it the run's
    with pytest.raises(PrivacyError, match="not the files that the site's register lists"):
        ward.guarantee()


def test_one_run_that_two_studies_of_a_site_have_made_can_be_released_from_each(tmp_path):
    ward = Finished(tmp_path)
    first = ward.weights()
    home, ward.results = ward.results, tmp_path / "another study"
    ward.train()
    assert any(not torch.equal(first[name], value) for name, value in ward.weights().items())
    for results in (home, ward.results):
        ward.results = results
        guarantee, _ = ward.guarantee()
        assert guarantee.run.steps == 12


def test_with_a_published_seed_it_protects_nobody_and_says_so(tmp_path):
    ward = Finished(tmp_path, public=True)
    require_protected(ward.record, public=True)
    with pytest.raises(PrivacyError, match="came from a published seed"):
        require_protected(ward.record, public=False)
    folder = ward.publish(tmp_path / "released")
    told = verified(folder)
    assert told.returncode == 0, told.stdout
    assert "PROTECTS NOBODY" in told.stdout
    assert "**This model protects nobody.**" in (folder / "PRIVACY.md").read_text()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda numbers: numbers["data"].update(pairs=5), "has no pairs"),
        (lambda numbers: numbers["data"].update(weights=False), "released as weights"),
        (lambda numbers: numbers["data"].update(architecture="wgan"), "pairs is 0"),
        (lambda numbers: numbers["run"].update(steps=3), "eps of one patch"),
    ],
)
def test_a_changed_privacy_json_contradicts_itself(released, tmp_path, change, told):
    folder = tmp_path / "vessels"
    shutil.copytree(released, folder)
    numbers = json.loads((folder / "privacy.json").read_text())
    change(numbers)
    text = json.dumps(numbers, indent=1, ensure_ascii=False) + "\n"
    (folder / "privacy.json").write_text(text)
    renew_manifest(folder)
    found = verified(folder)
    assert found.returncode == 1
    assert told in found.stdout


def test_data_that_were_put_beside_the_model_are_found(released, tmp_path):
    folder = tmp_path / "vessels"
    shutil.copytree(released, folder)
    (folder / "data").mkdir()
    np.savez(folder / "data" / "pairs.npz", image=np.zeros((1, 8, 8), np.uint8))
    renew_manifest(folder)
    found = verified(folder)
    assert found.returncode == 1
    assert "data/pairs.npz is no file of this model" in found.stdout


def renew_manifest(folder):
    """Write a manifest that agrees with the files, as a forger does."""
    from privessel.files.reading import file_digest
    from privessel.release.allowed import write_manifest
    from privessel.release.archive import list_files

    digests = {name: file_digest(folder / name) for name in list_files(folder)}
    (folder / "MANIFEST.sha256").write_text(write_manifest(digests))


def test_the_plan_of_a_release_names_its_files_and_refuses_a_model_without_weights():
    words = {"description": "Phantoms.", "creators": ["A site"], "pairs": "private-unet/eps-8/run-1"}
    on = {"levels": ["eps-8"], "runs": 1}
    study = make(*TINY, private_unet=on, release=words | {"weights": True})
    folder = "results/tiny/private-unet/eps-8/run-1"
    assert study.release.inputs() == {
        "model": f"{folder}/unet.pt", "privacy": f"{folder}/privacy.json", "history": f"{folder}/history.csv",
    }  # fmt: skip
    assert study.release.steps() == 4
    with pytest.raises(ConfigError, match="has no images that could be copies"):
        study.release.searched()
    without = make(*TINY, private_unet=on, release=words | {"weights": False})
    with pytest.raises(ConfigError, match="is a model and has no data"):
        without.release.inputs()
    other = make(*TINY, release=words | {"weights": True})
    with pytest.raises(ConfigError, match="is not in this study"):
        other.release.inputs()
