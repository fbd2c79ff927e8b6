"""Archives. If these fail, photographs in a zip or tar vanish without a word, or a bad archive takes the server down."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from app import importers
from app.errors import GgtError
from tests.factories import picture
from tests.integration.photographs import png, write
from tests.unit.importer_samples import NO_IMAGE, ONE, THREE, TWO, Mode, read, tar, zipped

PHOTOS = {
    "b/two.png": TWO,
    "one.png": ONE,
    "letter.txt": b"Dear Sir or Madam",
    "nothing.png": b"",
    ".DS_Store": b"x",
    "__MACOSX/b/._two.png": b"x",
    "b/Thumbs.db": b"x",
}
FOUND = {"b/two.png": TWO, "one.png": ONE, "letter.txt": NO_IMAGE, "nothing.png": b""}


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("photos.zip", zipped),
        ("photos.tar", tar),
        ("photos.tar.gz", lambda path, files: tar(path, files, "w:gz")),
        ("photos.tar.xz", lambda path, files: tar(path, files, "w:xz")),
        ("photos.tbz2", lambda path, files: tar(path, files, "w:bz2")),
        ("misnamed", zipped),
    ],
)
def test_an_archive_gives_its_photographs_in_its_order_and_says_what_is_none(
    tmp_path: Path, name: str, make: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    place = str(make(tmp_path / name, PHOTOS))
    assert list(read(importers.entries(place)).items()) == list(FOUND.items())
    assert read(importers.entries(place, "archive")) == FOUND


def test_a_folder_and_its_archive_name_a_photograph_alike(tmp_path: Path) -> None:
    """Else a folder that was taken in would be added once more when its archive is."""
    folder = write(tmp_path / "photos", PHOTOS)
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        archive.add(folder, ".")
    assert set(read(importers.entries(str(tmp_path / "photos.tar")))) == set(read(importers.entries(str(folder))))


def test_zstd_is_read_where_pyarrow_is(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    plain = tar(tmp_path / "plain.tar", PHOTOS)
    with pyarrow.CompressedOutputStream(str(tmp_path / "photos.tar.zst"), "zstd") as packed:
        packed.write(plain.read_bytes())
    assert read(importers.entries(str(tmp_path / "photos.tar.zst"))) == FOUND
    with (tmp_path / "photos.tar.zst").open("rb") as sent:
        assert read(importers.uploaded(sent, "photos.tar.zst")) == FOUND


def test_names_of_members_are_names_and_never_paths(tmp_path: Path) -> None:
    files = {"../../etc/one.png": ONE, "/abs/two.png": TWO, "..": THREE}
    for place in (tar(tmp_path / "a.tar", files), zipped(tmp_path / "a.zip", files)):
        assert read(importers.entries(str(place))) == files
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.tar", "a.zip"]


def test_links_and_devices_in_a_tar_are_refused_one_by_one(tmp_path: Path) -> None:
    place = tar(tmp_path / "a.tar", {"one.png": ONE})
    kinds = {"soft": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "device": tarfile.CHRTYPE, "pipe": tarfile.FIFOTYPE}
    with tarfile.open(place, "a") as archive:
        for name, kind in kinds.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert read(importers.entries(str(place))) == {
        "one.png": ONE,
        "soft": "a link",
        "hard": "a link to /etc/passwd, which comes under its own name",
        "device": "not a regular file",
        "pipe": "not a regular file",
    }


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert read(importers.entries(str(tmp_path / "a.zip"))) == {"link.png": "a link"}


def test_an_encrypted_member_is_refused_and_the_others_come(tmp_path: Path) -> None:
    data = bytearray(zipped(tmp_path / "a.zip", {"secret.png": ONE, "two.png": TWO}).read_bytes())
    data[6] |= 1  # the flag in the member's own header, and in the archive's directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    found = read(importers.entries(str(tmp_path / "a.zip")))
    assert found == {"secret.png": "encrypted: unpack the archive with its password, and take the folder in", "two.png": TWO}


def test_a_member_is_read_no_further_than_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bomb of some kilobytes must not fill the memory: what is no photograph stops at its head, the rest at the limit."""
    monkeypatch.setenv("GGT_MAX_UPLOAD_MB", "1")
    huge = ONE + bytes(40 * 2**20)
    files = {"bomb.png": huge, "zeros": bytes(40 * 2**20), "two.png": TWO}
    for place in (zipped(tmp_path / "a.zip", files), tar(tmp_path / "a.tar.gz", files, "w:gz")):
        found = read(importers.entries(str(place)))
        assert (len(found["bomb.png"]), found["zeros"], found["two.png"]) == (2**20 + 1, NO_IMAGE, TWO)


