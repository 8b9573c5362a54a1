"""What many watchers of one job cost: `python bench/watchers.py [--watchers 500] [--seconds 20] [--pace 5]`.

Epochs are written at a steady pace, as a trainer would, while watchers read server-sent events from a live server.
Prints the server's CPU share and memory without and with them, and whether each saw every epoch once.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
for folder in (ROOT, ROOT / "scripts"):
    sys.path.insert(0, str(folder))

from local_server import LocalServer  # noqa: E402 - the folders above are not packages

from app.jobs import EpochRecord, JobQueue, JobStore, NewJob, Progress  # noqa: E402


def cpu(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """Resident memory of a process, in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def write_epochs(queue: JobQueue, job: str, attempt: int, pace: float, stop: threading.Event) -> int:
    """Epochs at `pace` a second until `stop`; how many."""
    number, next_at = 0, time.monotonic()
    while not stop.is_set():
        number += 1
        record = EpochRecord(
            sequence=number,
            candidate="relu_network",
            epoch=number,
            train_loss=1 / number,
            validation_loss=1.1 / number,
            validation_accuracy=0.9,
            learning_rate=0.001,
            seconds=number / pace,
        )
        progress = Progress(epoch=number, max_epochs=10**6, fraction=number / 10**6, rows_per_second=1e5)
        queue.record(job, attempt, [record], progress)
        next_at += 1 / pace
        stop.wait(max(0.0, next_at - time.monotonic()))
    return number


async def watch(port: int, job: str, seen: list[int]) -> None:
    """Read to the end of the stream, resuming whenever it breaks."""
    final = False
    while not final:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        after = seen[-1] if seen else 0
        writer.write(
            f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nLast-Event-ID: {after}\r\n\r\n".encode()
        )
        try:
            while line := await reader.readline():
                if line.startswith(b"id: "):
                    seen.append(int(line[4:]))
                elif line.startswith(b"data: ") and b'"finished_at":"' in line:
                    final = json.loads(line[6:])["state"] == "cancelled"
                    break
        except ConnectionError:
            pass
        writer.close()


async def run(said: argparse.Namespace, server: LocalServer, pid: int, job: str, store: JobStore) -> None:
    idle = cpu(pid)
    await asyncio.sleep(3)
    idle = (cpu(pid) - idle) / 3
    before = memory(pid)
    seen: list[list[int]] = [[] for _ in range(said.watchers)]
    begun = cpu(pid)
    watchers = [asyncio.create_task(watch(server.port, job, each)) for each in seen]
    while not all(seen):
        await asyncio.sleep(0.05)
    print(f"joined: {cpu(pid) - begun:.2f} s of CPU for {said.watchers} watchers")
    used, began = cpu(pid), time.monotonic()
    peak = 0.0
    while time.monotonic() - began < said.seconds:
        await asyncio.sleep(0.5)
        peak = max(peak, memory(pid))
    share = (cpu(pid) - used) / (time.monotonic() - began)
    print(f"CPU share of a core: {idle:.2%} without watchers, {share:.2%} with {said.watchers}")
    print(f"memory: {before:.0f} MB without, {peak:.0f} MB with")
    store.cancel(job)
    await asyncio.gather(*watchers)
    total = len(store.history(job))
    whole = sum(each == list(range(1, total + 1)) for each in seen)
    print(f"{whole} of {said.watchers} saw each of {total} epochs exactly once")


def main() -> None:
    """Run it once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watchers", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--pace", type=float, default=5)
    said = parser.parse_args()
    server = LocalServer(Path(tempfile.mkdtemp(prefix="neurona-watchers-")), trainer=False)
    server.start()
    url = f"sqlite:///{server.data / 'neurona.db'}"
    store, queue, stop = JobStore(url), JobQueue(url), threading.Event()
    job = store.submit(NewJob(model="m", dataset="ds_0123456789abcdef"))[0].id
    claimed = queue.claim()
    assert claimed is not None
    writer = threading.Thread(target=_quietly, args=(queue, job, claimed[1], said.pace, stop), daemon=True)
    writer.start()
    assert server.process is not None
    try:
        asyncio.run(run(said, server, server.process.pid, job, store))
    finally:
        stop.set()
        server.stop()


def _quietly(queue: JobQueue, job: str, attempt: int, pace: float, stop: threading.Event) -> None:
    try:
        write_epochs(queue, job, attempt, pace, stop)
    except Exception as error:
        if type(error).__name__ != "Superseded":
            raise


if __name__ == "__main__":
    main()
