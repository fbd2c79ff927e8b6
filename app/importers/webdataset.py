"""WebDataset shards: tars in which the files of one sample stand together, named by one key (key.jpg, key.json, ...)."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise, product
from math import prod
from pathlib import Path, PurePosixPath

from app.config import settings
from app.domain.file_names import readable
from app.errors import BadImage, GgtError
from app.importers import archive, bucket
from app.importers.archive import DAMAGE, Member, Opener
from app.importers.provenance import provenance, web_address
from app.services.photograph import NOTHING_KNOWN, Entry, Provenance

BESIDE = frozenset({"json", "txt", "text", "caption", "cls"})
"""What describes a photograph. The JSON is read; the rest says what is in the picture, which is not kept."""
IMAGES = frozenset({"jpg", "jpeg", "png", "webp", "tif", "tiff", "bmp"})
MAX_JSON = 2**20
"""Longest description in bytes."""
MAX_SHARDS = 100_000
_PEEKED = 64
_TAR = re.compile(r"\.(tar|tgz)(\.[a-z0-9]+)?$", re.IGNORECASE)
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass
class _Sample:
    """The files of one key: its photographs, already read, and what its JSON says of them."""

    key: str = ""
    photographs: list[Entry] = field(default_factory=list)
    description: str = ""
    told: Provenance = NOTHING_KNOWN
    problem: str = ""

    def entries(self) -> Iterator[Entry]:
        for one in self.photographs:
            yield Entry.refused(one.name, self.problem) if self.problem else replace(one, provenance=self.told)
        if self.description and not self.photographs:
            yield Entry.refused(self.description, self.problem or "describes a photograph that is not beside it")


def entries(location: str) -> Iterator[Entry]:
    """The photographs of a shard, of a range such as ``shards-{000000..000003}.tar``, or of a folder's .tar files.

    A shard that is missing or no tar is refused with the reason, and the others go on. Raises GgtError where none is there.
    """
    found = shards(location)
    if not found:
        raise GgtError(f"{location} has no .tar files.")
    if not bucket.is_remote(location) and not any(Path(shard).is_file() for shard in found):
        raise GgtError(f"{found[0]} is not there" + (", and neither are the others of the range." if found[1:] else "."))
    return (entry for shard in found for entry in shard_entries(bucket.opener(shard), PurePosixPath(shard).name))


def is_range(location: str) -> bool:
    """Whether a location names shards by a range of numbers."""
    return bool(_RANGE.search(location))


def shards(location: str) -> list[str]:
    """The shards that a location names, in the order of their names. Raises GgtError for a range without end."""
    text, ranges = _RANGE.split(location)[::3], _RANGE.findall(location)
    if ranges:
        numbers = [range(int(low), int(high) + 1) for low, high in ranges]
        if prod(map(len, numbers)) > MAX_SHARDS:
            raise GgtError(f"{location} names more than {MAX_SHARDS:,} shards.")
        padded = [[str(number).zfill(len(low)) for number in these] for these, (low, _) in zip(numbers, ranges, strict=True)]
        return ["".join(a + b for a, b in zip(text, (*chosen, ""), strict=True)) for chosen in product(*padded)]
    if _TAR.search(location) or Path(location).is_file():
        return [location]
    if bucket.is_remote(location):
        return [name for name in bucket.names(location) if name.endswith(".tar")]
    return sorted(str(path) for path in Path(location).glob("*.tar"))


def looks_like_one(opener: Opener, name: str) -> bool:
    """Whether a tar begins as shards do: a photograph and what describes it, one after the other, under one key."""
    if archive.is_zip(opener):
        return False
    with closing(archive.members(opener, name)) as members:
        names = [_split(member.name) for member in islice(members, _PEEKED)]
    return any(a == b and {x in BESIDE, y in BESIDE} == {x in IMAGES, y in IMAGES} == {True, False}
               for (a, x), (b, y) in pairwise(names))  # fmt: skip


def shard_entries(opener: Opener, name: str) -> Iterator[Entry]:
    """The photographs of one shard, each with what the JSON of its key says; known as shard/key.extension."""
    shard, sample = _TAR.sub("", name), _Sample()
    most = 2 * settings().max_upload_mb * 2**20
    try:
        members = archive.members(opener, name)
    except GgtError as error:
        yield Entry.refused(name, str(error))
        return
    for member in members:
        key, extension = _split(member.name)
        if key != sample.key or sum(one.held for one in sample.photographs) > most:
            yield from sample.entries()
            sample = _Sample(key)
        named = replace(member, name=name if member.name == name else f"{shard}/{member.name}")
        if member.problem or extension not in BESIDE:
            sample.photographs.append(archive.entry(named))
        elif extension == "json":
            sample.description = named.name
            try:
                sample.told = _described(named)
            except BadImage as error:
                sample.problem = str(error)
    yield from sample.entries()


def _split(name: str) -> tuple[str, str]:
    """A member's key and its extension: all before the first dot of its last part, and what follows the last dot."""
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(".")[0], last.rpartition(".")[2].lower()


def _described(member: Member) -> Provenance:
    try:
        with member.open() as file:
            data = file.read(MAX_JSON + 1)
        told = json.loads(data) if len(data) <= MAX_JSON else None
    except (*DAMAGE, RecursionError) as error:
        raise BadImage(f"{member.name} cannot be read: {readable(str(error))[:200]}") from error
    if not isinstance(told, dict):
        raise BadImage(f"{member.name} is not a JSON object of at most {MAX_JSON // 2**20} MB")
    return provenance(told, url=web_address(told.get("url"), told.get("page")))
