import re

import numpy as np

from finetune.arms import make_arms
from finetune.pages.confusion import confusion_section


def test_counts_are_those_of_all_seeds_and_rates_follow(make_result):
    jobs = [make_result("pretrained", seed, skill=3.0) for seed in (0, 1)]
    jobs += [make_result("random", seed) for seed in (0, 1)]
    arms = make_arms(jobs)["detection"]
    html = confusion_section(arms).html
    first, second = html.split("<details>")
    counts = [
        np.sum([np.sum(job["per_person"][name], axis=0) for job in jobs[:2]], axis=0)[0]
        for name in ("true_positive_PA", "false_negative_PA", "false_positive_PA", "true_negative_PA")
    ]
    cells = re.findall(r"<td>(.*?)</td>", re.search(r"<tr class=''><td>AU1</td>(.*?)</tr>", first)[1])
    assert cells[1:5] == [f"{count:,.0f}" for count in counts]
    assert cells[5:] == [
        f"{counts[0] / (counts[0] + counts[2]):.2f}",
        f"{counts[0] / (counts[0] + counts[1]):.2f}",
    ]
    widths = [float(width) for width in re.findall(r"width:([\d.]+)%", cells[0])]
    assert abs(sum(widths) - 100) < 0.3
    assert "init=random" in second


def test_expressions_have_a_square_table(make_result):
    result = make_result("random")
    confusion_PKK = np.arange(18).reshape(2, 3, 3)
    result |= {"kind": "expression", "expressions": ["happy", "sad", "<b>"], "aus": []}
    result["per_person"] = {
        "kind": "expression",
        "people": ["a", "b"],
        "confusion_PKK": confusion_PKK.tolist(),
    }
    html = confusion_section(make_arms([result])["expression"]).html
    assert "<td>happy</td><td>9</td><td>11</td><td>13</td>" in html
    assert "&lt;b&gt;" in html
