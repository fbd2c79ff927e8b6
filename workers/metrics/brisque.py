"""BRISQUE (Mittal et al., IEEE TIP 2012) on luma, with the support vector regressor its authors released."""

import io
import math
from pathlib import Path

import numpy as np
import torch

from app.catalog.metric_weights import BRISQUE_SVM
from app.services.weights import weight_path
from workers.metrics.pyiqa_metric import PyiqaMetric

FEATURES = 36
RHO = "-153.591"  # built into pyiqa; another model's support vectors would give plausible, wrong values


class Brisque(PyiqaMetric):
    key = "brisque"

    def __init__(self, weights: Path, device: torch.device) -> None:
        file = weight_path(weights, BRISQUE_SVM)
        from pyiqa.archs.brisque_arch import BRISQUE

        model = io.BytesIO()
        torch.save(read_libsvm(file.read_text("ascii")), model)
        model.seek(0)
        super().__init__(BRISQUE(test_y_channel=True, version="original", pretrained_model_path=model), device, weights)

    def value(self, *image_and_reference: torch.Tensor) -> float:
        image = image_and_reference[0]
        if image.max() == image.min():
            return math.nan
        try:
            return super().value(image)
        except AssertionError:  # no variance left at half size
            return math.nan


def read_libsvm(text: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Coefficients (S,) and support vectors (S, 36) of a libsvm model file. Raises ValueError on another model's file."""
    header, _, body = text.partition("SV\n")
    fields = dict(line.split(maxsplit=1) for line in header.splitlines())
    rows = [line.split() for line in body.splitlines() if line.strip()]
    if fields.get("rho") != RHO or fields.get("total_sv") != str(len(rows)):
        raise ValueError(f"not the BRISQUE model of rho {RHO}: rho {fields.get('rho')}, {len(rows)} vectors")
    vectors = np.zeros((len(rows), FEATURES))
    for row, (_, *pairs) in zip(vectors, rows, strict=True):
        for pair in pairs:
            index, value = pair.split(":")
            row[int(index) - 1] = float(value)
    return torch.tensor([float(row[0]) for row in rows]), torch.from_numpy(vectors).float()
