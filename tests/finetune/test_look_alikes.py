from finetune.look_alikes import LookAlikes, look_alikes
from shards.synthetic.likeness import CONFUSABLE_PAIRS


def test_pairs_within_the_jobs_aus_are_named():
    (first, second), *_ = CONFUSABLE_PAIRS
    assert look_alikes([first]) == LookAlikes()
    found = look_alikes([first, second])
    assert found.pairs == ((first, second),)
    assert found.aus == {first, second}
    assert f"AU{first} and AU{second}" in found.line


def test_nothing_is_said_where_nothing_is_known():
    assert LookAlikes().line == ""
