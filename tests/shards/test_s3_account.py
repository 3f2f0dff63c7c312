import multiprocessing
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import NoCredentialsError

from shards import s3_account, storage
from shards.errors import NotFoundError, ShardError

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
CONTENT = bytes(range(256)) * 100


@pytest.fixture
def url(bucket_url: str) -> str:
    storage.write_bytes(f"{bucket_url}/x", CONTENT)
    return f"{bucket_url}/x"


@pytest.fixture
def keys(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The store's keys, taken out of the environment; no other configuration is found."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    found = {name: os.environ[name] for name in KEYS}
    for name in KEYS:
        monkeypatch.delenv(name)
    return found


def write_script(path: Path, keys: dict[str, str], seconds: float) -> str:
    """A program as `credential_process` wants it, that counts its calls beside itself."""
    expiry = datetime.now(UTC) + timedelta(seconds=seconds)
    answer = {
        "Version": 1,
        "AccessKeyId": keys[KEYS[0]],
        "SecretAccessKey": keys[KEYS[1]],
        "Expiration": expiry.isoformat(),
    }
    path.write_text(
        f"import json\nopen({str(path) + '.calls'!r}, 'a').write('x')\nprint(json.dumps({answer!r}))\n"
    )
    return f"{sys.executable} {path}"


def test_a_profile_of_a_file(
    url: str, keys: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").write_text(
        "[other]\n" + "".join(f"{name.lower()} = {value}\n" for name, value in keys.items())
    )
    monkeypatch.setenv("AWS_PROFILE", "other")
    assert storage.read_range(url, 10, 20) == CONTENT[10:30]


def test_credentials_near_their_end_are_renewed_before_use(
    url: str, keys: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program gives them for 60 seconds, which botocore takes for too few to use twice."""
    command = write_script(tmp_path / "give.py", keys, 60)
    (tmp_path / "config").write_text(f"[profile role]\ncredential_process = {command}\n")
    monkeypatch.setenv("AWS_PROFILE", "role")
    assert storage.read_range(url, 10, 20) == CONTENT[10:30]
    before = (tmp_path / "give.py.calls").stat().st_size
    write_script(tmp_path / "give.py", keys, 3_600)
    assert storage.read_bytes(url) == CONTENT
    assert storage.read_range(url, 0, 5) == CONTENT[:5]
    storage.write_bytes(f"{url}2", b"y")
    assert (tmp_path / "give.py.calls").stat().st_size > before


def test_no_credentials(url: str, keys: dict[str, str]) -> None:
    with pytest.raises(ShardError, match="AWS_ACCESS_KEY_ID"):
        storage.read_range(url, 0, 1)
    with pytest.raises(NoCredentialsError):
        s3_account.current()


def test_renewing_finds_what_is_new(url: str) -> None:
    account = s3_account.current()
    first = account.signed("b", "k")
    assert account.signed("b", "k") is first
    account.renew(first.credentials)
    second = account.signed("b", "k")
    assert second.credentials is not first.credentials
    account.renew(first.credentials)
    assert account.signed("b", "k") is second


@pytest.mark.parametrize("name", ["a b+c", "ä/ö?x=1&y", "per%20cent", "tilde~", "a//b", "#", "'\"<>"])
def test_names_with_odd_characters(bucket_url: str, name: str) -> None:
    storage.write_bytes(f"{bucket_url}/{name}", name.encode())
    assert storage.read_range(f"{bucket_url}/{name}", 0, len(name.encode())) == name.encode()
    assert storage.read_bytes(f"{bucket_url}/{name}") == name.encode()


def test_addresses_are_botocores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    account = s3_account.Account()
    assert account.bucket("films").base == "https://films.s3.eu-west-1.amazonaws.com/"
    assert account.bucket("films").region == "eu-west-1"
    assert account.bucket("with.dots").base == "https://s3.eu-west-1.amazonaws.com/with.dots/"
    signed = account.signed("films", "a b/c")
    assert signed.path == "/a%20b/c"
    assert signed.headers["X-Amz-Security-Token"] == "token"
    assert "/eu-west-1/s3/aws4_request" in signed.headers["Authorization"]
    (tmp_path / "config").write_text("[default]\ns3 =\n  addressing_style = path\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert s3_account.Account().bucket("films").base == "https://s3.eu-west-1.amazonaws.com/films/"


def read_many(url: str) -> list[bytes]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda start: storage.read_range(url, start, 1_000), range(100)))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_parent_and_children_read_at_once(url: str, method: str) -> None:
    wanted = [CONTENT[start : start + 1_000] for start in range(100)]
    assert read_many(url) == wanted
    with multiprocessing.get_context(method).Pool(2) as pool:
        children = [pool.apply_async(read_many, (url,)) for _ in range(4)]
        assert read_many(url) == wanted
        assert [child.get(60) for child in children] == [wanted] * 4
    with pytest.raises(NotFoundError):
        storage.read_bytes(f"{url}-missing")
