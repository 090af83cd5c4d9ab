"""A release that is killed anywhere is whole or absent, and comes with the same bytes in the end."""

import copy
import json
import shutil

import pytest
from deid.clinic import PUBLIC, Clinic, open_clinic
from killed import kill_before_changes, kill_in_files, read_files
from tiny_release import make_site, publish

from privessel.privacy.site import Site

HIDDEN = ".partial"


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """Two people of a hospital, charged for their hulls, with all that comes before their release."""
    found = open_clinic(tmp_path_factory.mktemp("clinic"))
    found.teach(*PUBLIC)
    return found


def charged(clinic):
    return [account.steps for account in clinic.site.accounts()]


def is_whole(release, expected):
    """Whether archive and folder of a release are each as expected, or not there."""
    found = read_files(release)
    archives = {name for name in expected if name.endswith(".tar.gz")}
    in_folder = set(found) - archives
    return in_folder in (set(), set(expected) - archives) and found.items() <= expected.items()


def test_heads_that_take_the_place_of_an_earlier_release_are_whole_or_absent_at_every_kill(clinic):
    clinic.release()
    release = clinic.results / "release"
    expected = read_files(release)
    for kill in kill_before_changes(clinic.release, release, ignored=HIDDEN):
        assert is_whole(release, expected), kill
    assert kill >= 3
    assert read_files(release) == expected
    # Under these names no file is ever written, but only moved there.
    assert not list(kill_in_files(clinic.release, release, ignored=HIDDEN))
    assert charged(clinic) == [1, 1]


def test_vessels_that_take_the_place_of_an_earlier_release_are_whole_or_absent_at_every_kill(tmp_path):
    archive = tmp_path / "release" / "vessels.tar.gz"
    publish(archive)
    expected = read_files(archive.parent)
    for kill in kill_before_changes(lambda: publish(archive), archive.parent, ignored=HIDDEN):
        assert is_whole(archive.parent, expected), kill
    assert read_files(archive.parent) == expected
    assert kill >= 3


def test_a_site_that_is_killed_at_every_draw_has_the_hulls_and_the_release_of_one_that_was_not(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("privessel.privacy.nonce.draw_nonce", lambda: bytes(32))
    clinic = Clinic(tmp_path / "killed", {"MRN4711": 0, "MRN4712": 1}, hull="brain")
    clinic.hull, clinic.site = "local-dp-4", make_site(clinic.folder)
    undisturbed = copy.copy(clinic)
    undisturbed.results = tmp_path / "whole" / "study"
    undisturbed.deid = undisturbed.results / "deid"
    undisturbed.model = undisturbed.deid / "public" / "hulls.npz"
    undisturbed.site = Site(tmp_path / "state", clinic.site.epsilon, clinic.site.delta)
    shutil.copytree(clinic.deid, undisturbed.deid)
    shutil.copytree(clinic.site.state, undisturbed.site.state)
    undisturbed.shield()

    for kill in kill_before_changes(clinic.shield, clinic.folder):
        assert not clinic.hulls.exists() or charged(clinic) == [1, 1], kill
    assert clinic.hulls.read_bytes() == undisturbed.hulls.read_bytes()
    assert charged(clinic) == charged(undisturbed) == [1, 1]

    numbers = []
    for one in (clinic, undisturbed):
        one.teach(*PUBLIC)
        for scan in one.scans.values():
            one.make(scan)
            one.release_head(scan)
        _, folder = one.release()
        numbers.append(json.loads((folder / "privacy.json").read_text()))
        assert numbers[-1].pop("register")  # a digest of lines that say when they were written
    assert numbers[0] == numbers[1]
