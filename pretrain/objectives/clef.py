"""CLEF stage 1: contrast by activity, and with the activity's text (https://arxiv.org/abs/2304.00058).

    L = image_weight * L_II' + text_weight * L_IA

Images of one activity belong together, whoever they show (`losses.activity_contrast`), and with the sentences
that say what people were asked to do (`losses.image_text`). The figure fixes these two terms and their plain
sum; formulas, constants, the projections and which text encoder reads the sentences are this project's
reconstruction. The text encoder is frozen: each activity's text is embedded once.

Axes: B clips of this rank, T frames, N = B * T, V = 2 views, D features, C texts, E features of a text.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pretrain.augment import AugmentConfig
from pretrain.config import ConfigError
from pretrain.device import DeviceBatch, activity_number
from pretrain.losses.activity_contrast import activity_contrast
from pretrain.losses.image_text import image_text
from pretrain.models.activity_texts import embed_texts, read_activities
from pretrain.models.encoder import EncoderConfig
from pretrain.models.exported import Parts
from pretrain.models.joint_space import JointSpace
from pretrain.models.projected import unit
from pretrain.objectives.objective import FrameContrastConfig, GlobalMean, Losses, feature_std, losses
from pretrain.objectives.student import StudentObjective
from pretrain.world import World
from shards.policies import Grouped, Policy
from shards.schema import identity_hash
from shards.tracks import TrackSet


@dataclass(frozen=True)
class ClefConfig(FrameContrastConfig):
    """Constants of CLEF's first stage; all of them are this project's choice. `tau` is of L_II'."""

    num_activities: int = 8
    """Activities, people of each and clips of each of these: their product must be `run.global_batch`."""
    num_people: int = 8
    num_clips: int = 2
    image_weight: float = 1.0
    text_weight: float = 1.0
    text: Literal["both", "task", "emotion", "number", "shuffled", "none"] = "both"
    """What of an activity's text is read. `number` has a learned vector for each activity instead, `shuffled`
    gives each the text of another one, `none` leaves L_IA out. A consistent wrong text still tells activities
    apart: the control that takes all information away is `labels=shuffled`."""
    texts: str = "bp4d"
    """bp4d, bp4d_plus, or a YAML file of your own (see `models.activity_texts.read_activities`)."""
    text_encoder: str = ""
    """See `models.text.TextEncoder`; empty: the installed sentence encoder, without network."""
    same_person: bool = True
    """False: no two views of one person are positives, also not a frame's own two."""
    labels: Literal["true", "shuffled"] = "true"
    """`shuffled` gives each sample an activity drawn from its key, whatever it shows: a control."""
    shuffle_seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.batch_policy  # validates the three numbers
        if self.num_activities < 2:
            raise ValueError(f"clef.num_activities={self.num_activities}: a contrast needs at least 2")
        if not self.same_person and self.num_people < 2:
            raise ValueError("clef.same_person=false needs clef.num_people of at least 2")
        text_weight = 0.0 if self.text == "none" else self.text_weight
        if min(self.image_weight, self.text_weight) < 0 or not self.image_weight + text_weight:
            raise ValueError(
                f"clef needs weights >= 0 that leave a loss, found image_weight={self.image_weight}, "
                f"text_weight={self.text_weight} and text={self.text}"
            )

    @property
    def batch_policy(self) -> Policy:
        """How a global batch is composed."""
        return Grouped(self.num_activities, self.num_people, self.num_clips)

    @property
    def reads_texts(self) -> bool:
        """Whether the file of texts matters: without any text, its names may still be drawn from."""
        return self.text != "none" or self.labels == "shuffled"

    def check(self, sets: Sequence[TrackSet], global_batch: int) -> None:
        """Find what keeps these sets from being trained on; reads all their index rows.

        Raises:
            ConfigError: they are several, or show too little, or have an activity without a text; or the
                batch is of another size.
        """
        if len(sets) > 1:
            raise ConfigError(
                f"objective=clef trains on one set, found {len(sets)}: activities of two sets may have one "
                "name; leave out data.also"
            )
        wanted = self.num_activities * self.num_people * self.num_clips
        if global_batch != wanted:
            raise ConfigError(
                f"run.global_batch={global_batch}, but {self.num_activities} activities x {self.num_people} "
                f"people x {self.num_clips} clips make {wanted}; set it to {wanted}, or change "
                "clef.num_activities, num_people or num_clips"
            )
        people = _people_of_activities(sets[0])
        self._refuse_too_few(people, sets[0].url)
        if self.reads_texts:
            _refuse_unknown(people, read_activities(self.texts), self.texts)

    def _refuse_too_few(self, people: Mapping[str, set[str]], url: str) -> None:
        if not people:
            raise ConfigError(
                f"no sample of {url} says what people were asked to do; objective=clef needs a set of tasks: "
                "pack one with a layout that knows them, such as bp4d, or choose another objective"
            )
        counts = {name: len(of) for name, of in sorted(people.items())}
        if len(counts) < self.num_activities:
            raise ConfigError(
                f"{url} shows {len(counts)} activities ({', '.join(counts)}), clef.num_activities="
                f"{self.num_activities}; lower it, and run.global_batch with it"
            )
        enough = sorted(counts.values())[-self.num_activities]
        if enough < self.num_people:
            raise ConfigError(
                f"{url} shows as few as {enough} people in the {self.num_activities} activities that show "
                f"most ({counts}), clef.num_people={self.num_people}; lower it, and run.global_batch with it"
            )


