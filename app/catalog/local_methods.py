"""The nine local methods. Every one understands ``strength``, ``keep_color`` and ``keep_detail``."""

from app.catalog.generator_spec import GeneratorSpec

LOCAL_METHODS: tuple[GeneratorSpec, ...] = (
    GeneratorSpec(
        key="local-srmd",
        title="SRMD",
        reference="Zhang, Zuo, Zhang: Learning a Single Convolutional Super-Resolution Network for Multiple "
        "Degradations, CVPR 2018",
        target="workers.generators.srmd:Srmd",
        params={
            "strength": 1.0,
            "keep_color": 0.3,
            "keep_detail": 0.0,
            "noise_gain": 1.0,
            "noise_floor": 3.0,
            "detail": 0.3,
            "sharpen": 1.0,
            "texture": 0.0,
            "scratch_margin": 0.0,
        },
        # A wiped surface looks like wax: a third of the print's own surface stays. No grain is ever added, because
        # it would end up in the training targets.
        category_params={
            "old_photo": {"scratch_margin": 0.1, "noise_floor": 4.5, "sharpen": 0.4, "detail": 0.2, "texture": 0.35}
        },
    ),
    GeneratorSpec(
        key="local-realesrgan",
        title="Real-ESRGAN",
        reference="Wang, Xie, Dong, Shan: Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic "
        "Data, ICCV Workshops 2021",
        target="workers.generators.realesrgan:RealEsrgan",
        params={
            "strength": 1.0,
            "keep_color": 0.5,
            "keep_detail": 0.0,
            "shrink": 2.0,
            "work_pixels": 41616.0,
            "back_projection": 0.7,
            "texture": 0.1,
            "scratch_margin": 0.0,
        },
        category_params={"old_photo": {"texture": 0.3, "scratch_margin": 0.1}},
    ),
    GeneratorSpec(
        key="local-nlm",
        title="Non-local means",
        reference="Buades, Coll, Morel: A Non-Local Algorithm for Image Denoising, CVPR 2005",
        target="workers.generators.nlm:NonLocalMeans",
        params={
            "strength": 1.0,
            "keep_color": 0.3,
            "keep_detail": 0.0,
            "luma_gain": 1.0,
            "chroma_gain": 1.5,
            "floor": 2.0,
        },
        category_params={"old_photo": {"luma_gain": 1.3}, "low_light": {"luma_gain": 1.2, "chroma_gain": 2.0}},
    ),
    GeneratorSpec(
        key="local-dcp",
        title="Dark channel prior",
        reference="He, Sun, Tang: Single Image Haze Removal Using Dark Channel Prior, CVPR 2009",
        target="workers.generators.dark_channel:DarkChannel",
        params={
            "strength": 1.0,
            "keep_color": 0.0,
            "keep_detail": 0.0,
            "patch": 15.0,
            "radius": 60.0,
            "omega": 0.9,
            "floor": 0.3,
            "neutral": 0.5,
            "lift": 0.3,
        },
    ),
    GeneratorSpec(
        key="local-lime",
        title="LIME",
        reference="Guo, Li, Ling: LIME: Low-Light Image Enhancement via Illumination Map Estimation, IEEE TIP 2017",
        target="workers.generators.lime:Lime",
        params={
            "strength": 1.0,
            "keep_color": 0.0,
            "keep_detail": 0.0,
            "gamma": 0.7,
            "alpha": 0.15,
            "floor": 0.05,
            "denoise": 1.0,
        },
    ),
    GeneratorSpec(
        key="local-derain",
        title="Rain streak detection and inpainting",
        reference="Telea: An Image Inpainting Technique Based on the Fast Marching Method, "
        "Journal of Graphics Tools 2004 (streaks found by a top-hat detector of our own)",
        target="workers.generators.derain:Derain",
        params={
            "strength": 1.0,
            "keep_color": 0.3,
            "keep_detail": 0.0,
            "width": 5.0,
            "length": 17.0,
            "longest": 120.0,
            "margin": 0.03,
            "denoise": 0.8,
        },
    ),
    GeneratorSpec(
        key="local-desnow",
        title="Snowflake detection and inpainting",
        reference="Telea: An Image Inpainting Technique Based on the Fast Marching Method, "
        "Journal of Graphics Tools 2004 (flakes found by a top-hat detector of our own)",
        target="workers.generators.desnow:Desnow",
        params={
            "strength": 1.0,
            "keep_color": 0.2,
            "keep_detail": 0.0,
            "size": 15.0,
            "margin": 0.1,
            "denoise": 0.8,
        },
    ),
    GeneratorSpec(
        key="local-scratch",
        title="Scratch detection and inpainting",
        reference="Telea: An Image Inpainting Technique Based on the Fast Marching Method, "
        "Journal of Graphics Tools 2004 (scratches found by a top-hat detector of our own)",
        target="workers.generators.scratch:ScratchInpainting",
        params={
            "strength": 1.0,
            "keep_color": 0.3,
            "keep_detail": 0.0,
            "margin": 0.1,
            "denoise": 1.2,
        },
    ),
    GeneratorSpec(
        key="local-rl",
        title="Richardson-Lucy deconvolution",
        reference="Dey et al.: Richardson-Lucy Algorithm with Total Variation Regularization for 3D Confocal Microscope "
        "Deconvolution, Microscopy Research and Technique 2006",
        target="workers.generators.richardson_lucy:RichardsonLucy",
        params={
            "strength": 1.0,
            "keep_color": 0.3,
            "keep_detail": 0.0,
            "sigma": 1.4,
            "iterations": 10.0,
            "regularization": 0.005,
            "denoise": 1.0,
            "overshoot": 0.06,
        },
    ),
)
