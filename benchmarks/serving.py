#!/usr/bin/env python
"""How a server holds up: 64 streams at once against one, 1,000 requests of which some are left half-way.

python benchmarks/serving.py runs/village/gpt      a model that `hornbook quickstart` made

Reported: tokens per second of one stream and of 64, their ratio (median of interleaved rounds), whether every request that
was not left got its whole text, and the server's memory before and after.
"""

import argparse
import asyncio
import json
import random
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx

STREAMS, REQUESTS, LEFT, ROUNDS, TOKENS = 64, 1000, 0.2, 3, 64


def main() -> None:
    """Start a server, ask, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    command = [sys.executable, "-m", "hornbook", "serve", asked.model, "--port", "0", "--device", "cpu"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8")
    assert process.stderr is not None
    try:
        found = None
        while found is None:
            line = process.stderr.readline()
            if not line:
                raise SystemExit("the server did not start")
            found = re.search(r"at (http://\S+);", line)
        report = asyncio.run(measure(found[1], process.pid))
    finally:
        process.terminate()
        process.wait()
    print(
        json.dumps(report, indent=2)
        if asked.json
        else "\n".join(f"{name:28} {value}" for name, value in report.items())
    )


async def measure(address: str, pid: int) -> dict[str, object]:
    """All of it."""
    limits = httpx.Limits(max_connections=STREAMS)
    async with httpx.AsyncClient(base_url=address, timeout=300, limits=limits) as client:
        await until_up(client)
        await one(client, 0, TOKENS)
        alone, together = [], []
        for _ in range(ROUNDS):
            alone.append(await speed(client, 1, 3))
            together.append(await speed(client, STREAMS, 2 * STREAMS))
        before = memory(pid)
        lost, left = await storm(client)
        after = memory(pid)
        ratios = [many / few for many, few in zip(together, alone, strict=True)]
        return {
            "tokens/s, one stream": round(statistics.median(alone)),
            f"tokens/s, {STREAMS} streams": round(statistics.median(together)),
            "ratio (median, least, most)": [round(f(ratios), 2) for f in (statistics.median, min, max)],
            "requests": REQUESTS,
            "left half-way by the client": left,
            "lost": lost,
            "memory before, MB": round(before),
            "memory after, MB": round(after),
        }


async def until_up(client: httpx.AsyncClient) -> None:
    """Wait for the server."""
    for _ in range(300):
        try:
            await client.get("/health")
            return
        except httpx.ConnectError:
            await asyncio.sleep(0.1)


async def one(client: httpx.AsyncClient, seed: int, tokens: int, leave_after: int | None = None) -> int:
    """A streamed text of at most `tokens` tokens: how many came, -1 where it did not end as it should."""
    count, done = 0, False
    asked = {
        "prompt": "One morning",
        "max_tokens": tokens,
        "seed": seed,
        "temperature": 1.0,
        "stream": True,
        "logprobs": 0,
    }
    async with client.stream("POST", "/v1/completions", json=asked) as answer:
        if answer.status_code != 200:
            return -1
        async for line in answer.aiter_lines():
            if line == "data: [DONE]":
                done = True
            elif line.startswith("data: "):
                count += len((json.loads(line[6:])["choices"][0]["logprobs"] or {"tokens": []})["tokens"])
            if leave_after is not None and count >= leave_after:
                return count
    return count if done else -1


async def speed(client: httpx.AsyncClient, streams: int, texts: int) -> float:
    """Tokens per second of so many texts, so many at a time."""
    gate = asyncio.Semaphore(streams)

    async def gated(seed: int) -> int:
        async with gate:
            return await one(client, seed, TOKENS)

    begun = time.perf_counter()
    counts = await asyncio.gather(*(gated(seed) for seed in range(texts)))
    return sum(counts) / (time.perf_counter() - begun)


async def storm(client: httpx.AsyncClient) -> tuple[int, int]:
    """REQUESTS texts, STREAMS at a time, of which a share is left half-way: (how many were lost, how many left)."""
    gate, draw = asyncio.Semaphore(STREAMS), random.Random(0)
    plans = [draw.randrange(1, 20) if draw.random() < LEFT else None for _ in range(REQUESTS)]

    async def gated(seed: int) -> int:
        async with gate:
            return await one(client, seed, 24, plans[seed])

    counts = await asyncio.gather(*(gated(seed) for seed in range(REQUESTS)))
    return sum(count < 0 for count in counts), sum(plan is not None for plan in plans)


def memory(pid: int) -> float:
    """The resident memory of a process in MB (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1000 if found else float("nan")


if __name__ == "__main__":
    main()
