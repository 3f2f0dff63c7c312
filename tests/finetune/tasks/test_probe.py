import numpy as np
import pytest

from finetune.frames import FrameTable
from finetune.tasks.probe import LinearConfig, choose, linear_epochs


def table(seed, people=4, frames=60):
    """Vectors whose first feature tells AU 0 and whose second tells AU 1."""
    rng = np.random.default_rng(seed)
    count = people * frames
    label_FA = rng.integers(0, 2, (count, 2)).astype(np.int8)
    vectors_FAV = rng.normal(size=(count, 2, 5)).astype(np.float32)
    for au in range(2):
        vectors_FAV[:, au, au] += 2.5 * label_FA[:, au]
    label_FA[::7] = -1
    return FrameTable(
        person_F=[f"p{i // frames}" for i in range(count)],
        key_F=["k"] * count,
        frame_index_F=np.arange(count),
        time_seconds_F=np.zeros(count),
        label_FA=label_FA,
        value_F=vectors_FAV,
        unreadable={},
    )


def test_finds_the_feature_and_chooses_on_validation_people():
    train, validation, test = table(0), table(1), table(2)
    config = LinearConfig(epochs=15, learning_rate=0.05)
    epochs = list(linear_epochs(train.value_F, train.label_FA, np.ones(2), config, seed=0))
    assert len(epochs) == 15
    choice = choose(iter(epochs), validation, test)
    assert choice.validation_auc > 0.9
    assert choice.classifier.weight_AV.abs().argmax(dim=1).tolist() == [0, 1]
    # Other tested people change nothing but what is named after them.
    again = choose(iter(epochs), validation, table(3))
    assert (again.epoch, again.threshold_A.tolist()) == (choice.epoch, choice.threshold_A.tolist())


def test_unlabelled_frames_have_no_influence():
    train = table(0)
    changed = np.where(train.label_FA[:, :, None] < 0, 100, train.value_F).astype(np.float32)
    config = LinearConfig(epochs=3)
    first, second = (
        list(linear_epochs(values, train.label_FA, np.ones(2), config, seed=0))[-1]
        for values in (train.value_F, changed)
    )
    np.testing.assert_array_equal(first.weight_AV.numpy(), second.weight_AV.numpy())


def test_message():
    with pytest.raises(ValueError, match="epochs, batch and learning_rate above 0"):
        LinearConfig(epochs=0)
