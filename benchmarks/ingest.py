"""Images per second of ingest's pixel work, against libvips alone doing the least it could.

    python -m benchmarks.ingest [--images 8] [--cores 1] [--seed 0]

Ingest, as ``app/services/photograph.py`` does it: decode a 12 MP JPEG with a camera's EXIF, hash its bytes and what it
looks like, cut its patches by each category's policy, hash and encode each patch as a PNG master and a thumbnail. libvips
alone: the same JPEG decoded and the same number of patches cropped and saved by ``pngsave`` at level 1, in the same
process, the two taking turns so that a busy machine slows both. ``--cores`` images are worked on at once, one thread of
libvips each.

The last two lines are whole ingests of a folder into a database and storage of their own (files synced, duplicates looked
for, rows committed) with the product's two threads a core, against libvips writing the same patches to files: as images at
once, and as patches to be screened, where libvips only decodes and makes the picture of the whole.
"""

import argparse
import io
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyvips
from PIL import Image

from app.domain.patching import Patching, plan_patches
from app.imaging import cut, decode, encode_png, phash, pixel_hash, set_concurrency, sha256, thumbnail_webp
from app.services.photograph import Then

WIDTH, HEIGHT = 4000, 3000
TURN = 12
"""Photographs in a turn of a whole ingest: many enough that its start and end do not count."""
STAGES = ("decode", "hash", "cut", "patch hash", "png", "thumbnail")


