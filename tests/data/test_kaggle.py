"""Runs the real kagglehub against a Kaggle of our own: it is reached through a proxy setting."""

from __future__ import annotations

import io
import json
import os
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emotion_tfx.data import find_corpus, kaggle

pytest.importorskip("kagglehub")

Serve = Callable[[type[BaseHTTPRequestHandler]], AbstractContextManager[None]]

CORPUS = ",text,label\n0,so happy,1\n"


class Kaggle(BaseHTTPRequestHandler):
    """Answers the two calls that a download consists of."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/GetDataset"):
            self.answer(json.dumps({"currentVersionNumber": 1}).encode(), "application/json")
        else:
            self.answer(archive("text.csv"), "application/zip")

    def answer(self, body: bytes, kind: str, *, pause: float = 0.0) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:10])
        self.wfile.flush()
        time.sleep(pause)
        self.wfile.write(body[10:])

    def log_message(self, *_: object) -> None:
        """Keeps the tests' output clean."""


def archive(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, CORPUS)
    return buffer.getvalue()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Starts a Kaggle that nothing but this test's downloads can reach."""

    @contextmanager
    def start(handler: type[BaseHTTPRequestHandler]) -> Iterator[None]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        server.block_on_close = False
        point_kaggle_at(server.server_address[1], monkeypatch, tmp_path)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()

    return start


def point_kaggle_at(port: int, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "EMOTION_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    # A home without anybody's Kaggle login.
    monkeypatch.setenv("HOME", str(home))


def children() -> list[int]:
    """The processes that this one has started and that still exist."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
        except OSError:
            continue
        if int(fields["PPid"]) == os.getpid():
            found.append(int(fields["Pid"]))
    return found


@pytest.fixture
def leaves_nothing(tmp_path: Path) -> Callable[[Path], None]:
    """Fails if an attempt has left a process, or anything in the cache."""
    before = children()

    def check(cache: Path) -> None:
        assert children() == before
        assert list(cache.iterdir()) == []

    return check


def test_the_corpus_is_downloaded_once_and_kept(serve: Serve, tmp_path: Path):
    said: list[str] = []
    cache = tmp_path / "new" / "cache"
    with serve(Kaggle):
        corpus = find_corpus(None, cache=cache, say=said.append)
    assert corpus.files == (cache / "kaggle" / "text.csv",)
    assert corpus.files[0].read_text() == CORPUS
    assert [path.name for path in cache.iterdir()] == ["kaggle"]
    assert find_corpus(None, cache=cache, say=said.append) == corpus
    assert len(said) == 1


def test_the_cache_may_be_a_relative_path(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with serve(Kaggle):
        kaggle.fetch(Path("cache/kaggle"))
    assert (tmp_path / "cache" / "kaggle" / "text.csv").read_text() == CORPUS


def test_a_download_under_way_may_take_longer(serve: Serve, tmp_path: Path):
    class Slow(Kaggle):
        def answer(self, body: bytes, kind: str, *, pause: float = 6.0) -> None:
            super().answer(body, kind, pause=pause if kind == "application/zip" else 0.0)

    with serve(Slow):
        kaggle.fetch(tmp_path / "cache" / "kaggle", patience=5)
    assert (tmp_path / "cache" / "kaggle" / "text.csv").read_text() == CORPUS


def test_a_kaggle_that_never_answers_is_given_up(
    serve: Serve, tmp_path: Path, leaves_nothing: Callable[[Path], None]
):
    class Silent(Kaggle):
        def answer(self, body: bytes, kind: str, *, pause: float = 60.0) -> None:
            time.sleep(pause)

    with serve(Silent), pytest.raises(kaggle.FetchError, match="no answer within 3 seconds"):
        kaggle.fetch(tmp_path / "cache" / "kaggle", patience=3)
    leaves_nothing(tmp_path / "cache")


def test_a_refusal_is_passed_on(
    serve: Serve, tmp_path: Path, leaves_nothing: Callable[[Path], None]
):
    class Forbidding(Kaggle):
        def do_POST(self) -> None:
            self.send_error(403)

    with serve(Forbidding), pytest.raises(kaggle.FetchError, match="403"):
        kaggle.fetch(tmp_path / "cache" / "kaggle")
    leaves_nothing(tmp_path / "cache")


def test_a_download_without_csv_is_refused(
    serve: Serve, tmp_path: Path, leaves_nothing: Callable[[Path], None]
):
    class Wrong(Kaggle):
        def answer(self, body: bytes, kind: str, *, pause: float = 0.0) -> None:
            is_archive = kind == "application/zip"
            super().answer(archive("emotions.pkl") if is_archive else body, kind)

    with serve(Wrong), pytest.raises(kaggle.FetchError, match="no CSV file"):
        kaggle.fetch(tmp_path / "cache" / "kaggle")
    leaves_nothing(tmp_path / "cache")


def test_without_a_network_the_sample_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, leaves_nothing: Callable[[Path], None]
):
    point_kaggle_at(9, monkeypatch, tmp_path)
    said: list[str] = []
    assert find_corpus(None, cache=tmp_path / "cache", say=said.append).is_sample
    assert any("no connection to Kaggle" in sentence for sentence in said)
    leaves_nothing(tmp_path / "cache")


def test_without_kagglehub_the_reason_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "kagglehub.py").write_text("raise ModuleNotFoundError('No module kagglehub')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(kaggle.FetchError, match="not installed"):
        kaggle.fetch(tmp_path / "cache" / "kaggle")


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(kaggle.FetchError, match="cannot be written"):
        kaggle.fetch(tmp_path / "cache" / "kaggle")
