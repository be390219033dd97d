"""Processes that decode images: what an image, a user or the system does to one of them harms nobody else."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from support.images import decoded, encoded, noise_png, png, zip_of

from ganforge.builtin.data import images
from ganforge.builtin.data.files import decoded as decoding
from ganforge.builtin.data.images import Images
from ganforge.decoding.decoders import COMMAND, DecoderPool, DecoderProcess
from ganforge.decoding.image import BadImageError
from ganforge.errors import DataError

HARMED = """
import ctypes, os, signal, sys, time
from ganforge.decoding import worker
inner = worker.open_image
def harmed(data):
    if data.startswith(b"loop"):
        while True: pass
    if data.startswith(b"wait"):
        time.sleep(1000)
    if data.startswith(b"bug"):
        raise KeyError("a bug")
    if data.startswith(b"signal"):
        signal.raise_signal(int(data[6:]))
    if data.startswith(b"once"):  # killed at the first attempt, by whoever
        place = data[4:].decode()
        if not os.path.exists(place):
            open(place, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        data = open(place + ".png", "rb").read()
    return inner(data)
worker.open_image, worker.SECONDS = harmed, 0.5
worker.main()
"""
FRAGILE = (sys.executable, "-c", HARMED)
NOISE = noise_png(0, 24)


@pytest.fixture
def decoder() -> Iterator[DecoderProcess]:
    made = DecoderProcess(threading.Lock(), FRAGILE, 5)
    yield made
    made.close()


def assert_well(decoder: DecoderProcess) -> None:
    assert np.array_equal(decoder.decode(NOISE, 16, 3), decoded(NOISE, 16, 3))


def assert_gone(pid: int) -> None:
    end = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_pixels_channels_and_reasons_are_those_of_this_process(decoder: DecoderProcess) -> None:
    for data in (NOISE, png(7), encoded(Image.new("CMYK", (9, 5)), "JPEG")):
        for channels in (1, 3, 4):
            assert np.array_equal(decoder.decode(data, 8, channels), decoded(data, 8, channels))  # type: ignore[arg-type]
    assert (decoder.read_header(png(7)).channels, decoder.read_header(NOISE).channels) == (1, 3)
    assert decoder.read_header(encoded(Image.new("CMYK", (9, 5)), "JPEG")) == (3, 9, 5)
    with pytest.raises(BadImageError, match=r"^an empty file$"):
        decoder.decode(b"", 8, 3)
    with pytest.raises(BadImageError, match="not an image, or its head is damaged"):
        decoder.read_header(b"nothing")
    assert_well(decoder)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGBUS", "SIGABRT"])
def test_an_image_that_crashes_its_decoder_is_bad_and_the_next_is_decoded(decoder: DecoderProcess, name: str) -> None:
    with pytest.raises(BadImageError, match=rf"^its decoder crashed \({name}\)$"):
        decoder.decode(f"signal{int(getattr(signal, name))}".encode(), 8, 3)
    assert_well(decoder)


def test_an_image_that_takes_for_ever_is_bad(decoder: DecoderProcess) -> None:
    began = time.monotonic()
    with pytest.raises(BadImageError, match=r"decoding it took more than 60 s of processor time"):
        decoder.decode(b"loop", 8, 3)
    assert time.monotonic() - began < 40  # the loop was ended by the clock of the processor, set to half a second here
    assert_well(decoder)


def test_a_process_that_hangs_is_not_waited_for() -> None:
    decoder = DecoderProcess(threading.Lock(), FRAGILE, 2)
    assert_well(decoder)
    with pytest.raises(BadImageError, match="decoding it took more than 2 s"):
        decoder.decode(b"wait", 8, 3)
    assert_well(decoder)
    assert decoder.process is not None
    decoder.process.send_signal(signal.SIGSTOP)
    with pytest.raises(BadImageError, match="decoding it took more than 2 s"):
        decoder.decode(noise_png(0, 512), 8, 3)  # more than its socket holds: writing to it hangs, too
    assert_well(decoder)
    decoder.close()


def test_an_image_that_wants_all_memory_is_bad() -> None:
    """An address space of 300 MiB, and an image of 244: the others are decoded."""
    code = "from ganforge.decoding import worker; worker.MEMORY = 300 * 2**20; worker.main()"
    decoder = DecoderProcess(threading.Lock(), (sys.executable, "-c", code))
    large = encoded(Image.new("RGB", (8000, 8000), (1, 2, 3)), "PNG")
    assert_well(decoder)
    with pytest.raises(BadImageError, match="damaged: MemoryError"):
        decoder.decode(large, 8, 3)
    assert_well(decoder)
    decoder.close()


def test_a_killed_process_is_started_again(decoder: DecoderProcess, tmp_path: Path) -> None:
    assert_well(decoder)
    assert decoder.process is not None
    decoder.process.kill()
    assert_well(decoder)
    (tmp_path / "x.png").write_bytes(NOISE)
    assert np.array_equal(decoder.decode(f"once{tmp_path / 'x'}".encode(), 8, 3), decoded(NOISE, 8, 3))
    with pytest.raises(DataError, match=r"ended twice, with SIGKILL and with SIGKILL, at the same image; did the mach"):
        decoder.decode(b"signal9", 8, 3)
    assert_well(decoder)


def test_a_bug_of_ours_is_not_blamed_on_the_image(decoder: DecoderProcess) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*KeyError: 'a bug'"):
        decoder.decode(b"bug", 8, 3)
    assert_well(decoder)


def test_a_process_that_cannot_be_started_is_said() -> None:
    with pytest.raises(DataError, match="cannot start a process that decodes images: No such file"):
        DecoderProcess(threading.Lock(), ("/no/such/program",)).decode(NOISE, 8, 3)
    with pytest.raises(DataError, match="ended twice, with code 3 and with code 3"):
        DecoderProcess(threading.Lock(), (sys.executable, "-c", "raise SystemExit(3)")).decode(NOISE, 8, 3)


def most_memory(pid: int) -> int:
    """MiB that a process ever held."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


def test_large_images_are_decoded_one_at_a_time() -> None:
    """Whoever decodes a large one holds the lock: here it is held, and only the header of the large one is read."""
    lock = threading.Lock()
    decoder = DecoderProcess(lock)
    large = encoded(Image.new("RGB", (5000, 5000), (9, 9, 9)), "PNG")  # 95 MiB
    done: list[np.ndarray] = []
    with lock:
        assert_well(decoder)
        assert decoder.process is not None
        before = most_memory(decoder.process.pid)
        waiting = threading.Thread(target=lambda: done.append(decoder.decode(large, 8, 3)))
        waiting.start()
        waiting.join(2)
        assert waiting.is_alive()
        assert most_memory(decoder.process.pid) < before + 30
    waiting.join(60)
    assert (done[0] == 9).all()
    assert most_memory(decoder.process.pid) > before + 60
    decoder.close()


@pytest.mark.parametrize("busy", [False, True])
def test_processes_end_with_who_asked(busy: bool) -> None:
    """Killed, so that nothing can be tidied up; a decoder at work ends when its time for the image is over."""
    code = f"""
import os, sys, threading
from ganforge.decoding.decoders import DecoderProcess
decoder = DecoderProcess(threading.Lock(), (sys.executable, "-c", {HARMED!r}))
decoder.read_header({NOISE!r})
print(decoder.process.pid, flush=True)
if {busy}:
    threading.Thread(target=decoder.decode, args=(b"loop", 8, 3)).start()
os.kill(os.getpid(), 9)
"""
    ended = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert_gone(int(ended.stdout))


def test_an_image_that_crashes_a_decoder_is_named_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{i:03}.png": noise_png(i) for i in range(200)} | {"077.png": b"signal11", "150.png": b"loop"}
    path = zip_of(tmp_path / "x.zip", files)
    monkeypatch.setattr(decoding, "DecoderPool", functools.partial(DecoderPool, command=FRAGILE))
    source = Images(path=str(path), resolution=8, bad_share=0.01).open(tmp_path / "cache")
    assert len(source) == 198
    assert "077.png (its decoder crashed (SIGSEGV)), 150.png (decoding it took more than 60 s" in source.notices[0]
    expected = [decoded(files[f"{i:03}.png"], 8, 3) for i in range(200) if i not in (77, 150)]
    assert np.array_equal(source.batch(np.arange(198))["image"].numpy(), np.stack(expected).transpose(0, 3, 1, 2))


def test_killed_decoders_do_not_matter_and_their_number_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zip_of(tmp_path / "x.zip", {f"{i:03}.png": noise_png(i) for i in range(300)})
    files = []
    for count in (1, 3):
        monkeypatch.setattr(decoding, "MAX_DECODERS", count)
        monkeypatch.setattr(os, "cpu_count", lambda: 3)
        inner, asked = DecoderProcess.decode, []

        def killed(self: DecoderProcess, *args: object, inner=inner, asked=asked) -> np.ndarray:  # type: ignore[no-untyped-def]
            asked.append(self)
            if len(asked) % 40 == 0 and self.process is not None:
                self.process.kill()
            return inner(self, *args)  # type: ignore[no-any-return]

        monkeypatch.setattr(DecoderProcess, "decode", killed)
        Images(path=str(path), resolution=8).open(tmp_path / str(count))
        monkeypatch.undo()
        assert len({id(one) for one in asked}) == count
        (file,) = (tmp_path / str(count)).glob("*.npy")
        files.append(file.read_bytes())
    assert files[0] == files[1]
    assert not [one for one in psutil.Process().children() if "ganforge.decoding.worker" in " ".join(one.cmdline())]


def test_sizes_are_read_where_a_crash_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"1.png": noise_png(1, 16), "2.png": b"signal11", "3.png": noise_png(3, 16), "4.png": b"no image"}
    path = zip_of(tmp_path / "x.zip", files)
    monkeypatch.setattr(images, "DecoderPool", functools.partial(DecoderPool, command=FRAGILE))
    assert Images(path=str(path)).image_sizes(tmp_path / "cache") == {(16, 16): 2}


def test_an_interrupt_does_not_wait_for_a_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zip_of(tmp_path / "x.zip", {f"{i:03}.png": noise_png(i) for i in range(200)} | {"150.png": b"wait"})
    monkeypatch.setattr(decoding, "DecoderPool", functools.partial(DecoderPool, command=FRAGILE))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # the shell may have had it ignored
    threading.Timer(3, os.kill, (os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            Images(path=str(path), resolution=8).open(tmp_path / "cache")
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - began < 100
    assert not [one for one in psutil.Process().children() if "worker" in " ".join(one.cmdline())]


def test_no_secret_of_the_environment_reaches_a_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "hunter2")
    decoder = DecoderProcess(threading.Lock())
    assert_well(decoder)
    assert decoder.process is not None
    assert "SOME_TOKEN" not in psutil.Process(decoder.process.pid).environ()
    decoder.close()


def test_the_command_starts_without_torch() -> None:
    """A decoder is there in a fraction of a second."""
    said = subprocess.run(
        [*COMMAND[:1], "-X", "importtime", *COMMAND[1:]], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert b"PIL.Image" in said.stderr
    assert b" torch" not in said.stderr
