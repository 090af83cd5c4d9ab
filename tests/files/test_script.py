"""How a job ends: with a message for the user where the user must act, with a traceback where we must."""

import pytest

from privessel.errors import CohortError, ConfigError, PrivacyError
from privessel.files.script import logged


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (CohortError("patient 7: empty label"), 1, "error: patient 7: empty label"),
        (PrivacyError("no noise"), 1, "error: no noise"),
        (ConfigError("config: device is cuda"), 1, "error: config: device is cuda"),
        (KeyboardInterrupt(), 130, "interrupted; start the same command again to continue from here"),
    ],
)
def test_what_the_user_can_mend_ends_with_its_message_and_no_traceback(tmp_path, capsys, error, status, said):
    with pytest.raises(SystemExit) as ended, logged(tmp_path / "job.log"):
        raise error
    assert ended.value.code == status
    for text in ((tmp_path / "job.log").read_text(), capsys.readouterr().err):
        assert text.strip().endswith(said)
        assert "Traceback" not in text


def test_a_defect_leaves_its_traceback_in_the_log(tmp_path):
    with pytest.raises(ZeroDivisionError), logged(tmp_path / "job.log"):
        _ = 1 / 0
    assert "ZeroDivisionError" in (tmp_path / "job.log").read_text()
