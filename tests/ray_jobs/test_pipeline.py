"""A pipeline's YAML: steps in order, references, and what is refused before anything runs."""

import pytest

from pretrain.config import ConfigError, load, parse
from ray_jobs.pipeline import PipelineConfig, steps_of
from ray_jobs.runs import TrackingConfig

WHOLE = """
url: s3://bucket/p
tracking: {uri: http://there}
pack:
  faces: {source: s3://bucket/videos, layout: voxceleb}
pretrain:
  clp: {from: pretrain/configs/clp_cpu.yaml, data: {url: step:faces}, run: {steps: 7}}
finetune:
  aunce:
    from: finetune/configs/aunce_disfa.yaml
    data: {url: s3://bucket/d}
    init: step:clp
    register: {name: m}
promote:
  aunce: {gates: {limit: 0.3, most_identity: 0.4}}
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        (tmp_path / "pipeline.yaml").write_text(text)
        return load(PipelineConfig, parse([str(tmp_path / "pipeline.yaml")], ""))

    return read


def test_steps_come_after_what_they_need_with_the_configs_of_their_jobs(read):
    config = read(WHOLE)
    steps = steps_of(config)
    assert list(steps) == ["faces", "clp", "aunce"]
    assert [step.needs for step in steps.values()] == [[], ["faces"], ["clp"]]
    job = steps["clp"].job(
        {"faces": "s3://bucket/p/faces/1"}, TrackingConfig("http://there", parent="r"), "u"
    )
    assert (job.data.url, job.run.url, job.run.steps) == ("s3://bucket/p/faces/1", "u", 7)
    assert job.encoder.pool == "grid"  # of the file
    assert (job.tracking.name, job.tracking.parent) == ("clp", "r")
    assert steps["aunce"].job({"clp": "e"}, config.tracking).init == "e"
    assert config.promote["aunce"].to == "champion"


@pytest.mark.parametrize(
    ("found", "wanted", "message"),
    [
        ("steps: 7", "stepz: 7", r"step clp: .*Did you mean: 'steps'"),
        (
            "init: step:clp",
            "init: step:cpl",
            r"step aunce reads \['cpl'\], which are no steps; known: \['faces'",
        ),
        ("voxceleb}", "voxceleb, namespace: step:clp}", r"steps \['faces', 'clp', 'aunce'\] need each other"),
        ("  clp: {", "  faces: {", r"step faces is there twice, as pack and as pretrain; rename one"),
        ("run: {steps: 7}", "run: {url: here}", r"step clp: \['url'\] are the pipeline's to give"),
        ("run: {steps: 7}", "tracking: {uri: x}", r"step clp: \['tracking'\] are the pipeline's to give"),
        ("clp_cpu", "clp_gpu", r"step clp: no config file \['pretrain/configs/clp_gpu.yaml'\] here"),
        (
            "register: {name: m}",
            "register: {}",
            r"promote.aunce: the step registers no model; give",
        ),
        (
            "  aunce: {gates",
            "  clp: {gates",
            r"promote.clp: no finetuning step of this name; known: \['aunce'\]",
        ),
        (
            "{source: s3://bucket/videos, layout: voxceleb}",
            "videos",
            r"step faces: a mapping of the pack job",
        ),
    ],
)
def test_messages(read, found, wanted, message):
    assert found in WHOLE
    with pytest.raises(ConfigError, match=message):
        steps_of(read(WHOLE.replace(found, wanted)))
