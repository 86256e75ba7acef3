from __future__ import annotations

from typing import Any

import pytest

from harness.errors import HarnessError
from harness.measure.jobs.measure import MeasureJob
from harness.measure.jobs.plan import PlanJob
from harness.measure.jobs.quantize import PlanFilesJob, QuantizeJob
from harness.measure.jobs.score import ScoreJob, TokenizeJob
from harness.measure.protocol import DescribeJob, Job

# What os.fsdecode makes of "é" where the locale knows ASCII alone.
NO_TEXT = "mod\udcc3\udca9le.gguf"


@pytest.mark.parametrize(
    "kind", [MeasureJob, PlanJob, PlanFilesJob, QuantizeJob, TokenizeJob, ScoreJob]
)
def test_a_path_that_is_no_text_is_one_clear_line(kind: type[Job]) -> None:
    (field, *_) = [name for name in kind.model_fields if name.endswith("path")]
    facts: dict[str, Any] = {field: NO_TEXT}
    job = kind.model_construct(**facts)
    with pytest.raises(HarnessError, match=r"LC_ALL=C\.UTF-8"):
        job.line()


def test_a_job_without_one_is_a_line() -> None:
    assert '"job":"describe"' in DescribeJob().line()
