"""The process that decodes: one image after the other, asked for and answered on its standard input, a socket.

It may use so much processor time and memory for an image, and is ended by the system when it wants more. It ends with
whoever started it, since the socket closes then.
"""

from __future__ import annotations

import resource
import signal
import struct
import traceback
import warnings
from multiprocessing.connection import Connection

from ganforge.decoding.image import LARGE, BadImageError, decode_image, open_image, read_header

REQUEST = struct.Struct("<cHB")  # what is wanted, resolution, channels; the image follows as a message of its own
HEADER = struct.Struct("<BQQ")  # channels, width, height
WANT_PIXELS, WANT_HEADER = b"P", b"H"
FOUND, BAD, BROKEN, LARGE_IMAGE = b"F", b"B", b"!", b"L"  # as wanted, a reason, a traceback, may it be decoded now?
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
    with Connection(0) as connection:
        while True:
            try:
                request, data = connection.recv_bytes(), connection.recv_bytes()
            except (OSError, EOFError):
                return
            _answer(connection, data, *REQUEST.unpack(request))


def _answer(connection: Connection, data: bytes, wanted: bytes, resolution: int, channels: int) -> None:
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # at its end SIGPROF ends this process; to wait takes none of it
    try:
        image = open_image(data)
        if wanted == WANT_HEADER:
            found = HEADER.pack(*read_header(image))
        else:
            if image.width * image.height > LARGE:
                connection.send_bytes(LARGE_IMAGE)
                connection.recv_bytes()
            found = decode_image(image, resolution, channels).tobytes()  # type: ignore[arg-type]
        kind = FOUND
    except BadImageError as error:
        kind, found = BAD, str(error).encode()
    except Exception:  # noqa: BLE001 - told to who asked, and raised there
        kind, found = BROKEN, traceback.format_exc().encode()
    connection.send_bytes(kind + found)


if __name__ == "__main__":
    main()
