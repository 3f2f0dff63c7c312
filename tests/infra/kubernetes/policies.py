"""What NetworkPolicies let through, for policies that select by labels: who may reach which port of a pod."""

from dataclasses import dataclass
from typing import Any

from tests.infra.kubernetes.rendered import Manifest, Pod, of_kind

OPERATORS = {
    "In": lambda label, values: label in values,
    "NotIn": lambda label, values: label not in values,
    "Exists": lambda label, values: label is not None,
    "DoesNotExist": lambda label, values: label is None,
}


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """As Kubernetes has it: a label that is absent is in no list, and not in every one."""
    exact = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return exact and all(
        OPERATORS[term["operator"]](labels.get(term["key"]), term.get("values", []))
        for term in selector.get("matchExpressions", [])
    )


@dataclass(frozen=True)
class Peer:
    """A pod as a policy sees it."""

    namespace: str
    labels: dict[str, str]


def _holds(rule: dict[str, Any], side: str, peer: Peer, port: int, own_namespace: str) -> bool:
    ports = rule.get("ports")
    if ports is not None and port not in [entry["port"] for entry in ports]:
        return False
    if side not in rule:
        return True
    for entry in rule[side]:
        if "ipBlock" in entry:
            continue  # of pods, blocks say nothing reliable
        space = entry.get("namespaceSelector")
        here = (
            peer.namespace == own_namespace
            if space is None
            else selects(space, {"kubernetes.io/metadata.name": peer.namespace})
        )
        if here and selects(entry.get("podSelector", {}), peer.labels):
            return True
    return False


def allows(manifests: tuple[Manifest, ...], source: Peer, target: Peer, port: int) -> bool:
    """Whether the target's policies let it in, and those of a source in the same namespace let it out."""
    ways = [("Ingress", "ingress", "from", target, source)]
    if source.namespace == target.namespace:
        ways.append(("Egress", "egress", "to", source, target))
    for kind, key, side, ruled, other in ways:
        policies = [
            policy["spec"]
            for policy in of_kind(manifests, "NetworkPolicy")
            if kind in policy["spec"]["policyTypes"]
            and policy["metadata"]["namespace"] == ruled.namespace
            and selects(policy["spec"]["podSelector"], ruled.labels)
        ]
        rules = [rule for policy in policies for rule in policy.get(key, [])]
        if policies and not any(_holds(rule, side, other, port, ruled.namespace) for rule in rules):
            return False
    return True


def peer(pod: Pod) -> Peer:
    return Peer("facscale", pod.labels)
