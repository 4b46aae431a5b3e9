"""An archive is downloaded once and checked; whatever goes wrong is told and leaves nothing."""

import errno
import http.server
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ablation.config import DataConfig
from ablation.pictures import data
from ablation.pictures.download import fetch_archive
from ablation.pictures.errors import DownloadError
from tests.pictures.made_up import (
    NAMES,
    assert_nothing_is_left,
    files,
    message_of,
    sha256,
    zipped,
)

Handler = http.server.BaseHTTPRequestHandler
Answer = Callable[[Handler], None]


class Site:
    """A server on this machine.

    Attributes:
        answer: what it does with a request; may be changed at any time.
        requests: the addresses that were asked for.
    """

    def __init__(self) -> None:
        self.answer: Answer = send(b"")
        self.requests: list[str] = []
        site = self

        class ThisHandler(Handler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:  # noqa: N802
                site.requests.append(self.path)
                self.close_connection = True
                site.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ThisHandler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.url = f"{self.address}/pictures.zip"


def send(content: bytes, stated: int | None = None) -> Answer:
    """Answer with a file that claims to have `stated` bytes."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content) if stated is None else stated))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def send_half_then_wait(content: bytes, go_on: threading.Event) -> Answer:
    def answer(handler: Handler) -> None:
        send(content[: len(content) // 2], len(content))(handler)
        go_on.wait(20)
        handler.wfile.write(content[len(content) // 2 :])

    return answer


def send_cut_chunk(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"ff\r\nmuch less than 255 bytes")


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, args=(0.02,))
    thread.start()
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def in_a_process(
    url: str, checksum: str, root: Path, stderr: int = subprocess.PIPE, first: str = "pass"
) -> subprocess.Popen[str]:
    """Start a process that runs the statement `first`, then fetches the archive."""
    code = (
        f"import sys, pathlib; from ablation.pictures.download import fetch_archive; {first};"
        "fetch_archive(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, url, checksum, str(root)], stderr=stderr, text=True
    )


def test_the_archives_top_folder_becomes_the_root_and_nothing_else_stays(
    site: Site, archive: bytes, folder: Path, root: Path
) -> None:
    site.answer = send(archive)
    fetch_archive(site.url, sha256(archive).upper(), root)
    assert files(root) == files(folder)
    assert list(root.parent.iterdir()) == [root]


def test_an_archive_without_a_top_folder_fills_the_root(
    site: Site, folder: Path, root: Path
) -> None:
    members = {name: (folder / name).read_bytes() for name in NAMES}
    site.answer = send(zipped({**members, "__MACOSX/train/ants/._0.png": b"", ".DS_Store": b""}))
    fetch_archive(site.url, None, root)
    assert files(root) == {**files(folder), ".DS_Store": b""}


def test_an_archive_on_this_machine_is_unpacked(archive: bytes, folder: Path, root: Path) -> None:
    path = folder.parent / "here.zip"
    path.write_bytes(archive)
    fetch_archive(path.as_uri(), sha256(archive), root)
    assert files(root) == files(folder)
    assert path.exists()


def test_pictures_that_are_there_are_not_asked_for(site: Site, archive: bytes, root: Path) -> None:
    site.answer = send(archive)
    config = DataConfig(
        source="archive", root=str(root), size=32, url=site.url, sha256=sha256(archive)
    )
    pictures = data.load(config)
    assert pictures.classes == ("ants", "bees")
    assert (len(pictures.train), len(pictures.val)) == (4, 4)
    assert len(site.requests) == 1
    # Another size, so that the folder is looked at again.
    assert data.load(replace(config, size=48)).digest == pictures.digest
    fetch_archive(site.url, sha256(archive), root)
    assert len(site.requests) == 1


def test_without_a_terminal_one_line_tells_of_the_download(
    site: Site, archive: bytes, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.answer = send(archive)
    fetch_archive(site.url, sha256(archive), root)
    out, err = capsys.readouterr()
    assert out == ""
    size = f"{len(archive) / 1000:.1f} kB"
    assert err == f"downloading {site.url} ({size}) to {root}\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_on_a_terminal_a_bar_tells_of_the_download(
    site: Site, archive: bytes, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.answer = send(archive)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    ours, theirs = os.openpty()
    process = in_a_process(site.url, sha256(archive), root, theirs)
    assert process.wait(20) == 0
    os.close(theirs)
    shown = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", os.read(ours, 1 << 16).decode())
    os.close(ours)
    assert "downloading pictures ━━━" in shown
    size = f"{len(archive) / 1000:.1f}"
    assert f"{size}/{size} kB" in shown


def test_a_proxy_is_taken_from_the_environment(
    site: Site, archive: bytes, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.answer = send(archive)
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", site.address)
    fetch_archive("http://pictures.invalid/a.zip", sha256(archive), root)
    assert site.requests == ["http://pictures.invalid/a.zip"]


def test_a_wrong_checksum_is_told_beside_the_right_one_and_nothing_is_unpacked(
    site: Site, archive: bytes, root: Path
) -> None:
    site.answer = send(archive)
    message = message_of(site.url, "0" * 64, root)
    assert "0" * 64 in message
    assert sha256(archive) in message
    assert "was not unpacked" in message


def test_a_connection_cut_in_the_middle_is_told(site: Site, archive: bytes, root: Path) -> None:
    site.answer = send(archive[:1000], len(archive))
    # Cut short, the archive has no checksum to fail: its length alone must tell.
    message = message_of(site.url, None, root)
    assert f"the connection was cut after 1.0 kB of {len(archive) / 1000:.1f} kB" in message


def test_a_connection_cut_without_a_stated_length_is_told(site: Site, root: Path) -> None:
    site.answer = send_cut_chunk
    assert "the connection was cut" in message_of(site.url, None, root)


def test_a_silent_connection_is_given_up(site: Site, archive: bytes, root: Path) -> None:
    end = threading.Event()
    site.answer = send_half_then_wait(archive, end)
    assert "no answer for 0.3 s" in message_of(site.url, None, root, timeout=0.3)
    end.set()


def test_a_server_that_accepts_and_says_nothing_is_given_up(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.zip"
        assert "no answer for 0.3 s" in message_of(url, None, root, timeout=0.3)


def test_a_missing_archive_is_told_with_the_servers_words(site: Site, root: Path) -> None:
    site.answer = lambda handler: handler.send_error(404)
    assert "the server answered 404 Not Found" in message_of(site.url, None, root)


def test_without_a_network_the_message_says_what_to_get_and_where_to_put_it(root: Path) -> None:
    url = "http://127.0.0.1:1/pictures.zip"
    message = message_of(url, "ab" * 32, root)
    assert message.startswith(f"{url} could not be downloaded: Connection refused\n")
    for part in (f"{url} (SHA-256 {'ab' * 32})", "train/ and val/", str(root), "data.root=FOLDER"):
        assert part in message


@pytest.mark.parametrize(
    "url", ["http://[::1/a.zip", "http://127.0.0.1:x/a.zip", "http:///a.zip", "file:///no/a.zip"]
)
def test_an_address_that_leads_nowhere_is_one_message(url: str, root: Path) -> None:
    assert message_of(url, None, root).startswith(f"{url} could not be downloaded: ")


@pytest.mark.parametrize(
    ("url", "checksum", "said"),
    [
        (None, None, "data.url is not set"),
        ("ftp://127.0.0.1/a.zip", None, "data.url=ftp://127.0.0.1/a.zip: must start with https://"),
        ("/tmp/a.zip", None, "data.url=/tmp/a.zip: must start with https://"),
        ("http://127.0.0.1:1/a.zip", "abc", "data.sha256=abc: must be 64 hexadecimal digits"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(
    url: str | None, checksum: str | None, said: str, root: Path
) -> None:
    assert said in message_of(url, checksum, root)
    assert not root.parent.exists()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_after_an_interrupted_download_the_next_try_starts_anew(
    ending: signal.Signals, site: Site, archive: bytes, folder: Path, root: Path
) -> None:
    end = threading.Event()
    site.answer = send_half_then_wait(archive, end)
    process = in_a_process(site.url, sha256(archive), root)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("downloading")
    process.send_signal(ending)
    process.communicate(timeout=20)
    assert process.returncode != 0
    assert not root.exists()
    if ending == signal.SIGINT:
        assert_nothing_is_left(root)
    end.set()
    site.answer = send(archive)
    fetch_archive(site.url, sha256(archive), root)
    assert files(root) == files(folder)
    assert list(root.parent.iterdir()) == [root]


def fail_at_the_third(error: BaseException) -> Callable[..., None]:
    """A copy that fails with its third file."""
    copy, calls = shutil.copyfileobj, iter(range(3))

    def failing(*arguments: Any) -> None:
        if next(calls) == 2:
            raise error
        copy(*arguments)

    return failing


def test_an_interrupted_unpacking_leaves_nothing(
    site: Site, archive: bytes, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.answer = send(archive)
    monkeypatch.setattr(shutil, "copyfileobj", fail_at_the_third(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        fetch_archive(site.url, sha256(archive), root)
    assert_nothing_is_left(root)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on a file's size")
def test_a_disk_that_takes_only_a_part_of_the_archive_is_told(
    site: Site, archive: bytes, root: Path
) -> None:
    site.answer = send(archive)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    process = in_a_process(site.url, sha256(archive), root, first=limit)
    said = process.communicate(timeout=20)[1]
    assert f"DownloadError: data.root={root}: can't be written (File too large)" in said
    assert_nothing_is_left(root)


def test_a_disk_that_takes_only_a_part_of_the_pictures_is_told(
    site: Site, archive: bytes, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.answer = send(archive)
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(shutil, "copyfileobj", fail_at_the_third(full))
    message = message_of(site.url, sha256(archive), root)
    assert message.startswith(f"data.root={root}: can't be written (No space left on device)")


def test_a_file_in_the_place_of_the_folder_or_of_its_parent_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for root in (tmp_path / "file", tmp_path / "file" / "pictures"):
        with pytest.raises(DownloadError) as caught:
            fetch_archive("http://127.0.0.1:1/a.zip", None, root)
        assert str(caught.value).startswith(f"data.root={root}: ")
        assert "data.root=FOLDER" in str(caught.value)
    assert files(tmp_path) == {"file": b"mine"}


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user may write everywhere")
    root = tmp_path / "pictures"
    message = message_of("http://127.0.0.1:1/a.zip", None, root)
    tmp_path.chmod(0o700)
    assert message.startswith(f"data.root={root}: can't be written (Permission denied")


def test_of_two_processes_one_downloads_and_the_other_waits_for_it(
    site: Site, archive: bytes, folder: Path, root: Path
) -> None:
    go_on = threading.Event()
    site.answer = send_half_then_wait(archive, go_on)
    for words in ("downloading", "another process is downloading"):
        process = in_a_process(site.url, sha256(archive), root)
        assert process.stderr is not None
        assert process.stderr.readline().startswith(words)
        if words == "downloading":
            first = process
    go_on.set()
    for each in (first, process):
        assert each.communicate(timeout=20)[1] == ""
        assert each.returncode == 0
    assert len(site.requests) == 1
    assert files(root) == files(folder)
    assert list(root.parent.iterdir()) == [root]


def test_many_threads_at_once_download_once(
    site: Site, archive: bytes, folder: Path, root: Path
) -> None:
    site.answer = send(archive)
    fetch = partial(fetch_archive, site.url, sha256(archive))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(fetch, [root] * 8))
    assert len(site.requests) == 1
    assert files(root) == files(folder)


def test_a_command_without_a_network_says_so_in_one_message_and_trains_nothing(
    tmp_path: Path,
) -> None:
    root = tmp_path / "x"
    url = "http://127.0.0.1:1/none.zip"
    command = [sys.executable, "-m", "ablation", "data=hymenoptera", f"data.root={root}"]
    ended = subprocess.run(
        [*command, f"data.url={url}"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"error: {url} could not be downloaded: Connection refused\n")
    assert str(root) in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.iterdir())
