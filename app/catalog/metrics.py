"""Image quality metrics that can be chosen. One entry here, one file in workers/metrics."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.catalog.metric_weights import (
    AFINE,
    ALEXNET,
    BRISQUE_SVM,
    DISTS_WEIGHTS,
    LPIPS_HEADS,
    MANIQA_KONIQ,
    MUSIQ_KONIQ,
    NIQE_PRISTINE,
    TOPIQ_KONIQ,
    VGG16,
    WeightFile,
)


@dataclass(frozen=True)
class MetricSpec:
    """One metric. ``reference`` tells a full-reference metric from a no-reference one; ``better`` is its direction.

    ``params`` are the settings that change values; they are part of a score's version. An image with a side under
    ``min_side`` pixels, or one that is no multiple of ``side_multiple``, has no value. ``filters``: the metric filter can be
    set on it, so it is scored first; the others are scored when there is time, and judge nothing.
    """

    key: str
    title: str
    target: str
    reference: bool
    better: Literal["higher", "lower"]
    paper: str
    implementation: str = "pyiqa"
    version: str = "0.1.16"
    params: tuple[tuple[str, str], ...] = ()
    min_side: int = 1
    side_multiple: int = 1
    weights: tuple[WeightFile, ...] = ()
    filters: bool = False

    @property
    def weight_hash(self) -> str:
        """The hash of the weights as the catalogue knows them: ``""`` without any, and where one is known once fetched."""
        return self.hash_of([weight.sha256 for weight in self.weights])

    @property
    def version_key(self) -> str:
        """:meth:`version_with` the weights of the catalogue; ``app.services.weights.version_key`` knows fetched ones too."""
        return self.version_with(self.weight_hash)

    def version_with(self, weight_hash: str) -> str:
        """Everything that decides a value besides the pixels; part of a score's key (at most 200 characters)."""
        settings = [f"{name}={value}" for name, value in self.params]
        weights = [f"weights={weight_hash or 'unknown'}"] if self.weights else []
        return " ".join([self.implementation, self.version, *settings, *weights])

    @staticmethod
    def hash_of(hashes: Sequence[str]) -> str:
        """The SHA-256 of the weight file, of the list of them when there are several, ``""`` when there are none."""
        if not all(hashes):
            return ""
        return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest() if hashes else ""


