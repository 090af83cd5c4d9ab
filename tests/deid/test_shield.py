import numpy as np
import pytest
from deid.people import SIDE, scan

from privessel.deid.draws import CODE, HullDraw, draw_hull
from privessel.deid.gamma import transform
from privessel.deid.promise import say_promise
from privessel.deid.shield import (
    GRID_BITS,
    HullModel,
    Mechanism,
    add_noise,
    combine_visits,
    draw_code,
    make_plausible,
    round_code,
    share_codes,
)
from privessel.errors import ConfigError, PrivacyError
from privessel.privacy.accounting import Charge, epsilon
from privessel.privacy.calibration import calibrate
from privessel.privacy.keys import Stream, create_master, public_key
from privessel.privacy.seen import read_seen
from privessel.privacy.site import SECRET, Site
from privessel.privacy.spending import spent_by_patient

RANK = 4
MECHANISM = Mechanism(clip=2.5, noise_multiplier=1.1)


def gamma_of(image, brain, seed=1):
    return transform(image, brain, np.random.default_rng(seed), rotations=6, planes=100)


@pytest.fixture(scope="module")
def gammas():
    return [gamma_of(*scan(number)) for number in range(14)]


@pytest.fixture(scope="module")
def model(gammas):
    public = gammas[4:]
    return HullModel.fit([g.hull for g in public], [g.brain for g in public], rank=RANK, margin=1.5)


def stream(name="one"):
    return Stream(public_key(seed=1, name=name))


def test_a_hull_is_built_again_from_its_code(gammas, model):
    """Of public people, four axes of the difference to the prediction leave little of the hull out."""
    for gamma in gammas[4:8]:
        built = model.build(gamma.brain, model.encode(gamma.hull, gamma.brain))
        both = (built & gamma.hull).sum() * 2 / (built.sum() + gamma.hull.sum())
        assert both > 0.93
        assert built[gamma.brain].all()


def test_the_model_is_read_as_it_was_written(model, gammas, tmp_path):
    model.save(tmp_path / "model.npz")
    again = HullModel.load(tmp_path / "model.npz")
    code = np.arange(RANK) / 3
    np.testing.assert_array_equal(again.build(gammas[0].brain, code), model.build(gammas[0].brain, code))


def test_too_few_public_heads_are_refused(gammas):
    few = gammas[:5]
    with pytest.raises(ConfigError, match="5 public heads are too few"):
        HullModel.fit([g.hull for g in few], [g.brain for g in few], rank=RANK, margin=1.5)


def test_another_face_around_the_same_brain_gives_the_same_output_bit_for_bit(gammas, model):
    """The invariant of `brain`, and of `local-dp` once the noisy code is the same."""
    image, brain = scan(0)
    other = np.where(brain, image, scan(1)[0])
    mine, others = gammas[0], gamma_of(other, brain)
    assert not np.array_equal(mine.hull, others.hull)  # the paper's transform sees the face
    code = draw_code(RANK, stream())
    outputs = [one.with_hull(model.build(one.brain, code)) for one in (mine, others)]
    for name in ("hull", "brain", "masked_brain"):
        np.testing.assert_array_equal(getattr(outputs[0], name), getattr(outputs[1], name))


def test_a_rounded_code_moves_by_no_more_than_the_noise_is_made_for():
    """Whatever two codes are, huge ones too, they differ by at most twice the clip and the rounding."""
    random = np.random.default_rng(2)
    spacing = 2.5 / 2**GRID_BITS
    most = MECHANISM.noise(6) / MECHANISM.noise_multiplier
    far = 0.0
    for _ in range(500):
        one = random.normal(0, random.choice([0.1, 3, 1e9]), 6)
        rounded = [round_code(code, clip=2.5) * spacing for code in (one, -one)]
        far = max(far, np.linalg.norm(rounded[0] - rounded[1]))
        assert np.linalg.norm(rounded[0] - rounded[1]) <= most
    assert far > 0.999 * 5  # the bound is met, not just kept
    with pytest.raises(ValueError, match="finite"):
        round_code([np.nan, 1.0], clip=2.5)


