"""What several tests of the release are given."""

from functools import cache

import pytest
from tiny_release import FORBIDDEN, TERMS, make_generator, make_release

from privessel.release import scanner
from privessel.release.traces import Traces


@pytest.fixture(scope="session", autouse=True)
def searched_once():
    """Search the texts that all these releases share, such as their programs, once for the same traces."""
    usual = cache(lambda: Traces(FORBIDDEN))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            scanner, "Traces", lambda forbidden: usual() if forbidden == FORBIDDEN else Traces(forbidden)
        )
        yield


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    return make_generator(tmp_path_factory.mktemp("gan"))


@pytest.fixture(scope="module")
def clean(tmp_path_factory, generator):
    """A release's folder, to be copied by tests that change something in it."""
    return make_release(tmp_path_factory.mktemp("clean") / TERMS.name, generator)
