"""A data set of a million images: how long it takes to open, and how much memory.

    python tests/reliability/million.py                 # a ZIP of 1,000,000 images of 4x4, opened three times
    python tests/reliability/million.py 200000 --folder # a folder of so many files

The first opening decodes them, the second finds them decoded; the third is a whole `ganforge run` up to its first
rounds. Every opening is a process of its own, whose memory is what the system says (VmHWM).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

OPEN = """
import json, pathlib, resource, sys, time
from ganforge.builtin.data.images import Images
import numpy as np
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
def work():
    who = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))  # decoders, too
    return sum(each.ru_utime + each.ru_stime for each in who)
before, began, cpu = peak(), time.perf_counter(), work()
source = Images(path=sys.argv[1], resolution=4, labels=True).open(pathlib.Path(sys.argv[2]))
opened, used = time.perf_counter() - began, work() - cpu
began = time.perf_counter()
dice = np.random.default_rng(0)
for _ in range(1000):
    source.batch(dice.integers(0, len(source), 64))
print(json.dumps({"images": len(source), "classes": source.spec.classes, "seconds": opened, "cpu": used,
                  "MiB": peak() - before, "MiB before": before, "batches/s": 1000 / (time.perf_counter() - began)}))
"""
RECIPE = """
data = {{ kind = "images", path = {path}, resolution = 4, labels = true }}
run = {{ images = 6_400, batch = 64, log_every_images = 6_400 }}
tracking = {{ kind = "none" }}
[game]
kind = "gan"
loss = "hinge"
generator = {{ network = {{ kind = "mlp", latent = 8, width = 16 }}, optimizer = {{ lr = 1e-3 }} }}
discriminator = {{ network = {{ kind = "mlp", width = 16 }}, optimizer = {{ lr = 1e-3 }} }}
"""


def zip_of_copies(path: Path, count: int, image: bytes, classes: int = 1_000) -> Path:
    """Write a ZIP of `count` copies of an image in sub-folders, by hand: `zipfile` takes ten times as long."""
    crc, size, at, directory = zlib.crc32(image), len(image), 0, bytearray()
    with path.open("wb") as file:
        for index in range(count):
            name = b"%04d/%09d.png" % (index * classes // count, index)
            head = struct.pack("<5H3I2H", 20, 0, 0, 0, 33, crc, size, size, len(name), 0)
            file.write(b"PK\3\4" + head + name + image)
            directory += b"PK\1\2" + struct.pack("<H", 20) + head + struct.pack("<3H2I", 0, 0, 0, 0, at) + name
            at += 30 + len(name) + size
        file.write(directory)
        counts = (count, count, len(directory), at)
        file.write(b"PK\6\6" + struct.pack("<Q2H2I4Q", 44, 45, 45, 0, 0, *counts))  # ZIP64, for many entries
        file.write(b"PK\6\7" + struct.pack("<IQI", 0, at + len(directory), 1))
        file.write(b"PK\5\6" + struct.pack("<4H2IH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))
    return path


def folder_of_copies(path: Path, count: int, image: bytes, classes: int = 1_000) -> Path:
    """Write a folder of `count` files in sub-folders."""
    for index in range(count):
        folder = path / f"{index * classes // count:04d}"
        if index == 0 or index * classes // count != (index - 1) * classes // count:
            folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{index:09d}.png").write_bytes(image)
    return path


def opened(data: Path, cache: Path) -> dict[str, float]:
    """Open the data in a process of its own."""
    found = subprocess.run([sys.executable, "-c", OPEN, str(data), str(cache)], capture_output=True, text=True)
    if found.returncode:
        sys.exit(found.stderr)
    read: dict[str, float] = json.loads(found.stdout)
    return read


def main() -> None:
    """Read the command line, and measure."""
    from PIL import Image

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--folder", action="store_true", help="files in a folder rather than a ZIP")
    wanted = parser.parse_args()
    stream = io.BytesIO()
    Image.new("L", (4, 4), 7).save(stream, "PNG")
    with tempfile.TemporaryDirectory() as scratch:
        here, began = Path(scratch), time.perf_counter()
        make = folder_of_copies if wanted.folder else zip_of_copies
        data = make(here / "data", wanted.count, stream.getvalue())
        print(f"made {wanted.count:,} images in {time.perf_counter() - began:.1f} s")  # noqa: T201
        for way in ("decoded", "found decoded", "found decoded again"):
            found = opened(data, here / "cache")
            words = ", ".join(f"{value:,.4g} {name}" for name, value in found.items())
            print(f"{way}: {words}", flush=True)  # noqa: T201
        (here / "million.toml").write_text(RECIPE.format(path=json.dumps(str(data))))
        began = time.perf_counter()
        command = [sys.executable, "-m", "ganforge", "run", "million.toml", "--device", "cpu", "--quiet"]
        environment = os.environ | {"GANFORGE_CACHE": str(here / "cache")}
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        code = subprocess.run(command, cwd=here, env=environment, check=False).returncode
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used
        print(f"a run of 100 rounds: exit {code}, {time.perf_counter() - began:.1f} s, {used:.1f} cpu")  # noqa: T201


if __name__ == "__main__":
    main()
