"""Data sets with annotation files as COCO has them: images, their licences and addresses, and what is in them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from app.catalog.licences import LICENCES
from app.domain.file_names import readable
from app.errors import BadImage, GgtError
from app.importers.provenance import known_licence, moment, provenance, text, web_address
from app.services.ingest_folder import files_in, read_below
from app.services.photograph import Entry

KEPT = ("flickr_url", "coco_url", "date_captured", "author", "author_url")
"""Fields of an image that are kept, beside its licence."""
PEEKED = 2**20
"""How much of a JSON file in bytes is looked at to see whether it lists images."""


@dataclass
class _Listed:
    """An image that annotation files list, and what they say of it. ``file`` names the first of them."""

    file: str
    told: dict[str, Any] = field(default_factory=dict)
    keywords: dict[str, None] = field(default_factory=dict)
    problem: str = ""


def annotation_files(folder: Path) -> list[Path]:
    """The annotation files of a folder: those in annotations/ that list images (any, if none is seen to), else its own."""
    inside, beside = sorted((folder / "annotations").glob("*.json")), sorted(folder.glob("*.json"))
    return [path for path in inside or beside if _lists_images(path)] or inside


def entries(location: str) -> Iterator[Entry]:
    """The photographs that annotation files list, by path; what they list and is missing, or is there unlisted, is refused.

    ``location`` is the data set's folder, or one annotation file: then only what it lists is looked at. Raises GgtError
    at once where an annotation file cannot be read.
    """
    place = Path(location).resolve()
    whole = place.is_dir()
    used = annotation_files(place) if whole else [place]
    if not used:
        raise GgtError(f"{location} has no annotation files: none in annotations/, and no .json that lists images.")
    root = place if whole else place.parent.parent if place.parent.name == "annotations" else place.parent
    found = {name: path for name, path in files_in(root) if path.suffix.lower() != ".json"}
    by_last: dict[str, list[str]] = {}
    for name in found:
        by_last.setdefault(PurePosixPath(name).name, []).append(name)
    listed: dict[str, _Listed] = {}
    for file in used:
        _read_annotations(file, by_last, listed)
    return _entries(root, found, listed, unlisted=whole)


def _entries(root: Path, found: Mapping[str, Path], listed: dict[str, _Listed], *, unlisted: bool) -> Iterator[Entry]:
    for name in sorted({*listed, *(found if unlisted else ())}):
        one = listed.get(name)
        if one is None:
            yield Entry.refused(name, "no annotation file lists it")
        elif one.problem:
            yield Entry.refused(name, one.problem)
        else:
            yield _entry(root, name, found[name], one)


def _entry(root: Path, name: str, path: Path, one: _Listed) -> Entry:
    url = web_address(one.told.get("flickr_url"), one.told.get("coco_url"))
    try:
        # COCO's date_captured is the day on which it took the photographs from Flickr.
        had = moment(one.told.get("date_captured")) if url else None
    except BadImage:
        had = None
    try:
        known = provenance({**one.told, "keywords": list(one.keywords)}, url=url, fetched_at=had)
    except BadImage as error:
        return Entry.refused(name, str(error))
    return Entry(name, lambda: read_below(root, path), known)


def _read_annotations(file: Path, by_last: Mapping[str, list[str]], listed: dict[str, _Listed]) -> None:
    try:
        whole = json.loads(file.read_bytes())
        licences = {one["id"]: _licence(one) for one in whole.get("licenses", ())}
        categories = {one["id"]: text(one.get("name")) for one in whole.get("categories", ())}
        names = {}
        for image in whole["images"]:
            name, problem = _resolved(str(image["file_name"]), file, by_last)
            one = listed.setdefault(name, _Listed(file.name, problem=problem))
            kept = {key: image[key] for key in KEPT if image.get(key)}
            if licence := licences.get(image.get("license"), ""):
                kept["licence"] = licence
            one.told = kept | one.told
            names[image["id"]] = one
        for annotation in whole.get("annotations", ()):
            category = categories.get(annotation.get("category_id"))
            if category and (of := names.get(annotation.get("image_id"))):
                of.keywords[category] = None
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        what = f"{type(error).__name__}: {readable(str(error))[:200]}"
        raise GgtError(f"{file} cannot be read as COCO's annotations are ({what}). Leave it out, or repair it.") from error


def _licence(one: Mapping[str, Any]) -> str:
    """By its address, which names the version, else by its name."""
    url, name = text(one.get("url")), text(one.get("name"))
    return next((told for told in (url, name) if known_licence(told) in LICENCES), name or url)


def _resolved(file_name: str, annotations: Path, by_last: Mapping[str, list[str]]) -> tuple[str, str]:
    """The file that an annotation file means: one whose path ends like it, best in the folder of the same split.

    Returns its name, or what it is listed as and why it is none. It is looked for among the files that are there, so a
    path that leads elsewhere finds nothing.
    """
    wanted = readable(file_name).removeprefix("./") or "(no name)"
    last = PurePosixPath(wanted).name
    ends = [name for name in by_last.get(last, ()) if name == wanted or name.endswith(f"/{wanted}")]
    if len(ends) > 1:
        splits = {annotations.stem.rpartition("_")[2], annotations.parent.name}
        same = [name for name in ends if splits & {*PurePosixPath(name).parts[:-1]}]
        ends = [name for name in ends if name == wanted] or same or ends
    if len(ends) == 1:
        return ends[0], ""
    known = f"listed in {annotations.name}"
    return wanted, f"{known}, but there are {len(ends)} files of that name" if ends else f"{known}, but not there"


def _lists_images(path: Path) -> bool:
    with path.open("rb") as file:
        return b'"images"' in file.read(PEEKED)


def seems_one(folder: Path) -> bool:
    """Whether a folder holds annotation files that list images."""
    return any(map(_lists_images, annotation_files(folder)))
