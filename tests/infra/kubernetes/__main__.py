"""`python -m tests.infra.kubernetes FOLDER`: every overlay's custom resources against the CRDs in FOLDER.

    kubectl get crd rayclusters.ray.io rayjobs.ray.io \
        clusterqueues.kueue.x-k8s.io localqueues.kueue.x-k8s.io resourceflavors.kueue.x-k8s.io \
        podmonitors.monitoring.coreos.com prometheusrules.monitoring.coreos.com -o yaml > FOLDER/crds.yaml

Ends with status 1 where one is not valid for the operators that this cluster has.
"""

import sys
from pathlib import Path

from tests.infra.kubernetes.crds import check, read_crds
from tests.infra.kubernetes.rendered import OVERLAYS, everything, name_of
from tests.infra.kubernetes.schemas import custom


def main(arguments: list[str]) -> int:
    if arguments == ["--help"]:
        sys.stdout.write(f"{__doc__}")
        return 0
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        sys.stderr.write(f"found {arguments}, wanted one folder\n\n{__doc__}")
        return 2
    crds = read_crds(Path(arguments[0]))
    judged, problems, not_judged = 0, [], set()
    for overlay in OVERLAYS:
        for manifest in everything(overlay):
            if f"{manifest['apiVersion']} {manifest['kind']}" not in custom():
                continue
            report = check(manifest, crds)
            judged += 1
            problems += [f"{overlay} {name_of(manifest)} {problem}" for problem in report.problems]
            not_judged |= {f"{manifest['kind']} {line}" for line in report.not_judged}
    for line in [*problems, *(f"not judged: {line}" for line in sorted(not_judged))]:
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"{judged} custom resources, {len(problems)} problems\n")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
