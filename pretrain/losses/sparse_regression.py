"""Squared error of intensities over the labelled frames alone (stage 2 of arXiv 2011.01864).

That only labelled frames enter the loss is the paper's rule; the form is this project's reconstruction:

    L = 1/|Lambda| sum_{(b, t, a) in Lambda} (yhat_bta - y_bta)^2

Lambda holds the AUs that somebody coded in the chosen frames.

Axes: B clips, T frames, A AUs.
"""

from torch import Tensor


def sparse_regression_loss(value_BTA: Tensor, label_BTA: Tensor, chosen_BT: Tensor) -> Tensor:
    """Scalar loss; 0 without a label. Labels are 0..5, -1 where nobody coded the AU."""
    weight_BTA = (label_BTA >= 0) & chosen_BT.unsqueeze(2)
    error_BTA = (value_BTA.float() - label_BTA.float()).square().masked_fill(~weight_BTA, 0.0)
    return error_BTA.sum() / weight_BTA.sum().clamp(min=1)
