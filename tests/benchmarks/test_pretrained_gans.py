"""The table of GANs, phantoms and votes: equal eps, starts that saw no patient, and cells that are kept."""

import math
from dataclasses import replace

import demo_rows
import numpy as np
import pretrained_gans
import private_unet_rows
import pytest
import torch
from gan_plans import NETS, Plan
from pretrained_gans import LEVELS, WAYS, Gans
from private_unet_rows import PrivateUNets
from scored_rows import FREE, Cells, Line, Row, Score, fill, missing, tabulate, trained_lines
from tiny_gan import SHAPE, TRAINING

from privessel.gan.pairs import Pairs
from privessel.privacy.accounting import epsilon
from privessel.unet.net import TrainedUNet, UNetShape

TINY = Plan(SHAPE, replace(TRAINING, kept_epochs=(1,), epochs=1))
NOISY = Plan(SHAPE, replace(TINY.training, noise_multiplier=1.0))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def patches(n=40, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (n, SHAPE.patch, SHAPE.patch)).astype(np.float32)
    return Pairs(images, images > 0.5, patients=np.arange(n) // 10, device="cpu", background=-1.0)


def found(n=40, seed=0):
    pairs = patches(n, seed)
    return demo_rows.Patches(
        *(array.numpy() for array in (pairs.images, pairs.labels)), owners=np.arange(n) // 10, region=7
    )


def row(name, score, seeds=(1, 2), design="as it is"):
    return Row(name, score, seeds, design)


@pytest.mark.parametrize("level", LEVELS)
def test_every_way_has_the_same_eps_of_a_patch_and_the_nets_of_the_start(level):
    start = Plan.read("inf", {}, patients=demo_rows.PHANTOMS)
    assert not start.training.private
    for way in WAYS:
        plan = Plan.read(level, way.keys, patients=demo_rows.PATIENTS)
        training, wanted = plan.training, float(level.removeprefix("eps-"))
        charge = {"noise_multiplier": training.noise_multiplier, "sampling_rate": training.batch / 40_000}
        steps = training.steps * training.critic_steps
        assert 0.99 * wanted < epsilon(**charge, steps=steps, delta=2.4e-6) <= wanted
        assert plan.shape == start.shape


def test_eps_is_told_of_a_patient_and_a_region_too():
    few = replace(NOISY.training, noise_multiplier=4.0, region_patches=2, patient_delta=1e-4)
    found = Plan(SHAPE, few).epsilon
    assert 0 < found["patch"] < found["region"] < found["patient"]


def test_a_way_changes_what_it_says():
    once, large, many, scratch = (Plan.read("noise-1", way.keys, patients=10).training for way in WAYS)
    assert large.batch == 4 * once.batch
    assert many.critic_steps == 3 * once.critic_steps
    assert (scratch.steps, scratch.critic_steps, scratch.batch) == (450, 2, 512)  # as in the demo


def test_a_gan_begins_with_the_start_and_takes_private_steps():
    start = {net: getattr(TINY.train(patches(), name="start", start=None), net).state_dict() for net in NETS}
    still = replace(NOISY.training, generator_learning_rate=1e-12, critic_learning_rate=1e-12)
    gan = Plan(SHAPE, still).train(patches(seed=1), name="still", start=start)
    for net in ("generator", "critic"):
        for name, value in getattr(gan, net).named_parameters():
            torch.testing.assert_close(value, start[net][name], atol=1e-6, rtol=0)
    one, same, other = (
        NOISY.train(patches(seed=1), name=name, start=start).critic.state_dict() for name in "aab"
    )
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    assert not all(torch.equal(value, other[name]) for name, value in one.items())  # other noise


def test_pretraining_sees_public_phantoms_alone_and_is_done_once(tmp_path, monkeypatch):
    asked = []

    def cut(_, cohort, count, **__):
        asked.append((cohort, count))
        return found()

    monkeypatch.setattr(demo_rows.DemoCohort, "patches", cut)
    monkeypatch.setattr(Plan, "read", lambda *_, **__: TINY)
    first = Gans(demo_rows.DemoCohort(1), tmp_path).start(1)
    again = Gans(demo_rows.DemoCohort(1), tmp_path).start(1)
    assert asked == [("phantom-wide", demo_rows.PHANTOMS)]
    assert all(torch.equal(value, again["critic"][name]) for name, value in first["critic"].items())
    monkeypatch.setattr(Plan, "read", lambda *_, **__: NOISY)
    with pytest.raises(ValueError, match="other settings"):
        Gans(demo_rows.DemoCohort(1), tmp_path).start(1)


def test_each_way_and_level_is_trained_and_has_a_line_with_its_eps(tmp_path, monkeypatch):
    trained = []
    monkeypatch.setattr(demo_rows.DemoCohort, "patches", lambda *_, **__: found())
    monkeypatch.setattr(demo_rows.DemoCohort, "score", lambda _, pairs, seed: Score(seed / 10))
    monkeypatch.setattr(pretrained_gans, "PAIRS", 6)

    def read(level, keys, **_):
        trained.append((level, dict(keys)))
        return TINY if level == "inf" else NOISY

    monkeypatch.setattr(Plan, "read", read)
    monkeypatch.setattr(Plan, "epsilon", {"patient": 9.0, "region": 8.0, "patch": 7.0})
    gans, cells = Gans(demo_rows.DemoCohort(1), tmp_path / "starts"), Cells(tmp_path / "table.csv")
    rows = gans.rows(seeds=(1, 2))
    fill([rows], cells, until=math.inf)
    assert [each for each in trained if each[0] != "inf"] == [
        (level, dict(way.keys)) for _ in (1, 2) for way in WAYS for level in LEVELS
    ]
    lines = trained_lines(rows, Cells(tmp_path / "table.csv"))
    assert [line.epsilon["patch"] for line in lines] == [0.0] + [7.0] * len(WAYS) * len(LEVELS)
    assert all(line.dsc == [0.1, 0.2] for line in lines)


def test_private_unets_begin_with_the_public_cohort_and_have_the_eps_of_their_names(tmp_path, monkeypatch):
    begun, start = [], TrainedUNet({}, UNetShape((4, 8), 0.0), SHAPE.patch, 100.0, 50.0, {})
    monkeypatch.setattr(private_unet_rows, "pool", begun.append)
    monkeypatch.setattr(demo_rows.DemoCohort, "phantoms", lambda _, cohort, numbers: (cohort, len(numbers)))
    monkeypatch.setattr(demo_rows.DemoCohort, "train", lambda *_: start)
    monkeypatch.setattr(demo_rows.DemoCohort, "patches", lambda *_, **__: found())
    monkeypatch.setattr(demo_rows.DemoCohort, "judges", [])
    monkeypatch.setattr(private_unet_rows, "go_on", lambda first, data, training, *, seed: first)
    monkeypatch.setattr(private_unet_rows, "judge", lambda unet, _: float(unet is start))
    rows, cells = PrivateUNets(demo_rows.DemoCohort(1)).rows(seeds=(1,)), Cells(tmp_path / "table.csv")
    fill([rows], cells, until=math.inf)
    assert set(begun) == {("phantom-wide", demo_rows.PHANTOMS)}
    for line, (unit, wanted) in zip(trained_lines(rows, cells), private_unet_rows.LEVELS, strict=True):
        assert line.dsc == [1.0]
        assert 0.99 * wanted < line.epsilon[unit] <= wanted
        assert line.epsilon["patch"] <= line.epsilon["region"]


def test_an_interrupted_table_goes_on_with_what_is_missing(tmp_path, capsys):
    computed, path = [], tmp_path / "table.csv"

    def score(name):
        def compute(seed):
            if (name, seed) == ("b", 2) and ("b", 2) not in computed:
                computed.append((name, seed))
                raise KeyboardInterrupt
            computed.append((name, seed))
            return Score(0.1 + 0.2 * seed, [1, 2])

        return compute

    rows = [row("a", score("a")), row("b", score("b")), row("c", score("c"), seeds=(1,))]
    fill([rows], Cells(path), until=0)
    assert computed == []
    assert "5 cells are left" in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        fill([rows], Cells(path), until=math.inf)
    assert computed == [("a", 1), ("b", 1), ("c", 1), ("a", 2), ("b", 2)]
    assert "4 of 5: a, seed 2: DSC 0.500" in capsys.readouterr().err
    fill([rows], Cells(path), until=math.inf)
    assert computed[5:] == [("b", 2)]
    cells = Cells(path)
    fill([rows], cells, until=math.inf)
    assert len(computed) == 6
    assert cells.scores(rows[1]) == [Score(0.1 + 0.2 * seed, [1, 2]) for seed in (1, 2)]


def test_groups_are_filled_one_after_the_other_and_seed_by_seed(tmp_path):
    groups = [[row("a", Score), row("b", Score, seeds=(1, 2, 3))], [row("c", Score, seeds=(1,))]]
    order = [(each.name, seed) for each, seed in missing(groups, Cells(tmp_path / "table.csv"))]
    assert order == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("b", 3), ("c", 1)]


