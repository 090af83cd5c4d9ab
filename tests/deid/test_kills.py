"""What leads to a release of heads is killed everywhere: each file is whole or absent, and nobody pays twice.

The release itself is in `tests/release/test_kills.py`.
"""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from deid.clinic import Clinic
from deid.small_heads import SHAPE, TRAINING, make_heads
from deid.small_study import frame_scans, make_cohort, plan_study, train_gan
from deid.test_shield import Draws
from killed import kill_before_changes, kill_in_files, read_files

from privessel.deid.draws import CODE
from privessel.deid.run import train_to_files


@pytest.fixture
def draws(tmp_path, monkeypatch):
    """Draws of a site whose nonces are all the same, so that two sites draw the same noise."""
    monkeypatch.setattr("privessel.privacy.nonce.draw_nonce", lambda: bytes(32))
    return Draws(tmp_path / "site")


@pytest.fixture
def undisturbed(draws, tmp_path):
    """What the site draws where nobody kills it."""
    other = Draws(tmp_path / "undisturbed")
    shutil.copytree(draws.site.state, other.site.state, dirs_exist_ok=True)
    return other.ask()


def kill_everywhere(work, folder):
    yield from kill_before_changes(work, folder)
    yield from kill_in_files(work, folder)


def charged(site):
    return [account.steps for account in site.accounts()]


@pytest.mark.parametrize("kill_all", [kill_before_changes, kill_in_files])
def test_a_draw_that_is_killed_is_charged_once_and_before_anyone_can_see_it(
    draws, undisturbed, tmp_path, kill_all
):
    for kill in kill_all(draws.ask, tmp_path):
        seen = [path for path in read_files(draws.results) if path.endswith(CODE)]
        assert not seen or charged(draws.site) == [1], kill
    assert kill > 2
    np.testing.assert_array_equal(draws.ask(), undisturbed)
    assert charged(draws.site) == [1]
    assert not list(draws.site.state.glob("*.nonce"))


def test_a_gan_that_is_killed_anywhere_ends_with_the_same_bytes(tmp_path):
    def train(folder):
        train_to_files(
            make_heads(), held_out=(), shape=SHAPE, training=replace(TRAINING, checkpoint_seconds=0), seed=1,
            weights=folder / "generator.pt", history_csv=folder / "history.csv",
        )  # fmt: skip

    train(tmp_path / "whole")
    folder, expected = tmp_path / "killed", read_files(tmp_path / "whole")
    for kill in kill_everywhere(lambda: train(folder), folder):
        assert read_files(folder).items() <= expected.items(), kill
    assert kill > 2
    assert read_files(folder) == expected


def test_made_heads_are_whole_or_absent_at_every_kill(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = plan_study()
    frame_scans(study)
    for fold in range(2):
        train_gan(study, fold)
    make_cohort(study, "paper", study.deid.own)
    folder = tmp_path / study.deid.folder / "made"
    expected = read_files(folder)
    shutil.rmtree(folder)
    for kill in kill_everywhere(lambda: make_cohort(study, "paper", study.deid.own), folder):
        assert read_files(folder).items() <= expected.items(), kill
    assert kill > 2
    assert read_files(folder) == expected


def test_a_head_on_the_scanners_grid_is_whole_or_absent_at_every_kill(tmp_path):
    clinic = Clinic(tmp_path, {"a1": 0}, hull="brain")
    (scan,) = clinic.scans.values()
    clinic.release_head(scan)
    folder = clinic.deid / "native"
    expected = read_files(folder)
    shutil.rmtree(folder)
    for kill in kill_everywhere(lambda: clinic.release_head(scan), folder):
        assert read_files(folder).items() <= expected.items(), kill
    assert kill > 2
    assert read_files(folder) == expected
