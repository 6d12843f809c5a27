"""Package archives: only named regular members are read, nothing is written, damage is one clear line."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from fflbench.data.archives import read_members
from fflbench.errors import DataError


def tar_bytes(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as tar:  # type: ignore[call-overload]
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def ar_bytes(members: dict[str, bytes]) -> bytes:
    parts = [b"!<arch>\n"]
    for name, data in members.items():
        parts.append(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode())
        parts.append(data + b"\n" * (len(data) % 2))
    return b"".join(parts)


@pytest.fixture
def tgz(tmp_path: Path) -> Path:
    file = tmp_path / "package.tgz"
    file.write_bytes(tar_bytes({"package/a": b"first", "package/b": b"second", "../../evil": b"!"}))
    return file


def test_named_members_are_read_and_nothing_is_written(tgz: Path) -> None:
    before = sorted(tgz.parent.parent.rglob("*"))
    assert read_members(tgz, ["package/b", "package/a"]) == {"package/a": b"first", "package/b": b"second"}
    assert sorted(tgz.parent.parent.rglob("*")) == before


def test_an_absent_member_is_named(tgz: Path) -> None:
    with pytest.raises(DataError, match=r"package.tgz: holds no regular file package/c: delete it"):
        read_members(tgz, ["package/a", "package/c"])


def test_a_truncated_archive_is_refused(tgz: Path) -> None:
    tgz.write_bytes(tgz.read_bytes()[:60])
    with pytest.raises(DataError, match=r"package.tgz cannot be read .*: delete it and fetch it again"):
        read_members(tgz, ["package/b"])


def test_a_link_under_a_wanted_name_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        link = tarfile.TarInfo("package/a")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    (tmp_path / "link.tgz").write_bytes(stream.getvalue())
    with pytest.raises(DataError, match="package/a is not one regular file"):
        read_members(tmp_path / "link.tgz", ["package/a"])


def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    data = tar_bytes({"a": b"1"}, "w")
    (tmp_path / "twice.tar.gz").write_bytes(data[:1024] + data)
    with pytest.raises(DataError, match="a is not one regular file"):
        read_members(tmp_path / "twice.tar.gz", ["a"])
    with zipfile.ZipFile(tmp_path / "twice.whl", "w") as file:
        file.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("a", b"2")
    with pytest.raises(DataError, match="a is there more than once"):
        read_members(tmp_path / "twice.whl", ["a"])


def test_a_wheel_is_read_and_a_broken_one_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.whl"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("data/a", b"first" * 100)
    assert read_members(file, ["data/a"]) == {"data/a": b"first" * 100}
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"x.whl cannot be read"):
        read_members(file, ["data/a"])


@pytest.mark.parametrize("packing", ["gz", "xz"])
def test_a_debian_package_is_read(tmp_path: Path, packing: str) -> None:
    content = tar_bytes({"./usr/share/a": b"first"}, f"w:{packing}")
    file = tmp_path / "x.deb"
    file.write_bytes(ar_bytes({"debian-binary": b"2.0\n", "control": b"odd", f"data.tar.{packing}": content}))
    assert read_members(file, ["./usr/share/a"]) == {"./usr/share/a": b"first"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"not an ar file", "not a Debian package"),
        (ar_bytes({"debian-binary": b"2.0\n"}), "holds no data.tar"),
        (ar_bytes({"data.tar.xz": b"x" * 100})[:-10], "ends in the middle of data.tar"),
        (ar_bytes({"data.tar.xz": b"x" * 100}), "cannot be read"),
    ],
)
def test_a_broken_debian_package_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "x.deb").write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_members(tmp_path / "x.deb", ["./a"])


def test_an_absent_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x.tgz cannot be read"):
        read_members(tmp_path / "x.tgz", ["a"])