def test_the_noise_is_whole_on_the_grid_and_as_wide_as_it_says():
    spacing = 2.5 / 2**GRID_BITS
    drawn = np.stack([add_noise(np.zeros(6), MECHANISM, stream(str(n))) for n in range(1500)])
    np.testing.assert_array_equal(drawn / spacing, np.rint(drawn / spacing))
    assert drawn.std() == pytest.approx(MECHANISM.noise(6), rel=0.03)
    assert abs(drawn.mean()) < 0.2


def test_calibrated_noise_spends_at_most_its_eps():
    noise = calibrate(target_epsilon=4.0, sampling_rate=1.0, steps=1, delta=1e-5)
    assert epsilon(noise_multiplier=noise, sampling_rate=1.0, steps=1, delta=1e-5) <= 4.0
    # The analytic Gaussian mechanism (Balle and Wang 2018) at the same eps and delta.
    assert noise == pytest.approx(1.08, abs=0.03)


def test_plausible_codes_have_the_spread_of_public_people():
    random = np.random.default_rng(3)
    codes = []
    for n in range(1500):
        whole = round_code(np.clip(random.standard_normal(3), -1.4, 1.4), clip=2.5)
        codes.append(make_plausible(add_noise(whole, MECHANISM, stream(str(n))), MECHANISM, stream(str(n))))
    assert np.std(codes) == pytest.approx(1, abs=0.05)


def test_visits_of_a_person_share_the_mean_of_their_codes():
    np.testing.assert_allclose(combine_visits([np.zeros(2), np.array([2.0, 4.0])]), [1, 2])


@pytest.mark.parametrize("people", [5, 11, 14, 15])
def test_every_shared_code_is_that_of_at_least_k_people(people):
    random = np.random.default_rng(people)
    names = [f"p{n}" for n in range(people)]
    codes, brains = ({name: random.normal(size=3) for name in names} for _ in range(2))
    shared, groups = share_codes(codes, brains, k=5, random=random)
    for name in names:
        same = [other for other in names if np.array_equal(shared[other], shared[name])]
        assert len(same) >= 5
        assert same == [other for other in names if groups[other] == groups[name]]
        np.testing.assert_allclose(shared[name], np.mean([codes[other] for other in same], 0))


def test_groups_do_not_depend_on_the_hulls():
    names = [f"p{n}" for n in range(12)]
    random = np.random.default_rng(1)
    brains = {name: random.normal(size=3) for name in names}
    groups = [
        share_codes({n: random.normal(size=3) for n in names}, brains, k=4, random=np.random.default_rng(7))[
            1
        ]
        for _ in range(2)
    ]
    assert groups[0] == groups[1]


def test_fewer_than_k_people_are_refused():
    codes = {"a": np.zeros(2), "b": np.ones(2)}
    with pytest.raises(ConfigError, match="2 people are fewer than k = 3"):
        share_codes(codes, codes, k=3, random=np.random.default_rng(0))


def test_every_promise_names_its_numbers_and_that_the_brain_is_kept():
    hulls = ("paper", "k-same-10", "local-dp-4", "brain")
    texts = {hull: say_promise(hull, delta=1e-5, public=False) for hull in hulls}
    assert all("brain is kept voxel by voxel" in text for text in texts.values())
    assert "No promise" in texts["paper"]
    assert "at least 9 others" in texts["k-same-10"]
    assert "(4, 1e-05)-differentially private" in texts["local-dp-4"]
    assert "does not depend on the rest of the scan" in texts["brain"]
    assert "in name only" not in " ".join(texts.values())
    # Several draws of one person leave more than the eps of each, and the header stays.
    assert "add to it, and the site's ledgers count them all" in texts["local-dp-4"]
    for hull in ("local-dp-4", "brain"):
        assert "the type and the scale of the stored values" in texts[hull]
    assert say_promise("local-dp-4", delta=1e-5, public=True).startswith("The scans are marked as public")


# --- A draw on patients ---


