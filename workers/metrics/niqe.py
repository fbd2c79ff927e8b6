"""NIQE (Mittal et al., IEEE SPL 2013) on luma in blocks of 96x96, with the authors' model of pristine images."""

import io
import math
import warnings
from pathlib import Path

import numpy as np
import torch

from app.catalog.metrics import NIQE_PRISTINE
from app.services.weights import weight_path
from workers.metrics.loading import PyiqaMetric


class Niqe(PyiqaMetric):
    key = "niqe"

    def __init__(self, weights: Path, device: torch.device) -> None:
        file = weight_path(weights, NIQE_PRISTINE)
        import scipy.io
        from pyiqa.archs.niqe_arch import NIQE

        with np.load(file, allow_pickle=False) as pristine:
            model = {"mu_prisparam": pristine["mu_pris_param"], "cov_prisparam": pristine["cov_pris_param"]}
        matlab = io.BytesIO()
        scipy.io.savemat(matlab, model)
        super().__init__(NIQE(test_y_channel=True, crop_border=0, pretrained_model_path=matlab), device)

    def value(self, *image_and_reference: torch.Tensor) -> float:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"cov\(\)")  # the same case as below, told twice
            try:
                return super().value(*image_and_reference)
            except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
                return math.nan  # no block has statistics: a flat image leaves no covariance to invert
