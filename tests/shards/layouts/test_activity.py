from shards.layouts import bp4d, bp4d_plus
from shards.layouts.activity import Activity


def test_text() -> None:
    assert Activity("The person waits.", "calm").text == "The person waits. The target emotion is calm."


def test_texts_of_a_set_differ() -> None:
    for activities in (bp4d.ACTIVITIES, bp4d_plus.ACTIVITIES):
        assert len({activity.text for activity in activities.values()}) == len(activities)
