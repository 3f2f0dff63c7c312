from collections import Counter

from shards.synthetic.writers.stills import draw_classes


def test_the_first_pictures_show_every_class_and_the_others_follow_the_shares() -> None:
    shares = {3: 0.6, 5: 0.3, 9: 0.1}
    names = [f"x{place}" for place in range(3000)]
    found = draw_classes(1, names, shares)
    assert found[:3] == [3, 5, 9]
    counts = Counter(found)
    assert all(abs(counts[number] / 3000 - share) < 0.03 for number, share in shares.items())
    assert draw_classes(1, names[:50], shares) == found[:50]
    assert draw_classes(2, names[:50], shares) != found[:50]