def test_names_in_old_encodings_can_be_stored_and_printed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", encoding="latin-1", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo("café.png")
        info.size = len(ONE)
        archive.addfile(info, io.BytesIO(ONE))
    assert list(read(importers.entries(str(tmp_path / "a.tar")))) == ["caf\\xe9.png"]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("XXXX.png", ONE)  # four bytes in each place: those of "für" take three letters and a half
        file.writestr("line\nbreak.png", TWO)
    raw = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "utf8.zip").write_bytes(raw.replace(b"XXXX", "für".encode()))
    (tmp_path / "dos.zip").write_bytes(raw.replace(b"XXXX", b"f\x81r_"))
    assert list(read(importers.entries(str(tmp_path / "utf8.zip")))) == ["für.png", "line\\nbreak.png"]
    assert list(read(importers.entries(str(tmp_path / "dos.zip")))) == ["für_.png", "line\\nbreak.png"]


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_damaged_archive_gives_what_it_holds_and_says_that_it_ends(tmp_path: Path, keep: float, mode: Mode) -> None:
    photos = {f"{number}.png": png(picture(400 + number, 64)) for number in range(8)}
    whole = tar(tmp_path / "a.tar", photos, mode).read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[: int(len(whole) * keep)])
    found = read(importers.entries(str(tmp_path / "a.tar")))
    whole_ones = {name: data for name, data in found.items() if isinstance(data, bytes)}
    assert 0 < len(whole_ones) < 8
    assert all(photos[name] == data for name, data in whole_ones.items())
    assert str(found["a.tar"]).startswith("the archive is damaged after ")


def test_garbage_within_a_tar_does_not_end_it_without_a_word(tmp_path: Path) -> None:
    data = bytearray(tar(tmp_path / "a.tar", {"1.png": ONE, "2.png": TWO}).read_bytes())
    header = data.index(b"2.png")
    data[header : header + 512] = b"x" * 512
    (tmp_path / "a.tar").write_bytes(data)
    found = read(importers.entries(str(tmp_path / "a.tar")))
    assert found["1.png"] == ONE
    assert found["a.tar"] == "the archive is damaged after 1.png (invalid header): what follows is not taken"


def test_a_header_that_claims_gigabytes_is_not_read(tmp_path: Path) -> None:
    place = tar(tmp_path / "a.tar", {"1.png": ONE})
    with tarfile.open(place, "a", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo("pax")
        info.type, info.size = tarfile.XHDTYPE, 2**40
        archive.addfile(info)
    assert "a header of 1099511627776 bytes" in str(read(importers.entries(str(place)))["a.tar"])


def test_damaged_data_of_one_member_of_a_zip_is_its_own_trouble(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("1.png", ONE)
        archive.writestr("2.png", TWO)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[len(ONE) // 2] ^= 255
    (tmp_path / "a.zip").write_bytes(data)
    found = read(importers.entries(str(tmp_path / "a.zip")))
    assert found == {"1.png": "damaged in the archive: Bad CRC-32 for file '1.png'", "2.png": TWO}


@pytest.mark.parametrize("data", [b"", b"hello" * 400, b"PK\x03\x04 and no more", ONE])
def test_what_is_no_archive_is_said_before_anything_is_taken_in(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(GgtError, match=r"^file cannot be opened \(.+look whether it is there whole"):
        importers.entries(str(tmp_path / "file"))


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_no_member_is_read_before_it_is_asked_for(tmp_path: Path, mode: Mode) -> None:
    """An archive of 100 GB is never in memory: only the photograph at hand is."""
    place = tar(tmp_path / "a.tar", {f"{n}.png": ONE + bytes([n]) * 10**6 for n in range(40)}, mode)
    file = open(place, "rb")  # noqa: PTH123, SIM115
    entries = importers.uploaded(file, "a.tar")
    assert next(entries).held == len(ONE) + 10**6
    after_one = file.tell()
    assert next(entries).held
    if mode == "w":
        assert after_one < 2 * 10**6 < file.tell() + 2**18
        assert file.tell() < 3 * 10**6
    assert len(list(entries)) == 38
    file.close()


def test_a_tar_of_very_many_files_keeps_no_list_of_them(tmp_path: Path) -> None:
    import tracemalloc

    place = tar(tmp_path / "a.tar", {f"{number:06}.txt": b"x" for number in range(2500)})
    entries = importers.entries(str(place))
    next(entries)
    tracemalloc.start()
    assert sum(1 for _ in entries) == 2499
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20, "tarfile alone would keep 3 MB of headers here"
