#!/usr/bin/env python3
"""Gathers some 200 MB of public text that nobody wrote for redaction into target/redaction-corpus.

    python3 bench/redaction/gather.py

Reproducible: crates are those of Cargo.lock, by its checksums; Debian's packages are pinned here by version and
SHA-256; what is taken of each is decided by name and size alone. It ends with one digest over everything, which
`corpus.sha256` beside it holds to: with another Cargo.lock the digest differs, and it says so.

Needs cargo, dpkg-deb and a Debian mirror (or snapshot.debian.org, for versions that mirrors have dropped).
"""

import gzip
import hashlib
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.parse
import urllib.request

import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "target" / "redaction-corpus"
KEPT = ROOT / "target" / "redaction-debs"

# Package, version, SHA-256, its place in the pool, most bytes taken of it.
DEBS = [
    (
        "debian-handbook",
        "11.20220922",
        "3d5dbeac1f1afc9c094eab9d0f701f6ecff99c4927d5a4794cf6c85678134faa",
        "pool/main/d/debian-handbook/debian-handbook_11.20220922_all.deb",
        16 << 20,
    ),
    (
        "debian-policy",
        "4.6.2.0",
        "ef9d01b625c3b87c3a845c2cd1b66f1a16e9240b2b9e5bee53472a00e8457a39",
        "pool/main/d/debian-policy/debian-policy_4.6.2.0_all.deb",
        24 << 20,
    ),
    (
        "debian-reference-en",
        "2.100",
        "9f31d3a17df505de09689ca255512ea58c1fc47c59bb1b0c7bf1c23362e9743f",
        "pool/main/d/debian-reference/debian-reference-en_2.100_all.deb",
        24 << 20,
    ),
    (
        "developers-reference",
        "12.18",
        "0dba82f6fa16e373f2a84ad07e7971aa9264ad2e7d2ae46b37edbc9c5fd57e2e",
        "pool/main/d/developers-reference/developers-reference_12.18_all.deb",
        24 << 20,
    ),
    (
        "git-doc",
        "1:2.39.5-0+deb12u3",
        "3c89668a11053a6bafade3de1f611f4613db31e082af63f43d8c5b69ad8795ec",
        "pool/main/g/git/git-doc_2.39.5-0+deb12u3_all.deb",
        24 << 20,
    ),
    (
        "libpython3.11-stdlib",
        "3.11.2-6+deb12u9",
        "10f13e000ee757f5f2d2d3569f9e30546214a0c850acd78695feae373bfa3e53",
        "pool/updates/main/p/python3.11/libpython3.11-stdlib_3.11.2-6+deb12u9_amd64.deb",
        24 << 20,
    ),
    (
        "libpython3.11-testsuite",
        "3.11.2-6+deb12u9",
        "5dd0f85e950b344a51374e0ef68089e808f73c6c594c80e5232936b5c7ea4a28",
        "pool/updates/main/p/python3.11/libpython3.11-testsuite_3.11.2-6+deb12u9_all.deb",
        24 << 20,
    ),
    (
        "linux-doc-6.1",
        "6.1.192-3",
        "f18dfe28dcab7bdbf9185be16b9521f5841277a6a96c374a6683a648d5d5fa4f",
        "pool/updates/main/l/linux/linux-doc-6.1_6.1.192-3_all.deb",
        30 << 20,
    ),
    (
        "python3.11-doc",
        "3.11.2-6+deb12u9",
        "5b3594189d6ef9a6963ce0347fd307a1cc67620ad697e144db366070e2e146be",
        "pool/updates/main/p/python3.11/python3.11-doc_3.11.2-6+deb12u9_all.deb",
        24 << 20,
    ),
]
CRATE_MOST = 2 << 20
CRATES_MOST = 110 << 20
FILE_MOST = 1 << 20
LOCKS = {
    "Cargo.lock",
    "Cargo.lock.msrv",
    "go.sum",
    "package-lock.json",
    "yarn.lock",
    "poetry.lock",
    "uv.lock",
}


def text(name: str, data: bytes) -> bytes | None:
    """The bytes of a file that is text; None for everything else."""
    if name.endswith(".gz"):
        try:
            data = gzip.decompress(data)
        except OSError:
            return None
    if not 64 <= len(data) <= FILE_MOST or b"\0" in data:
        return None
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return data


