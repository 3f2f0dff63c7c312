"""Promotion against a real MLflow store (SQLite, no server): gates, tags, aliases."""

import pytest
from mlflow.tracking import MlflowClient

from finetune import registry
from pretrain.config import ConfigError


@pytest.fixture(scope="module")
def videos(make_set, tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("videos") / "set", videos=2)


@pytest.fixture
def store(short_jobs, tmp_path, monkeypatch):
    """MLflow's address; `toy` has one version there, a candidate."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    registry.main([str(short_jobs / "aunce"), "--name", "toy", "--tracking-uri", uri])
    return uri


def test_an_alias_moves_through_gates_that_are_kept(store, short_jobs, videos, capsys):
    client = MlflowClient(store)
    words = ["promote", "toy@candidate", "--to", "champion", "limit=0", f"identity_set={videos}"]
    registry.main([*words, "most_identity=1", "--dry-run"])
    out = capsys.readouterr().out
    assert [line.split()[:2] for line in out.splitlines()[-6:-1]] == [
        ["ok", f"{name}:"] for name in ("held_out", "champion", "leakage", "identity", "export")
    ]
    assert "models:/toy@champion would become version 1; nothing was changed (--dry-run)" in out
    assert list(client.get_registered_model("toy").aliases) == ["candidate"]
    assert not [tag for tag in client.get_model_version("toy", "1").tags if tag.startswith("gate.")]

    with pytest.raises(SystemExit) as refused:
        registry.main([*words, "most_identity=0"])
    assert refused.value.code == 1
    out = capsys.readouterr().out
    assert "refused  identity: found the person told in" in out
    assert "stays as it is: version 1 was refused by identity" in out
    found = client.get_model_version("toy", "1")
    assert found.tags["gate.identity"].startswith("refused: found the person told")
    assert found.tags["gate.export"].startswith("ok: found 27 of 27 numbers")
    assert "champion" not in client.get_registered_model("toy").aliases

    registry.main([*words, "most_identity=1"])
    found = client.get_model_version_by_alias("toy", "champion")
    assert str(found.version) == "1"
    assert found.tags["gate.identity"].startswith("ok: ")
    assert found.description.count("\n## Gates\n") == 1
    assert "- export: ok: found 27 of 27 numbers of the run equal" in found.description
    registry.main([*words, "most_identity=1"])
    assert "models:/toy@champion is version 1 already" in capsys.readouterr().out

    registry.main([str(short_jobs / "aunce"), "--name", "toy"])
    registry.main(["promote", "toy/2", *words[2:], "most_identity=1"])
    assert "ok       champion: found f1" in capsys.readouterr().out
    assert str(client.get_model_version_by_alias("toy", "champion").version) == "2"


def test_messages(store, tmp_path):
    with pytest.raises(ConfigError, match="'toy' names no model; wanted NAME@ALIAS or NAME/VERSION"):
        registry.main(["promote", "toy", "--to", "champion", "limit=0", "most_identity=1"])
    with pytest.raises(ConfigError, match=r"the registry has no toy@best: .*register it by"):
        registry.main(["promote", "toy@best", "--to", "champion", "limit=0", "most_identity=1"])
    with pytest.raises(ConfigError, match="no value for limit, most_identity"):
        registry.main(["promote", "toy@candidate", "--to", "champion"])
    (result,) = tmp_path.glob("mlruns/**/result.json")
    result.unlink()
    with pytest.raises(ConfigError, match=r"version 1 of toy has no result\.json in its run"):
        registry.main(["promote", "toy@candidate", "--to", "champion", "limit=0", "most_identity=1"])