class Draws:
    def __init__(self, folder, budget=10.0):
        self.results, self.site = folder / "results", Site(folder / "state", budget, 1e-5)
        create_master(folder / "state" / SECRET)
        self.code_files = [folder / "privessel" / "shield.py"]
        self.code_files[0].parent.mkdir()
        self.code_files[0].write_text("code")

    def ask(self, person="x1", code=(0.5, -1.0), scans=None, number=1, public=False):
        scans = scans or {"1": f"voxels of {person}"}
        one = HullDraw("clinic", person, "eps-4", number, 1e-5, MECHANISM, "model", scans)
        folder = self.results / "deid" / "draws" / "clinic" / person / "eps-4" / f"run-{number}"
        return draw_hull(
            one,
            np.array(code),
            folder=folder,
            code_files=self.code_files,
            seed=5,
            site=None if public else self.site,
            results=self.results,
        )


@pytest.fixture
def draws(tmp_path):
    return Draws(tmp_path)


def test_a_draw_is_charged_once_and_given_again_at_no_charge(draws):
    first = draws.ask()
    for file in draws.results.rglob(CODE):
        if ".finished" not in file.parts:
            file.unlink()
    np.testing.assert_array_equal(draws.ask(), first)
    (account,) = draws.site.accounts()
    assert account.charge == Charge(MECHANISM.noise_multiplier, 1.0, 1)
    assert account.run.name == "deid/eps-4/run-1"
    assert not list(draws.site.state.glob("*.nonce"))


def test_another_persons_draw_has_other_noise_and_a_ledger_of_its_own(draws):
    one, other = draws.ask("x1"), draws.ask("x2")
    assert not np.array_equal(one, other)
    assert len(draws.site.accounts()) == 2


def test_other_scans_of_a_finished_draw_are_refused_and_another_number_is_charged(draws):
    draws.ask()
    refused = r"person x1 of clinic: .*finished and paid for.*other patches or scans.*`deid.draw: 2`"
    with pytest.raises(PrivacyError, match=refused):
        draws.ask(scans={"1": "voxels of x1", "2": "a later visit"})
    draws.ask(scans={"1": "voxels of x1", "2": "a later visit"}, number=2)
    assert sum(account.steps for account in draws.site.accounts()) == 2


def test_the_same_scans_with_a_code_that_rounds_otherwise_give_the_paid_draw(draws):
    """Another machine's arithmetic may end a digit away; one noise over both would show the difference."""
    first = draws.ask()
    np.testing.assert_array_equal(draws.ask(code=(0.5000001, -1.0)), first)
    assert sum(account.steps for account in draws.site.accounts()) == 1


@pytest.mark.parametrize("scans", [{"1": "a"}, {"1": "b"}, {"1": "new", "2": "b"}, {"7": "c", "8": "new"}])
def test_a_person_is_recognised_under_another_id_by_any_of_the_scans(draws, scans):
    draws.ask("x1", scans={"1": "a", "2": "b", "3": "c"})
    draws.ask("another-id", scans=scans)
    sites = draws.site
    for person, voxels in (("x1", "not seen"), ("another-id", "not seen"), ("third-id", scans.get("1", "c"))):
        (spent,) = spent_by_patient(sites.accounts(), patients=sites.digests({person: voxels}), delta=1e-5)
        assert len(spent.runs) == 2, person


def test_another_person_is_not_taken_for_one_who_has_spent(draws):
    draws.ask("x1", scans={"1": "a", "2": "b"})
    accounts, own = draws.site.accounts(), draws.site.digests({"x2": "c"})
    assert spent_by_patient(accounts, patients=own, delta=1e-5)[0].runs == ()


def test_the_budget_is_asked_before_the_draw(tmp_path):
    poor = Draws(tmp_path, budget=0.5)
    with pytest.raises(PrivacyError, match="would have spent"):
        poor.ask()
    assert not list(poor.results.rglob(CODE))


def test_results_remember_how_far_the_ledger_had_come(draws):
    draws.ask()
    seen = read_seen(draws.results)
    assert len(seen) == 2  # privacy.json and its kept copy
    (draws.site.state / "runs.register").unlink()
    with pytest.raises(PrivacyError):
        draws.site.accounts(seen)


def test_on_a_public_cohort_the_seed_draws_and_nobody_is_charged(draws):
    np.testing.assert_array_equal(draws.ask(public=True), draws.ask(public=True))
    assert not draws.site.accounts()


def test_a_hull_of_the_size_asked_for(model, gammas):
    assert model.build(gammas[0].brain, np.zeros(RANK)).shape == (SIDE,) * 3
