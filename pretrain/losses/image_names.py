"""Contrast of images and the names of their classes: CLEF's L_IN for single labels (arXiv 2304.00058).

The paper's figure says that an image and the name of its class are contrasted; formula and weights are this
project's reconstruction:

    to name   A(i) = -log  e^{g s(z_i, n_{y_i})} / sum_c e^{g s(z_i, n_c)}         c: all classes
    to image  B(i) = -log  e^{g s(n_{y_i}, z_i)} / sum_j e^{g s(n_{y_i}, z_j)}     j: labelled images

    L = mean_i A(i) + mean_c mean_{i of class c} B(i)                              classes of the batch alone

Axes: N images, C classes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from pretrain.losses.left_out import LEFT_OUT


def image_names_loss(logits_NC: Tensor, label_N: Tensor) -> Tensor:
    """Scalar loss of a batch; 0 without a labelled image.

    Args:
        logits_NC: g s(z_i, n_c), scaled similarities of images and names.
        label_N: the class of each image, -1 where nobody says it.
    """
    labelled_N = label_N >= 0
    count = labelled_N.sum().clamp(min=1)
    to_name_N = F.cross_entropy(logits_NC, label_N, ignore_index=-1, reduction="none")
    class_N = label_N.clamp(min=0)
    over_images_C = logits_NC.masked_fill(~labelled_N[:, None], LEFT_OUT).logsumexp(dim=0)
    own_N = logits_NC.gather(1, class_N[:, None])[:, 0]
    to_image_N = (over_images_C[class_N] - own_N).masked_fill(~labelled_N, 0.0)
    # A class counts as much as any other, however many images have it.
    size_C = torch.bincount(class_N[labelled_N], minlength=logits_NC.shape[1])
    present = (size_C > 0).sum().clamp(min=1)
    return to_name_N.sum() / count + (to_image_N / size_C[class_N].clamp(min=1)).sum() / present
