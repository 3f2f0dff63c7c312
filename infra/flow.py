"""The quickstart's stages: videos -> S3 shards -> pretraining -> finetuning -> registry -> report.

Everything they write is below one run folder; the servers listen on free loopback ports.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from infra.ray_head import RayHead
from infra.real_clip import find_clip
from infra.services import ObjectStore, TrackingServer
from infra.stages import MemoryWatch, Stages, command, say
from pretrain.config import Request, load

ROOT = Path(__file__).resolve().parent.parent
SERVING_PYTHON = ROOT / ".venv-serving" / "bin" / "python"
EXPECTED_SECONDS = {
    "generate": 80.0,
    "pack": 25.0,
    "verify": 5.0,
    "pretrain": 375.0,
    "rival": 240.0,
    "finetune": 200.0,
    "predict": 30.0,
    "report": 25.0,
}
PROGRESS = r"step \d+[/ ].*"
"""Of a job's output, what the loops say of their progress."""
QUIET = {
    "OMP_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
}
CURVE_POINTS = 40
"""Points of the report's training curves."""
PRETRAIN = "pretrain/configs/clp_cpu.yaml"
MODELS = {"aunce": "au-detector", "intensity": "au-intensity"}


@dataclass(frozen=True)
class QuickstartConfig:
    """Sizes of the run; the defaults take about sixteen minutes on two cores."""

    people: int = 48
    """Made-up people in the unlabelled set; the labelled one has DISFA's 27 subjects, who are others."""
    seconds: float = 6.0
    """Of each video."""
    crop_pixels: int = 96
    pretrain_steps: int = 400
    pretrain_batch: int = 32
    finetune: str = ""
    """More key=value words for the finetuning jobs, separated by spaces."""
    seed: int = 0
    clip: str = ""
    """A real video for the registered models, e.g. clip=me.mp4; `none` for none, empty for a packaged one.
    May change from start to start."""