class Corpus:
    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self.files: dict[str, int] = {}
        self.bytes: dict[str, int] = {}

    def add(self, part: str, name: str, data: bytes) -> int:
        """Writes a file that is new; says how many bytes."""
        digest = hashlib.sha256(data).digest()
        if digest in self.seen:
            return 0
        self.seen.add(digest)
        path = OUT / part / re.sub(r"[^A-Za-z0-9._/+-]", "_", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.files[part] = self.files.get(part, 0) + 1
        self.bytes[part] = self.bytes.get(part, 0) + len(data)
        return len(data)


def members(archive: tarfile.TarFile) -> list[tuple[str, bytes]]:
    """The text files of an archive, by name."""
    out = []
    for entry in archive:
        if not entry.isfile() or entry.size > FILE_MOST:
            continue
        file = archive.extractfile(entry)
        data = text(entry.name, file.read()) if file else None
        if data is not None:
            out.append((entry.name, data))
    return sorted(out)


def crates(corpus: Corpus) -> None:
    subprocess.run(["cargo", "fetch", "--locked", "--quiet"], cwd=ROOT, check=True)
    home = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo"))
    caches = sorted((home / "registry" / "cache").iterdir())
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    for package in lock["package"]:
        checksum = package.get("checksum")
        if checksum is None:
            continue
        name = f"{package['name']}-{package['version']}.crate"
        path = next((c / name for c in caches if (c / name).exists()), None)
        if path is None:
            continue  # For another platform.
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != checksum:
            sys.exit(f"{path} is not what Cargo.lock says")
        taken = 0
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            for name, data in members(archive):
                if pathlib.PurePath(name).name in LOCKS:
                    corpus.add("locks", name, data)
                elif taken + len(data) <= CRATE_MOST and corpus.bytes.get("crates", 0) < CRATES_MOST:
                    taken += corpus.add("crates", name, data)


def deb(package: str, version: str, digest: str, pool: str) -> bytes:
    KEPT.mkdir(parents=True, exist_ok=True)
    name = pool.rsplit("/", 1)[1]
    kept = KEPT / name
    quoted = urllib.parse.quote(name)
    places = [
        f"https://deb.debian.org/debian/{pool}",
        f"https://deb.debian.org/debian-security/{pool}",
        f"https://snapshot.debian.org/package/{package}/{quoted}",
    ]
    for place in places:
        if kept.exists():
            break
        try:
            kept.write_bytes(urllib.request.urlopen(place, timeout=60).read())
        except OSError:
            continue
    if not kept.exists() and shutil.which("apt-get"):
        # A machine may have its own mirror.
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["apt-get", "download", "-qq", f"{package}={version}"], cwd=folder, check=False)
            for path in pathlib.Path(folder).glob("*.deb"):
                kept.write_bytes(path.read_bytes())
    if not kept.exists():
        sys.exit(f"{package} {version} is on no mirror that can be reached")
    data = kept.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        sys.exit(f"{kept} is not what was pinned")
    return data


def debian(corpus: Corpus) -> None:
    for package, version, digest, pool, most in DEBS:
        data = deb(package, version, digest, pool)
        part = "python" if "python3" in package and "doc" not in package else "debian"
        tar = subprocess.run(
            ["dpkg-deb", "--fsys-tarfile", "/dev/stdin"], input=data, check=True, capture_output=True
        )
        taken = 0
        with tarfile.open(fileobj=io.BytesIO(tar.stdout)) as archive:
            for name, data in members(archive):
                if taken + len(data) <= most:
                    taken += corpus.add(part, f"{package}/{name.removeprefix('./')}", data)


def locks(corpus: Corpus) -> None:
    for name in subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split():
        if pathlib.PurePath(name).name in LOCKS:
            corpus.add("locks", f"sinkwell/{name}", (ROOT / name).read_bytes())


def main() -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    corpus = Corpus()
    crates(corpus)
    debian(corpus)
    locks(corpus)
    whole = hashlib.sha256()
    for path in sorted(p for p in OUT.rglob("*") if p.is_file()):
        whole.update(str(path.relative_to(OUT)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    for part in sorted(corpus.files):
        print(f"{part:8} {corpus.files[part]:6} files {corpus.bytes[part] / 1e6:7.1f} MB")
    print(f"{'together':8} {sum(corpus.files.values()):6} files {sum(corpus.bytes.values()) / 1e6:7.1f} MB")
    print(f"digest   {whole.hexdigest()}")
    known = pathlib.Path(__file__).with_name("corpus.sha256")
    if known.exists() and known.read_text().split()[0] != whole.hexdigest():
        print("not the corpus that the kept judgements are of: see docs/CONTENT.md", file=sys.stderr)


if __name__ == "__main__":
    main()
