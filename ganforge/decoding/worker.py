"""The process that decodes: one image after the other, asked for and answered on its standard input, a socket.

It may use so much processor time and memory for an image, and is ended by the system when it wants more. It ends with
whoever started it, since the socket closes then.
"""

from __future__ import annotations

import resource
import signal
import socket
import struct
import traceback
import warnings
from typing import BinaryIO

from ganforge.decoding.image import LARGE, BadFile, head_of, open_image, pixels

REQUEST = struct.Struct("<cHBQ")  # what is wanted, resolution, channels, how many bytes follow
ANSWER = struct.Struct("<cQ")  # what it is, how many bytes follow
PIXELS, HEAD = b"P", b"H"  # what is wanted
HEADER = struct.Struct("<BQQ")  # channels, width, height
GOOD, BAD, BROKEN, LARGE_ONE = b"G", b"B", b"!", b"L"  # what comes: as wanted, a reason, a traceback, a wish to go on
SECONDS = 60  # of processor time for one image
MEMORY = 4 * 2**30  # bytes that this process may address


def main() -> None:
    """Answer until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who asked
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))
    for nothing in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):  # it writes no files
        resource.setrlimit(nothing, (0, 0))
    warnings.simplefilter("ignore")  # Pillow warns of what is decided here: large images, odd palettes
    with socket.socket(fileno=0) as line, line.makefile("rb") as stream:
        while len(head := stream.read(REQUEST.size)) == REQUEST.size:
            _answer(line, stream, *REQUEST.unpack(head))


def _answer(line: socket.socket, stream: BinaryIO, wanted: bytes, resolution: int, channels: int, size: int) -> None:
    data = stream.read(size)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # at its end SIGPROF ends this process; to wait takes none of it
    try:
        image = open_image(data)
        if wanted == HEAD:
            found = HEADER.pack(*head_of(image))
        else:
            if image.width * image.height > LARGE:
                line.sendall(ANSWER.pack(LARGE_ONE, 0))
                stream.read(1)
            found = pixels(image, resolution, channels).tobytes()  # type: ignore[arg-type]
        kind = GOOD
    except BadFile as error:
        kind, found = BAD, str(error).encode()
    except Exception:  # noqa: BLE001 - told to who asked, and raised there
        kind, found = BROKEN, traceback.format_exc().encode()
    line.sendall(ANSWER.pack(kind, len(found)) + found)


if __name__ == "__main__":
    main()
