"""Folders by class, as ImageNet has them: root/[split/]class/file. The class is a keyword of its photographs."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from app.domain.file_names import readable
from app.importers.provenance import keywords
from app.services.ingest_folder import folder_entries
from app.services.photograph import Entry

MAPPINGS = ("LOC_synset_mapping.txt", "classes.txt")
"""Files of the root whose lines are a class's folder and, after it, its name in words: n01440764 tench, Tinca tinca."""
SPLITS = frozenset({"train", "val", "valid", "validation", "test"})
"""Folders that are no class."""


def entries(location: str) -> Iterator[Entry]:
    """Every file below a folder, with its class in words (each synonym a keyword), or its class's folder, as keywords."""
    root = Path(location).resolve()
    return _entries(root, _words(root))


def _entries(root: Path, words: Mapping[str, str]) -> Iterator[Entry]:
    for entry in folder_entries(root):
        folder = PurePosixPath(entry.name).parent.name
        if folder and folder.lower() not in SPLITS:
            told = keywords(words.get(folder, folder).replace(",", ";"))
            yield replace(entry, provenance=replace(entry.provenance, keywords=told))
        elif entry.name not in MAPPINGS:
            yield entry


def _words(root: Path) -> dict[str, str]:
    found = {}
    for name in MAPPINGS:
        if (root / name).is_file():
            for line in (root / name).read_text(encoding="utf-8-sig", errors="backslashreplace").splitlines():
                if words := readable(" ".join(line.split())):
                    folder, _, name_in_words = words.partition(" ")
                    found[folder] = name_in_words or folder
    return found
