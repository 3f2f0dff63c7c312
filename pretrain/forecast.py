"""What a large run will take, by arithmetic: `--print` of a config with a section `expected`.

Nothing is measured and nothing is read here: the section says what hardware, set and rate are expected.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pretrain.config import MISSING, ConfigError
from pretrain.engine import EngineConfig, resolve_stage
from pretrain.engines.plan import GIB, state_bytes
from pretrain.models.encoder import EncoderConfig, on_paper
from pretrain.run import RunConfig
from shards.batch import ClipSpec

FETCHED_PER_DECODED = 2.03
"""Of a clip with gaps (README, streaming)."""
CHECKPOINT_BYTES = 12
"""Of a parameter: float32 weight and two moments."""


@dataclass(frozen=True)
class Expected:
    """What a run is planned for; changes nothing of it."""

    ranks: int = MISSING
    """One GPU each."""
    device_gib: float = MISSING
    clips_per_second: float = MISSING
    """Of one rank: measured with `speed/clips_per_s` in a short run, or an estimate."""
    samples: int = MISSING
    """Of the set, as its manifest's totals say; an epoch visits each once."""
    frame_kb: float = 13.0
    """Mean size of a stored frame: 13 at 224 px, 5 at 112, by the streaming benchmark's generated faces."""
    store_mb_per_second: float = 100.0
    """Of one rank, to and from the store."""
    price_per_hour: float = 0.0
    """Of one rank, in any currency."""

    def __post_init__(self) -> None:
        positive = (self.ranks, self.device_gib, self.clips_per_second, self.samples, self.frame_kb)
        if min(*positive, self.store_mb_per_second) <= 0 or self.price_per_hour < 0:
            raise ValueError(f"expected needs positive numbers and a price >= 0, found {self}")


def forecast(
    expected: Expected,
    run: RunConfig,
    encoder: EncoderConfig,
    engine: EngineConfig,
    spec: ClipSpec,
    trained_frames: int,
) -> list[str]:
    """Lines for a person.

    Args:
        expected: hardware, set and rate.
        run: steps and batch.
        encoder: what is trained, heads left out.
        engine: how.
        spec: frames of a clip.
        trained_frames: frames per clip whose activations backward needs.

    Raises:
        ConfigError: what cannot be, with the number to change.
    """
    ranks = expected.ranks
    if run.global_batch % (ranks * engine.accumulate):
        step = ranks * engine.accumulate
        raise ConfigError(
            f"run.global_batch={run.global_batch} does not divide by {ranks} ranks x {engine.accumulate} "
            f"micro batches; use {-(-run.global_batch // step) * step}"
        )
    clips = run.steps * run.global_batch
    rate = expected.clips_per_second * ranks
    hours = clips / rate / 3600
    fetched_mb = rate * spec.total_frames * expected.frame_kb / 1000 * FETCHED_PER_DECODED
    if fetched_mb > expected.store_mb_per_second * ranks:
        raise ConfigError(
            f"{rate:.0f} clips/s need {fetched_mb:.0f} MB/s from the store, and {ranks} ranks read "
            f"{expected.store_mb_per_second * ranks:.0f}; raise expected.store_mb_per_second, or lower "
            "expected.clips_per_second to what can be had"
        )
    parameters = sum(parameter.numel() for parameter in on_paper(encoder).parameters())
    lines = [
        f"{ranks} ranks x {run.global_batch // ranks} clips of {spec.total_frames} frames; {run.steps} steps "
        f"are {clips / 1e6:.2f} M clips, {clips / expected.samples:.1f} epochs of {expected.samples} samples",
        f"{rate:.0f} clips/s: {run.global_batch / rate:.2f} s per step, {hours:.1f} h",
        f"store: {fetched_mb:.0f} MB/s and at most {rate * spec.total_frames:.0f} requests/s",
        *_memory(expected, run, encoder, engine, parameters, trained_frames),
    ]
    checkpoint_mb = parameters * CHECKPOINT_BYTES / 1e6
    lines.append(
        f"checkpoint: {checkpoint_mb / 1000:.2f} GB, {checkpoint_mb / ranks:.0f} MB of each rank, "
        f"{checkpoint_mb / ranks / expected.store_mb_per_second:.1f} s in the background, every "
        f"{run.save_every * run.global_batch / rate / 60:.0f} min"
    )
    if expected.price_per_hour:
        price = hours * ranks * expected.price_per_hour
        lines.append(f"price: {price:.0f} in all, {price * expected.samples / clips:.2f} per epoch")
    return lines


def _memory(
    expected: Expected,
    run: RunConfig,
    encoder: EncoderConfig,
    engine: EngineConfig,
    parameters: int,
    trained_frames: int,
) -> Iterator[str]:
    memory_bytes = int(expected.device_gib * GIB)
    stage, reason = 0, "all state on every rank, as engine.kind=ddp"
    if engine.kind == "deepspeed":
        stage, reason = resolve_stage(engine, parameters, expected.ranks, memory_bytes)
    yield reason
    is_offloaded = engine.offload != "none"
    # A momentum encoder is one more copy of the weights; not every objective has it.
    state = state_bytes(parameters, expected.ranks, stage, is_offloaded) + 4 * parameters
    frames = run.global_batch // expected.ranks // engine.accumulate * trained_frames
    per_frame = _activation_bytes(encoder, engine.activation_checkpointing)
    if per_frame is None:
        yield (
            f"memory per rank: {state / GIB:.1f} GiB of state, and activations, which are not estimated for "
            f"a {encoder.backbone_type}"
        )
        return
    total = state + frames * per_frame
    yield (
        f"memory per rank: {state / GIB:.1f} GiB of state and about {frames * per_frame / GIB:.1f} GiB of "
        f"activations ({frames} frames) of {expected.device_gib:g} GiB"
    )
    if total > memory_bytes:
        fits = max(1, int((memory_bytes - state) // (per_frame * trained_frames))) * expected.ranks
        raise ConfigError(
            f"about {total / GIB:.1f} GiB per rank do not fit {expected.device_gib:g}; set "
            "engine.activation_checkpointing=true where it is not, or run.global_batch to at most "
            f"{fits * engine.accumulate}"
        )


def _activation_bytes(encoder: EncoderConfig, recomputed: bool) -> float | None:
    """Of a frame in 16 bits through a transformer whose attention keeps no matrix.

    34 bytes per token, layer and width (Korthikanti et al., https://arxiv.org/abs/2205.05198, equation 2
    without its attention term); 2 where only each layer's input is kept, and one layer's all.
    """
    settings = encoder.backbone_settings
    if "num_hidden_layers" not in settings:
        return None
    tokens = (encoder.image_size // settings["patch_size"]) ** 2 + 1
    width, layers = settings["hidden_size"], settings["num_hidden_layers"]
    bytes_of_value = 1.0 if encoder.precision == "bfloat16" else 2.0
    per_token = 2 * layers + 34 if recomputed else 34 * layers
    return float(bytes_of_value * tokens * width * per_token)
