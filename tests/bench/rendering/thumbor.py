"""A contender on thumbor: a server of its own, a request a variant; its processor time and memory are the server's."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path

import psutil
import urllib3

from tests.bench.rendering.child import peak_rss
from tests.bench.rendering.work import Ladder, Report

SETTINGS = """
LOADER = "thumbor.loaders.file_loader"
FILE_LOADER_ROOT_PATH = {folder!r}
STORAGE = "thumbor.storages.no_storage"
RESULT_STORAGE = None
ALLOW_UNSAFE_URL = True
MAX_WIDTH = 20000
MAX_HEIGHT = 20000
ENGINE_THREADPOOL_SIZE = 0
"""


def main(arguments: list[str]) -> None:
    """Write, then measure."""
    home, text, out, times, *files = arguments
    ladder, port = Ladder.from_json(text), _free_port()
    filters = f"filters:format({ladder.format}):quality({ladder.quality})"
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "thumbor.conf"
        config.write_text(SETTINGS.format(folder=str(Path(files[0]).parent)))
        command = [
            f"{home}/bin/python",
            "-m",
            "thumbor.server",
            "--port",
            str(port),
            "--ip",
            "127.0.0.1",
            "--conf",
            str(config),
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                base = f"http://127.0.0.1:{port}"
                _await(base)

                def make(file: str) -> list[bytes]:
                    name = Path(file).name
                    urls = (f"{base}/unsafe/{width}x0/{filters}/{name}" for width in ladder.widths)
                    return [_get(url) for url in urls]

                for file in files:
                    for width, made in zip(ladder.widths, make(file), strict=True):
                        (Path(out) / f"{Path(file).stem}-{width}").write_bytes(made)
                process = psutil.Process(server.pid)
                began, cpu = time.perf_counter(), sum(process.cpu_times()[:2])
                for _ in range(int(times)):
                    for file in files:
                        make(file)
                used = sum(process.cpu_times()[:2]) - cpu
                seconds, peak = time.perf_counter() - began, peak_rss(server.pid)
            finally:
                server.terminate()
    print(json.dumps(asdict(Report(int(times) * len(files), seconds, used, peak))))


def _get(url: str) -> bytes:
    answer = urllib3.request("GET", url, timeout=120, retries=False)
    if answer.status != HTTPStatus.OK:
        sys.exit(f"{url} answers {answer.status}")
    return answer.data


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(base: str) -> None:
    for _ in range(200):
        try:
            _get(f"{base}/healthcheck")
        except urllib3.exceptions.HTTPError:
            time.sleep(0.1)
        else:
            return
    sys.exit("thumbor did not start")


if __name__ == "__main__":
    main(sys.argv[1:])
