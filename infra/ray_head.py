"""A local Ray head with its Jobs API, on free loopback ports, under token authentication."""

import os
import secrets
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil

from infra.server import START_SECONDS, Server, free_ports

OBJECT_STORE_BYTES = 100_000_000
GONE_SECONDS = 10.0
ALONE = "127.0.0.1"
MAY_BE_JOINED = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Where not set to 0, Ray takes 127.0.0.1 for the host's outer address, and listens on all of them."""
LOOPBACK = {MAY_BE_JOINED: "0", "GLOO_SOCKET_IFNAME": "lo"}
"""Binds Ray's processes and a training group's ranks to loopback."""


class RayHead(Server):
    """`environment` is what drivers and `ray job submit` need; `address` is the Jobs API.

    Jobs run with the environment given here, e.g. the object store's. On a loopback address other than
    127.0.0.1 other nodes may join it; Ray's ports are then open on all addresses.
    """

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str] | None = None,
        cpus: int = 2,
        start_seconds: float = START_SECONDS,
        host: str = ALONE,
    ) -> None:
        super().__init__("ray-head", folder, start_seconds)
        self._host = host
        self._given = environment or {}
        self._cpus = cpus
        self._token = secrets.token_hex(32)
        self._gcs_port = self._dashboard_port = self._metrics_port = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._dashboard_port}"

    @property
    def gcs_address(self) -> str:
        """What other nodes join."""
        return f"{self._host}:{self._gcs_port}"

    @property
    def metrics_address(self) -> str:
        """What Prometheus reads."""
        return f"http://{self._host}:{self._metrics_port}/metrics"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "RAY_ADDRESS": self.address,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self._token_path),
            "RAY_USAGE_STATS_ENABLED": "0",
        }

    @property
    def _token_path(self) -> Path:
        return self.folder / "auth_token"

    def server_environment(self) -> dict[str, str]:
        # Jobs inherit this.
        return {
            **self._given,
            **self.environment,
            "RAY_ADDRESS": "",
            **LOOPBACK,
            MAY_BE_JOINED: str(int(self._host != ALONE)),
            "RAY_enable_open_telemetry": "0",
            "OMP_NUM_THREADS": "1",
            "PYTHONWARNINGS": "ignore",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def command(self) -> list[str]:
        self._token_path.touch(mode=0o600)
        self._token_path.write_text(self._token)
        self._gcs_port, self._dashboard_port, self._metrics_port, *others = free_ports(9)
        names = (
            "--ray-client-server-port",
            "--node-manager-port",
            "--object-manager-port",
            "--dashboard-agent-listen-port",
            "--dashboard-agent-grpc-port",
            "--runtime-env-agent-port",
        )
        return [
            str(Path(sys.executable).with_name("ray")),
            *("start", "--head", "--block", "--disable-usage-stats"),
            *(f"--node-ip-address={self._host}", f"--port={self._gcs_port}"),
            *("--dashboard-host=127.0.0.1", f"--dashboard-port={self._dashboard_port}"),
            *(f"--num-cpus={self._cpus}", f"--object-store-memory={OBJECT_STORE_BYTES}"),
            *(f"{name}={port}" for name, port in zip(names, others, strict=True)),
            f"--metrics-export-port={self._metrics_port}",
            *("--min-worker-port=0", "--max-worker-port=0"),
            f"--temp-dir={self._temporary}/ray",
        ]

    def is_ready(self) -> bool:
        request = urllib.request.Request(
            f"{self.address}/api/jobs/", headers={"Authorization": f"Bearer {self._token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False

    def _stop(self) -> None:
        """Ray's daemons leave the head's process group: end what runs out of this head's own folder too."""
        marker = f"{self._temporary}/ray" if self._temporary else None
        strays = _mentioning(marker) if marker else []
        super()._stop()
        strays = [process for process in strays if process.is_running()]
        for process in strays:
            process.terminate()
        _, alive = psutil.wait_procs(strays, timeout=GONE_SECONDS)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=GONE_SECONDS)


def _mentioning(folder: str) -> list[psutil.Process]:
    """Processes whose command line or environment names `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(folder in word for word in process.cmdline()):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
