"""Dashboard and alerts ask for metrics that the code exports, by labels they have, and show all of them."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from ray.util.metrics import Gauge

from pretrain.engine import EngineConfig
from pretrain.probe import PROBED
from pretrain.tracking import NoTracker
from ray_jobs.gauges import LABELS, PREFIX, GaugeTracker
from ray_jobs.pack_report import Report
from tests.infra.kubernetes.rendered import FOLDER, everything, one
from tests.pretrain.tiny_runs import easy_set, tiny_run, trained
from tests.ranks import run_ranks

DASHBOARD = FOLDER / "base/dashboards/pretraining.json"
RAY = "ray_"
ON_GPUS = ("speed/mfu",)
"""What a run on CPUs does not log."""
NOT_SHOWN = {f"{RAY}{PREFIX}data_order_fingerprint", f"{RAY}{PREFIX}data_fetched_mb_per_clip"}
"""A checksum, and what the requests per clip tell already."""
Asked = dict[str, set[str]]


def asked(query: str) -> Asked:
    """Metrics of a query, and the labels that it chooses them by.

    Raises:
        ValueError: it is no PromQL.
    """
    found: Asked = {}

    def note(node: Any) -> None:
        selector = getattr(node, "vector_selector", node)
        if isinstance(selector, promql_parser.VectorSelector):
            labels = found.setdefault(str(selector.name), set())
            labels |= {matcher.name for matcher in selector.matchers.matchers}

    promql_parser.walk(promql_parser.parse(query.replace("$", "")), note)
    return found


def metrics_of_a_run(rank: int, set_url: str, folder: Path) -> list[str]:
    config = replace(tiny_run(set_url, folder / "run"), engine=EngineConfig(kind="ddp"))
    steps = trained(config, folder / "spool.jsonl")["curve"].values()
    return sorted({name for metrics in steps for name in metrics})


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Labels by the name at a node's endpoint: of a real run's metrics, and of packing."""
    folder = tmp_path_factory.mktemp("run")
    [names] = run_ranks(metrics_of_a_run, 1, easy_set(folder), folder)
    tracker = GaugeTracker(NoTracker(), "faces", "first", 10)
    tracker.log(dict.fromkeys([*names, *PROBED, *ON_GPUS], 1.0), 5)
    packing = [gauge for gauge in vars(Report(1.0)).values() if isinstance(gauge, Gauge)]
    gauges = [*tracker._gauges.values(), *packing]
    return {f"{RAY}{gauge.info['name']}": set(gauge.info["tag_keys"]) for gauge in gauges}


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def queries() -> dict[str, str]:
    """By panel or alert."""
    found = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in panels()
        for target in panel["targets"]
    }
    [group] = one(everything("gpu-8x"), "PrometheusRule", "pretraining")["spec"]["groups"]
    return found | {rule["alert"]: rule["expr"] for rule in group["rules"]}


def unknown(asks: dict[str, str], exported: Asked) -> list[str]:
    return [
        f"{title}: {name} by {sorted(labels)}"
        for title, query in asks.items()
        for name, labels in asked(query).items()
        if name not in exported or not labels <= exported[name]
    ]


def test_queries_ask_for_what_is_exported(exported):
    assert unknown(queries(), exported) == []
    assert len(queries()) > 30
    wrong = {"a": f'{RAY}{PREFIX}lost{{run="x"}}', "b": f'rate({RAY}{PREFIX}loss{{rank="0"}}[5m])'}
    assert unknown(wrong, exported) == [
        f"a: {RAY}{PREFIX}lost by ['run']",
        f"b: {RAY}{PREFIX}loss by ['rank']",
    ]
    with pytest.raises(ValueError, match="unclosed left parenthesis"):
        asked("sum(")


def test_all_that_is_exported_is_shown_or_watched(exported):
    shown = {name for query in queries().values() for name in asked(query)}
    model = {name for name in exported if re.match(rf"{RAY}{PREFIX}clp_", name)}
    sizes = {f"{RAY}facscale_pack_source_bytes"}
    assert set(exported) - shown - model - sizes == NOT_SHOWN


def test_legends_and_variables_name_labels(exported):
    for panel in panels():
        for target in panel["targets"]:
            labels = {label for name in asked(target["expr"]) for label in exported[name]}
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels, panel["title"]
    variables = json.loads(DASHBOARD.read_text())["templating"]["list"]
    for variable in variables[1:]:
        metric, label = re.fullmatch(
            r"label_values\((\w+)(?:\{.*\})?, (\w+)\)", variable["definition"]
        ).groups()
        assert label == variable["name"]
        assert label in exported[metric]
    assert tuple(variable["name"] for variable in variables[1:]) == LABELS


def test_panels_have_places_of_their_own():
    content = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in content["panels"]]
    assert len(ids) == len(set(ids))
    cells = [
        (x, y)
        for panel in content["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23


def test_grafana_is_given_the_dashboard():
    maps = one(everything("spot"), "ConfigMap", "facscale-dashboards")
    assert maps["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(maps["data"]["pretraining.json"]) == json.loads(DASHBOARD.read_text())
