"""The local Ray head: answers only with its token, and leaves no process and no file behind."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from infra.ray_head import RayHead
from tests.processes import mentioning


def test_runs_a_job_with_the_token_only_and_ends_clean(tmp_path):
    with RayHead(tmp_path / "ray", {"GREETING": "hello from the head"}) as head:
        temporary = head._temporary
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{head.address}/api/jobs/", timeout=10)
        ray = str(Path(sys.executable).with_name("ray"))
        job = subprocess.run(
            [ray, "job", "submit", "--", "python", "-c", "import os; print(os.environ['GREETING'])"],
            env=os.environ | head.environment,
            capture_output=True,
            text=True,
        )
        assert job.returncode == 0, job.stderr
        assert "\nhello from the head\n" in job.stdout
        assert mentioning(temporary)
    assert mentioning(temporary) == []
    assert not Path(temporary).exists()
