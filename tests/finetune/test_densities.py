import numpy as np

from finetune.densities import intensity_counts
from finetune.pages.densities import densities_section
from finetune.predictions import Predictions


def predictions(value_FA, label_FA):
    count = len(value_FA)
    return Predictions(
        "intensity",
        ["AU1", "AU2"],
        ["a"] * count,
        [f"a-000-{f // 4:03d}" for f in range(count)],
        np.arange(count) % 4,
        np.arange(count) / 20,
        np.asarray(value_FA, np.float32),
        np.asarray(label_FA, np.int8),
    )


def test_each_coded_frame_is_in_its_cell_and_no_other():
    frames = predictions(
        [[0.0, 5.0], [0.24, 4.99], [0.25, 7.0], [1.6, -3.0]], [[0, 5], [0, -1], [2, 3], [2, 0]]
    )
    counts_ALB = intensity_counts([frames, frames])
    assert counts_ALB.shape == (2, 6, 20)
    assert counts_ALB[0, 0, 0] == 4
    assert counts_ALB[0, 2, [1, 6]].tolist() == [2, 2]
    assert counts_ALB[1, 5, 19] == counts_ALB[1, 3, 19] == counts_ALB[1, 0, 0] == 2
    assert counts_ALB.sum() == 2 * 7


def test_the_section_has_a_chart_for_each_au_and_marks_medians():
    label_FA = np.repeat([[0, 1]], 9, axis=0)
    value_FA = np.stack([np.linspace(0, 4.5, 9), np.full(9, 1.1)], axis=1)
    section = densities_section(
        "arm <x>", ["AU1", "AU2"], intensity_counts([predictions(value_FA, label_FA)])
    )
    html = section.html
    assert html.count("<svg") == 2
    assert "<x>" not in html
    # AU2: one bin, so one cell at full shade and the median's mark in its middle.
    second = html.split("<svg")[2]
    assert second.count("<rect") == 2
    assert "opacity:1.00" in second