class Flow:
    """One run: its folder, its servers' environment and its stages."""

    def __init__(self, config: QuickstartConfig, folder: Path, memory: MemoryWatch) -> None:
        self.config, self.folder = config, folder
        self.stages = Stages(folder, EXPECTED_SECONDS, memory)
        self.clip = find_clip(config.clip)
        self.environment: dict[str, str] = {}
        self.store_url = self.tracking_uri = ""

    @contextlib.contextmanager
    def servers(self) -> Iterator[None]:
        """S3, MLflow and Ray, ready; ended on the way out, whatever the way is."""
        say("starting S3, MLflow and Ray on free loopback ports")
        with ObjectStore(self.folder / "store") as store:
            artifacts = f"{store.url}/mlflow"
            with TrackingServer(self.folder / "tracking", artifacts, store.environment) as tracking:
                environment = {**store.environment, **QUIET, "MLFLOW_TRACKING_URI": tracking.uri}
                with RayHead(self.folder / "ray", environment) as ray:
                    self.environment = {**environment, **ray.environment}
                    self.store_url, self.tracking_uri = store.url, tracking.uri
                    yield

    def run(self) -> None:
        """All stages that are not done."""
        self._notice_another_clip()
        self.stages.run("generate", "videos", self._generate)
        self.stages.run("pack", "frames", self._pack)
        self.stages.run("verify", "frames", self._verify)
        self.stages.run("pretrain", "clips", self._pretrain)
        self.stages.run("rival", "clips", self._rival)
        self.stages.run("finetune", "jobs", self._finetune)
        self.stages.run("predict", "videos", self._predict)
        self.stages.run("report", "pages", self._report)

    def _notice_another_clip(self) -> None:
        written, path = self.folder / "clip.txt", "" if self.clip is None else str(self.clip.path)
        if written.exists() and written.read_text() != path:
            self.stages.forget("predict", "report")
        written.write_text(path)

    def _python(self, log: str, *words: str) -> None:
        command([sys.executable, *words], self.environment, self.folder / "logs" / f"{log}.log")

    def _submit(self, log: str, *words: str) -> None:
        """A job through the Ray Jobs API, as on a cluster."""
        ray, log_file = str(Path(sys.executable).with_name("ray")), self.folder / "logs" / f"{log}.log"
        environment = ("--runtime-env", str(ROOT / "infra/runtime_env.yaml"))
        submit = [ray, "job", "submit", "--working-dir", str(ROOT), *environment, "--", "python", *words]
        command(submit, self.environment, log_file, show=PROGRESS)

    def _generate(self) -> float:
        videos = self.folder / "videos"
        for layout, people in (("voxceleb", self.config.people), ("disfa", 27)):
            self._python(
                *("generate", "-m", "shards", "generate", str(videos / layout), "--layout", layout),
                *("--identities", str(people), "--seconds", f"{self.config.seconds:g}"),
                *("--seed", str(self.config.seed)),
            )
        return sum(1 for path in videos.rglob("*.*") if path.suffix in (".mp4", ".avi"))

    def _set_url(self, layout: str) -> str:
        return f"{self.store_url}/{layout}"

    def _pack(self) -> float:
        for layout in ("voxceleb", "disfa"):
            self._python(
                *(
                    "pack",
                    "-m",
                    "shards",
                    "pack",
                    str(self.folder / "videos" / layout),
                    self._set_url(layout),
                ),
                *("--layout", layout, "--size", str(self.config.crop_pixels), "--videos-per-unit", "8"),
            )
        return self._frames()

    def _verify(self) -> float:
        for layout in ("voxceleb", "disfa"):
            self._python("verify", "-m", "shards", "verify", self._set_url(layout), "--deep")
        return self._frames()

    def _frames(self) -> float:
        from shards.tracks import load_tracks

        os.environ.update(self.environment)
        return sum(
            load_tracks(self._set_url(layout)).manifest.totals.frames for layout in ("voxceleb", "disfa")
        )

    def _pretrain(self) -> float:
        batch = self.config.pretrain_batch
        self._pretrain_one("pretrain", f"run.global_batch={batch}")
        return self.config.pretrain_steps * batch

    def _rival(self) -> float:
        """SimCLR on as many images per step: two views of single frames, where CLP has clips."""
        from pretrain.recipe import PretrainConfig

        words = self._pretrain_words("pretrain")
        config = load(PretrainConfig, Request((ROOT / PRETRAIN,), words, print_only=False))
        batch = self.config.pretrain_batch * config.clp.num_frames // 2
        self._pretrain_one("rival", f"run.global_batch={batch}", "objective=simclr")
        return self.config.pretrain_steps * batch

    def _pretrain_words(self, name: str) -> tuple[str, ...]:
        steps = self.config.pretrain_steps
        return (
            f"data.url={self._set_url('voxceleb')}",
            *(f"run.url={self.store_url}/runs/{name}", f"run.steps={steps}", f"run.seed={self.config.seed}"),
            f"run.log_every={max(1, steps // CURVE_POINTS)}",
        )

    def _pretrain_one(self, name: str, *words: str) -> None:
        tracking = f"tracking.uri={self.tracking_uri}", f"tracking.name={name}"
        given = *self._pretrain_words(name), *tracking, *words
        self._submit(name, "-m", "ray_jobs.pretrain_job", PRETRAIN, *given)

    def _jobs(self) -> list[tuple[str, str]]:
        return [(task, start) for task in MODELS for start in ("pretrained", "random")]

    def _finetune(self) -> float:
        with ThreadPoolExecutor(max_workers=2) as pool:  # a job takes one of the two cores
            for task, start in pool.map(self._finetune_one, self._jobs()):
                say(f"    {task} from {start} weights: done")
        return len(self._jobs())

    def _finetune_one(self, job: tuple[str, str]) -> tuple[str, str]:
        task, start = job
        encoder = f"{self.store_url}/runs/pretrain/encoder" if start == "pretrained" else "random"
        register = [f"register.name={MODELS[task]}"] if start == "pretrained" else []
        self._submit(
            *(f"{task}-{start}", "-m", "ray_jobs.finetune_job", f"finetune/configs/{task}_disfa.yaml"),
            f"data.url={self._set_url('disfa')}",
            *("data.generated=true", f"init={encoder}", f"url={self.store_url}/runs/{task}-{start}"),
            *(
                f"seed={self.config.seed}",
                f"tracking.uri={self.tracking_uri}",
                f"tracking.name={task}-{start}",
            ),
            *(*register, *self.config.finetune.split()),
        )
        return job

    def _predict(self) -> float:
        """Load both models by alias where ray and deepspeed are not installed.

        They are run on a test person and on a real clip.
        """
        from shards import storage

        os.environ.update(self.environment)
        result = json.loads(storage.read_bytes(f"{self.store_url}/runs/aunce-pretrained/result.json"))
        subject = sorted(result["people"]["test"])[0]
        video = self.folder / "videos/disfa/Videos_LeftCamera" / f"LeftVideo{subject}_comp.avi"
        videos = {"": video} if self.clip is None else {"": video, "clip-": self.clip.path}
        for prefix, path in videos.items():
            for name in MODELS.values():
                self._predict_one(path, name, self.folder / f"{prefix}{name}.csv")
        return len(videos)

    def _predict_one(self, video: Path, model: str, out: Path) -> None:
        words = [str(SERVING_PYTHON), "-m", "finetune.predict", str(video)]
        words += ["--model", f"models:/{model}@candidate", "--out", str(out)]
        command(words, self.environment, self.folder / "logs" / "predict.log")

    def _report(self) -> float:
        from shards import storage

        os.environ.update(self.environment)
        folders = []
        for task, start in self._jobs():
            folder = self.folder / "results" / f"{task}-{start}"
            url = f"{self.store_url}/runs/{task}-{start}"
            for name in ("result.json", "test_predictions.parquet"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(storage.read_bytes(f"{url}/{name}"))
            folders.append(str(folder))
        throughput = self.folder / "throughput.json"
        throughput.write_text(json.dumps([vars(done) for done in self.stages.done]))
        self._python(
            *("report", "-m", "finetune.report", *folders, "--throughput", str(throughput)),
            *("--out", str(self.folder / "report.html"), *self._clip_words()),
            *("--labelled", self._set_url("disfa"), "--unlabelled", self._set_url("voxceleb")),
            *("--pretrain", f"{self.store_url}/runs/pretrain", "--rivals", f"{self.store_url}/runs/rival"),
            *("--models", *MODELS.values()),
        )
        return 1

    def _clip_words(self) -> list[str]:
        if self.clip is None:
            return []
        tables = [str(self.folder / f"clip-{name}.csv") for name in MODELS.values()]
        return ["--clip", str(self.clip.path), "--clip-source", self.clip.source, "--clip-tables", *tables]