METRICS: dict[str, MetricSpec] = {
    metric.key: metric
    for metric in (
        MetricSpec(
            key="psnr",
            title="PSNR",
            target="workers.metrics.psnr:Psnr",
            reference=True,
            better="higher",
            paper="Peak signal-to-noise ratio in dB; identical images give 80",
            params=(("colour", "RGB"), ("crop", "0")),
        ),
        MetricSpec(
            key="ssim",
            title="SSIM",
            target="workers.metrics.ssim:Ssim",
            reference=True,
            better="higher",
            paper="Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, IEEE TIP 2004",
            params=(("colour", "Y"), ("crop", "0"), ("downsample", "no")),
            min_side=11,
        ),
        MetricSpec(
            key="lpips",
            title="LPIPS",
            target="workers.metrics.lpips:Lpips",
            reference=True,
            better="lower",
            paper="Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, CVPR 2018",
            params=(("net", "alex"), ("release", "0.1")),
            min_side=31,
            weights=(ALEXNET, LPIPS_HEADS),
        ),
        MetricSpec(
            key="dists",
            title="DISTS",
            target="workers.metrics.dists:Dists",
            reference=True,
            better="lower",
            paper="Ding et al., Image Quality Assessment: Unifying Structure and Texture Similarity, IEEE TPAMI 2022",
            params=(("net", "vgg16"), ("resize", "no")),
            min_side=16,
            weights=(VGG16, DISTS_WEIGHTS),
        ),
        MetricSpec(
            key="niqe",
            title="NIQE",
            target="workers.metrics.niqe:Niqe",
            reference=False,
            better="lower",
            filters=True,
            paper='Mittal et al., Making a "Completely Blind" Image Quality Analyzer, IEEE SPL 2013',
            params=(("colour", "Y"), ("crop", "0"), ("block", "96")),
            min_side=96,
            weights=(NIQE_PRISTINE,),
        ),
        MetricSpec(
            key="piqe",
            title="PIQE",
            target="workers.metrics.piqe:Piqe",
            reference=False,
            better="lower",
            filters=True,
            paper="Venkatanath et al., Blind Image Quality Evaluation Using Perception Based Features, NCC 2015",
            params=(("colour", "Y"), ("block", "16")),
            min_side=16,
        ),
        MetricSpec(
            key="brisque",
            title="BRISQUE",
            target="workers.metrics.brisque:Brisque",
            reference=False,
            better="lower",
            filters=True,
            paper="Mittal et al., No-Reference Image Quality Assessment in the Spatial Domain, IEEE TIP 2012",
            params=(("colour", "Y"), ("svm", "original")),
            min_side=16,
            weights=(BRISQUE_SVM,),
        ),
        MetricSpec(
            key="musiq",
            title="MUSIQ",
            target="workers.metrics.musiq:Musiq",
            reference=False,
            better="higher",
            paper="Ke et al., MUSIQ: Multi-scale Image Quality Transformer, ICCV 2021",
            params=(("trained", "koniq10k"), ("scales", "224,384,full")),
            min_side=32,
            weights=(MUSIQ_KONIQ,),
        ),
        MetricSpec(
            key="maniqa",
            title="MANIQA",
            target="workers.metrics.maniqa:Maniqa",
            reference=False,
            better="higher",
            paper="Yang et al., MANIQA: Multi-dimension Attention Network for No-Reference IQA, CVPRW 2022",
            params=(("trained", "koniq10k"), ("scale", "0.8"), ("crops", "20,uniform")),
            min_side=32,
            weights=(MANIQA_KONIQ,),
        ),
        MetricSpec(
            key="topiq_nr",
            title="TOPIQ-NR",
            target="workers.metrics.topiq:TopiqNr",
            reference=False,
            better="higher",
            paper="Chen et al., TOPIQ: A Top-Down Approach From Semantics to Distortions for IQA, IEEE TIP 2024",
            params=(("trained", "koniq10k"), ("net", "resnet50")),
            min_side=32,
            weights=(TOPIQ_KONIQ,),
        ),
        MetricSpec(
            key="afine_nr",
            title="A-FINE-NR",
            target="workers.metrics.afine:AfineNr",
            reference=False,
            better="lower",
            paper="Chen et al., Toward Generalized IQA: Relaxing the Perfect Reference Quality Assumption, CVPR 2025",
            params=(("term", "naturalness"), ("net", "ViT-B/32")),
            min_side=32,
            side_multiple=32,
            weights=(AFINE,),
        ),
    )
}

VARIANTS: dict[str, MetricSpec] = {
    metric.key: metric
    for metric in (
        MetricSpec(
            key="psnr_y",
            title="PSNR-Y",
            target="workers.metrics.psnr:PsnrY",
            reference=True,
            better="higher",
            paper="PSNR on the luma of YCbCr (BT.601, 16-235), as super-resolution papers print it",
            params=(("colour", "YCbCr"), ("crop", "0")),
        ),
        MetricSpec(
            key="ssim_rgb",
            title="SSIM-RGB",
            target="workers.metrics.ssim:SsimRgb",
            reference=True,
            better="higher",
            paper="Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, IEEE TIP 2004",
            params=(("colour", "RGB"), ("crop", "0"), ("downsample", "no")),
            min_side=11,
        ),
    )
}
"""The same metrics with other settings, each a metric of its own with its own key. Scored where they are asked for only."""

KNOWN: dict[str, MetricSpec] = METRICS | VARIANTS
"""Whatever a score may be of."""