def photograph(seed: int) -> bytes:
    """A 12 MP JPEG with structure at many scales and sensor noise, so that it costs what a camera's file costs."""
    rng = np.random.default_rng(seed)
    total = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for size in (4, 16, 64, 256):
        noise = Image.fromarray(rng.integers(0, 256, (size, size, 3), dtype=np.uint8))
        total += np.asarray(noise.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.float32) / 4
    total += rng.normal(0, 4, (HEIGHT, WIDTH, 1)).astype(np.float32)
    exif = Image.Exif()
    exif[0x0112] = 1
    buffer = io.BytesIO()
    Image.fromarray(np.clip(total, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=92, exif=exif)
    return buffer.getvalue()


def ingest(data: bytes, patching: Patching, spent: dict[str, float]) -> int:
    """All the pixel work for one photograph; adds seconds per stage to ``spent`` and returns the number of patches."""
    clock = time.perf_counter

    def lap(stage: str, start: float) -> float:
        spent[stage] += (now := clock()) - start
        return now

    start = clock()
    decoded = decode(data, reduce_to=lambda width, height: plan_patches(width, height, patching).resized)
    pixels = decoded.pixels
    start = lap("decode", start)
    sha256(data), phash(pixels)
    start = lap("hash", start)
    patches = list(cut(pixels, plan_patches(decoded.width, decoded.height, patching)))
    start = lap("cut", start)
    for _, patch in patches:
        pixel_hash(patch)
        start = lap("patch hash", start)
        encode_png(patch)
        start = lap("png", start)
        thumbnail_webp(patch, 320)
        start = lap("thumbnail", start)
    return len(patches)


def libvips_alone(data: bytes, patching: Patching) -> None:
    """Decode, reduce where the policy does, crop and save, and nothing else."""
    plan = plan_patches(WIDTH, HEIGHT, patching)
    if plan.resized:
        image = pyvips.Image.thumbnail_buffer(data, plan.resized[0], height=plan.resized[1], size="force")
        image = image.copy_memory()
    else:
        image = pyvips.Image.jpegload_buffer(data).copy_memory()
    for box in plan.boxes:
        image.crop(box.x, box.y, box.width, box.height).pngsave_buffer(compression=1, keep="none")


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark of ingest's pixel work.")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    set_concurrency(1)
    photographs = [photograph(options.seed + i) for i in range(min(options.images, 4))]
    work = [photographs[i % len(photographs)] for i in range(options.images)]
    ingest(photographs[0], "resize_crop", dict.fromkeys(STAGES, 0.0))  # ImageHash loads SciPy at its first hash
    print(f"{options.images} JPEGs of 12 MP, {len(photographs[0]) / 1e6:.1f} MB each, {options.cores} at once\n")
    print(f"{'policy':12} {'photos/s':>9} {'patches/s':>10} {'libvips alone':>14} {'ratio':>6}   share of time")
    with ThreadPoolExecutor(options.cores) as pool:
        for patching in ("crop", "resize_crop"):
            print(row(pool, work, patching, options.cores))
        with tempfile.TemporaryDirectory(prefix="ggt-bench-") as folder:
            os.environ["GGT_DATA_DIR"] = f"{folder}/data"
            Path(f"{folder}/data").mkdir()
            for then in ("images", "screen"):
                print(whole(pool, Path(folder) / then, options.images, then, options.cores))


def whole(pool: ThreadPoolExecutor, folder: Path, images: int, then: Then, cores: int) -> str:
    """One line: ingest of a folder of a rainy source, and libvips from file to file, in turns of ``TURN`` photographs."""
    from app import migrate
    from app.db import unit_of_work
    from app.services import ingest as service
    from app.services.ingest_folder import ingest_files

    migrate.upgrade()
    target = folder / "libvips"
    target.mkdir(parents=True)
    ours = alone = 0.0
    for turn in range(0, images, TURN):
        part = folder / f"part{turn}"
        part.mkdir()
        for number in range(turn, min(turn + TURN, images)):
            (part / f"{then}{number}.jpg").write_bytes(photograph((1000 if then == "images" else 2000) + number))
        with unit_of_work() as session:
            source = service.SourceInput(f"benchmark {then}")
            run_id = service.start_ingest(
                session, user_id=None, category="rain", source=source, title="benchmark", then=then
            ).id or 0  # fmt: skip
        start = time.perf_counter()
        added = [one for one in ingest_files(run_id, part, threads=2 * cores) if one.status == "added"]
        middle = time.perf_counter()
        list(pool.map(libvips_files, sorted(part.iterdir()), [target] * TURN, [then] * TURN))
        ours += middle - start
        alone += time.perf_counter() - middle
        assert len(added) == len(list(part.iterdir())), "every photograph is to be taken in"
    return f"{'whole, ' + then:14} {images / ours:7.2f} {'':10} {images / alone:14.2f} {alone / ours:6.2f}"


def libvips_files(path: Path, target: Path, then: Then) -> None:
    """The same from file to file."""
    data = path.read_bytes()
    if then == "screen":
        image = pyvips.Image.jpegload_buffer(data).copy_memory()
        image.thumbnail_image(640, height=640, size="down").webpsave(str(target / f"{path.stem}.webp"), Q=80, effort=2)
        return
    plan = plan_patches(WIDTH, HEIGHT, "resize_crop")
    assert plan.resized is not None
    image = pyvips.Image.thumbnail_buffer(data, plan.resized[0], height=plan.resized[1], size="force").copy_memory()
    for number, box in enumerate(plan.boxes):
        image.crop(box.x, box.y, box.width, box.height).pngsave(
            str(target / f"{path.stem}-{number}.png"), compression=1, keep="none"
        )


def row(pool: ThreadPoolExecutor, work: list[bytes], patching: Patching, cores: int) -> str:
    """One line of the table: both ways over the same photographs, in turns of ``cores``."""
    spent = [dict.fromkeys(STAGES, 0.0) for _ in work]
    patches: list[int] = []
    ours = alone = 0.0
    for at in range(0, len(work), cores):
        turn = slice(at, at + cores)
        start = time.perf_counter()
        patches += pool.map(ingest, work[turn], [patching] * cores, spent[turn])
        middle = time.perf_counter()
        list(pool.map(libvips_alone, work[turn], [patching] * cores))
        ours += middle - start
        alone += time.perf_counter() - middle
    total = {stage: sum(one[stage] for one in spent) for stage in STAGES}
    shares = ", ".join(f"{stage} {value / sum(total.values()):.0%}" for stage, value in total.items())
    count = len(work)
    speed = f"{count / ours:9.2f} {sum(patches) / ours:10.1f} {count / alone:14.2f}"
    return f"{patching:12} {speed} {alone / ours:6.2f}   {shares}"


if __name__ == "__main__":
    main()
