"""`python -m ray_jobs.pack_job`: the packer on a Ray cluster; the same bytes as on one machine."""

import sys

from pretrain.config import dump, load, parse, run_command
from ray_jobs.pack_cluster import ClusterPackers, PackJob
from ray_jobs.pack_report import Report
from shards.pack.pack import pack

USAGE = """
ray job submit --working-dir . --runtime-env infra/runtime_env.yaml -- \\
    python -m ray_jobs.pack_job source=s3://BUCKET/VIDEOS url=s3://BUCKET/SET layout=LAYOUT [key=value ...]

Pack a data set of videos into shards on a Ray cluster. Every node must see source and url: a store, or a
shared folder. Given again, the command goes on with what is missing. --print shows the resolved config.
"""


def main(arguments: list[str]) -> None:
    request = parse(arguments, USAGE)
    job = load(PackJob, request)
    if request.print_only:
        sys.stdout.write(dump(job))
        return
    report = Report(job.cluster.report_seconds)
    manifest = pack(job, report, ClusterPackers(job.cluster))
    totals = manifest.totals
    sys.stdout.write(
        f"{totals.samples} samples, {totals.frames} frames, {totals.videos} videos and {totals.identities} "
        f"people at {job.url}\nset {manifest.digest}\n"
    )


if __name__ == "__main__":
    run_command(main)
