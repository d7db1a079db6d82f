"""What stands in tests/vectors is what the generators beside this write: python check_generated.py VECTORS."""

import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
GENERATORS = {"canonical": "make_canonical.py", "seal": "make_seal.py", "verify": "make_vectors.py"}


def main():
    files = differ = 0
    for folder, generator in GENERATORS.items():
        with tempfile.TemporaryDirectory() as temporary:
            subprocess.run([sys.executable, HERE / generator, temporary], check=True, capture_output=True)
            made = {p.name: p.read_bytes() for p in pathlib.Path(temporary).glob("*.json")}
        kept = {p.name: p.read_bytes() for p in (pathlib.Path(sys.argv[1]) / folder).glob("*.json")}
        files += len(made)
        for name in sorted(made.keys() | kept.keys()):
            if made.get(name) != kept.get(name):
                differ += 1
                print(f"{folder}/{name}: not what {generator} writes")
    print(f"{files} generated files, {differ} differ")
    sys.exit(bool(differ or not files))


if __name__ == "__main__":
    main()