def test_two_commands_keep_each_others_cells(tmp_path):
    one, other = Cells(tmp_path / "table.csv"), Cells(tmp_path / "table.csv")
    one.keep(row("a", Score), 1, Score(0.5), seconds=1)
    other.keep(row("b", Score), 1, Score(0.6), seconds=1)
    both = Cells(tmp_path / "table.csv")
    assert [both.score(row(name, Score), 1) for name in "ab"] == [Score(0.5), Score(0.6)]


def test_a_score_of_other_settings_is_refused(tmp_path):
    cells = Cells(tmp_path / "table.csv")
    cells.keep(row("a", Score), 1, Score(0.5), seconds=1)
    with pytest.raises(ValueError, match="other settings: as it is, and not longer"):
        fill([[row("a", Score, design="longer")]], Cells(cells.path), until=math.inf)


def test_a_vote_is_the_exact_mean_over_its_draws_for_each_seed_that_is_whole(tmp_path):
    cells, rows = Cells(tmp_path / "table.csv"), [row(f"candidate {k}", Score) for k in (1, 2)]
    for k, each in enumerate(rows):
        # All of three patients find the first candidate better.
        cells.keep(each, 1, Score(0.8 - 0.5 * k, [(9 - 5 * k, 1, 1)] * 3), seconds=1)
    cells.keep(rows[0], 2, Score(0.8, [(9, 1, 1)] * 3), seconds=1)
    lines = demo_rows.vote_lines(rows, Cells(cells.path))
    for line, level in zip(lines, demo_rows.VOTES, strict=True):
        chance = 1 / (1 + math.exp(-3 * float(level)))
        assert line.dsc == [pytest.approx(0.3 + 0.5 * chance)]
        assert (line.epsilon["patient"], line.epsilon["patch"]) == (float(level), 2 * float(level))


def test_the_table_says_eps_mean_spread_and_share_of_real():
    infinite = dict.fromkeys(FREE, math.inf)
    lines = [Line("real patches", infinite, [0.8]), Line("x", FREE | {"patient": 2.5e6}, [0.3, 0.5], "dim")]
    table = tabulate(lines, reference="real patches").splitlines()
    assert table[2] == "| real patches | none | none | none | 0.800 | 1.00 | 0.800 |"
    assert table[3] == "| x | >10^6 | 0 | 0 | 0.400 ± 0.141 | 0.50 | 0.300, 0.500; dim |"
