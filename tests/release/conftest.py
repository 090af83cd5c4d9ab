"""What several tests of the release are given."""

import pytest
from tiny_release import TERMS, make_generator, make_release


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    return make_generator(tmp_path_factory.mktemp("gan"))


@pytest.fixture(scope="module")
def clean(tmp_path_factory, generator):
    """A release's folder, to be copied by tests that change something in it."""
    return make_release(tmp_path_factory.mktemp("clean") / TERMS.name, generator)
