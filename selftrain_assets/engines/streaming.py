"""What asynchronous work delivers, as an iterator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from queue import SimpleQueue
from typing import Any


def streamed(
    work: Callable[[Callable[[Any], None]], Awaitable[None]],
) -> Generator[Any, None, None]:
    """What asynchronous `work` delivers, one by one.

    It goes on in a thread while a result is used; closed early, it is cancelled.
    """
    from anyio.from_thread import start_blocking_portal

    results: SimpleQueue[Any] = SimpleQueue()
    end = object()
    with start_blocking_portal() as portal:
        future = portal.start_task_soon(work, results.put)
        future.add_done_callback(lambda _: results.put(end))
        try:
            while (result := results.get()) is not end:
                yield result
            future.result()
        finally:
            future.cancel()