class Clef(StudentObjective):
    """The objective. Its parameters are the trained encoder and head, two projections and a logit scale."""

    text_CE: Tensor

    def __init__(
        self,
        config: ClefConfig,
        encoder: EncoderConfig,
        augmentation: AugmentConfig,
        world: World,
        steps: int,
        global_batch: int,
    ) -> None:
        """Read and embed the texts; a collective, as all ranks take the numbers of rank 0.

        Raises:
            ConfigError: they or their encoder cannot be had.
        """
        super().__init__(encoder, config.dim, augmentation, world)
        self.config, self.clip_spec = config, config.clip_spec
        self._activities = read_activities(config.texts) if config.reads_texts else {}
        # After the student, so that it starts from the same weights whatever is read.
        if config.text != "none":
            self._text_of_activity, text_CE = embed_texts(
                self._activities, config.text, config.text_encoder, config.shuffle_seed
            )
            # Each embeds, so that what is missing stops all alike, but processors round in ways of their own.
            # A buffer, as a run goes on with the texts that it began with.
            self.register_buffer("text_CE", torch.tensor(world.broadcast(text_CE.tolist())))
            self.joint_space = JointSpace(self.encoder.dim, text_CE.shape[1], config.dim, config.text_encoder)

    def parts(self) -> Parts:
        """The joint space, unless its texts are none that others could be compared with."""
        return Parts() if self.config.text in ("none", "number") else Parts(joint_space=self.joint_space)

    def forward(self, batch: DeviceBatch, step: int) -> Losses:
        """Loss of this rank's frames."""
        config, world = self.config, self.world
        views = [self.view(batch.frames_BTHWC, batch, number).flatten(0, 1) for number in (0, 1)]
        # One pass, so that batch normalisation sees both views together.
        frames_KCHW = torch.cat(views).to(self.encoder.dtype)
        pooled_VND = self.encoder(frames_KCHW).pooled_ND.unflatten(0, (2, -1))
        vectors_VND = unit(self.student.head(pooled_VND))
        all_VMD = world.gather_with_gradient(vectors_VND.transpose(0, 1)).transpose(0, 1)
        activity_M, person_M, valid_M, text_M = self._facts(batch)
        first = world.rank * vectors_VND.shape[1]
        contrast_N = activity_contrast(
            *(vectors_VND, all_VMD, activity_M, person_M, valid_M, first), config.tau, config.same_person
        )
        mean = GlobalMean(batch.valid_B, world)
        activity = mean(contrast_N.view(len(batch), -1).mean(dim=1))
        parts = {"loss/activity": activity, "clef/feature_std": feature_std(vectors_VND, self.world)}
        total = config.image_weight * activity
        if config.text != "none":
            loss_B, correct_B = self._read(pooled_VND, text_M, valid_M, len(batch))
            parts |= {"loss/image_text": mean(loss_B), "clef/text_accuracy": mean(correct_B)}
            parts["clef/logit_scale"] = self.joint_space.scale
            total = total + config.text_weight * parts["loss/image_text"]
        return losses(total, parts, world)

    def _read(self, pooled_VND: Tensor, text_M: Tensor, valid_M: Tensor, clips: int) -> tuple[Tensor, Tensor]:
        """Loss of each clip with its text, and the share of its views that find it; (B,) each."""
        # A frame's two views stand side by side, as the images of a rank must stand together.
        image_ND = self.joint_space.images(pooled_VND).transpose(0, 1).flatten(0, 1)
        found = image_text(
            image_ND,
            self.world.gather_with_gradient(image_ND),
            self.joint_space.texts(self.text_CE),
            text_M.repeat_interleave(2),
            valid_M.repeat_interleave(2),
            self.world.rank * len(image_ND),
            self.joint_space.scale,
        )
        return found.loss_N.view(clips, -1).mean(dim=1), found.correct_N.view(clips, -1).mean(dim=1)

    def _facts(self, batch: DeviceBatch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Activity, person, validity and text of all ranks' frames, (M,) each; text is 0 where none is read.

        Raises:
            ConfigError: a clip's activity is not known, or has no text.
        """
        names_B = batch.clips.activity_B
        number_B = batch.activity_B
        if self.config.labels == "shuffled":
            names_B = [self._drawn(key) for key in batch.clips.key_B]
            number_B = number_B.new_tensor([activity_number(name) for name in names_B])
        nameless = [key for key, name in zip(batch.clips.provenance_B, names_B, strict=True) if name is None]
        if nameless:
            raise ConfigError(f"objective=clef: sample {nameless[0]} does not say its activity")
        text_B = torch.zeros_like(number_B)
        if self.config.text != "none":
            _refuse_unknown(names_B, self._activities, self.config.texts)
            text_B = number_B.new_tensor([self._text_of_activity[str(name)] for name in names_B])
        facts_B4 = torch.stack([number_B, batch.identity_B, batch.valid_B.long(), text_B], dim=1)
        facts_M4 = self.world.gather(facts_B4).repeat_interleave(self.config.num_frames, dim=0)
        activity_M, person_M, valid_M, text_M = facts_M4.unbind(dim=1)
        return activity_M, person_M, valid_M.bool(), text_M

    def _drawn(self, key: str) -> str:
        """An activity for a sample, whatever it shows: always the same one."""
        names = sorted(self._activities)
        return names[identity_hash(f"shuffled {self.config.shuffle_seed}", key) % len(names)]


def _people_of_activities(tracks: TrackSet) -> dict[str, set[str]]:
    people: dict[str, set[str]] = {}
    for name, person in zip(tracks.activities, tracks.identities, strict=True):
        if name is not None:
            people.setdefault(name, set()).add(person)
    return people


def _refuse_unknown(names: Iterable[str | None], activities: Collection[str], texts: str) -> None:
    unknown = sorted({str(name) for name in names} - set(activities))
    if unknown:
        raise ConfigError(
            f"clef.texts={texts} has no text for the activities {', '.join(unknown)}; it has "
            f"{', '.join(activities)}: add them to a file of your own, and give that"
        )
