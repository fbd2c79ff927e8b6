"""NIQE (Mittal et al., IEEE SPL 2013) on luma in blocks of 96x96, with the authors' model of pristine images.

The steps are the paper's, with pyiqa's functions for features, halving and covariance. Only the Gaussian window is ours
(`gaussian.py`): pyiqa's took three quarters of the time.
"""

import io
import math
import warnings
from pathlib import Path

import numpy as np
import torch

from app.catalog.metric_weights import NIQE_PRISTINE
from app.services.weights import weight_path
from workers.metrics.gaussian import filtered, window
from workers.metrics.pyiqa_metric import PyiqaMetric

BLOCK = 96
SIZE = 7
WINDOW = window(SIZE, SIZE / 6)
EPS = torch.finfo(torch.float64).eps


class Niqe(PyiqaMetric):
    key = "niqe"

    def __init__(self, weights: Path, device: torch.device) -> None:
        file = weight_path(weights, NIQE_PRISTINE)
        import scipy.io
        from pyiqa.archs import niqe_arch

        with np.load(file, allow_pickle=False) as pristine:
            model = {"mu_prisparam": pristine["mu_pris_param"], "cov_prisparam": pristine["cov_pris_param"]}
        matlab = io.BytesIO()
        scipy.io.savemat(matlab, model)
        net = niqe_arch.NIQE(test_y_channel=True, crop_border=0, pretrained_model_path=matlab)
        super().__init__(net, device, weights)
        self._arch = niqe_arch
        self._mean = net.mu_pris_param.to(device, torch.float64)
        self._covariance = net.cov_pris_param.to(device, torch.float64)

    def value(self, *image_and_reference: torch.Tensor) -> float:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"cov\(\)")  # the same case as below, told twice
            try:
                return self._distance(image_and_reference[0])
            except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
                return math.nan  # no block has statistics: a flat image leaves no covariance to invert

    def _distance(self, image: torch.Tensor) -> float:
        """How far the blocks' statistics, fitted with one Gaussian, are from those of pristine images."""
        arch = self._arch
        luma = arch.to_y_channel(image, 255, self.net.color_space).round().double()
        height, width = (side // BLOCK * BLOCK for side in luma.shape[-2:])
        luma = luma[..., :height, :width]
        blocks = arch.blockproc(_contrast(luma), [BLOCK, BLOCK], fun=arch.compute_feature)
        half = arch.imresize(luma / 255, scale=0.5, antialiasing=True) * 255
        halved = arch.blockproc(_contrast(half), [BLOCK // 2, BLOCK // 2], fun=arch.compute_feature)
        features = torch.cat([blocks, halved], -1)
        covariance = (self._covariance + arch.nancov(features)) / 2
        difference = (self._mean - arch.nanmean(features, dim=1)).unsqueeze(1)
        squared = difference @ torch.linalg.pinv(covariance) @ difference.transpose(1, 2)
        return float(squared.sqrt())


def _contrast(luma: torch.Tensor) -> torch.Tensor:
    """Luma (1, 1, H, W) less its local mean, by its local deviation."""
    edge = SIZE // 2
    padded = torch.nn.functional.pad(luma, (edge, edge, edge, edge), mode="replicate")
    mean, square = filtered(torch.stack((padded, padded * padded)), WINDOW)
    contrast: torch.Tensor = (luma - mean) / (((square - mean * mean).abs() + EPS).sqrt() + 1)
    return contrast
