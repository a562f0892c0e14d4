"""Functions that pipelines here call."""

import asyncio

import millstream


def hello(i):
    """What the introduction to Python's multiprocessing does with a Lock, a Value and an Array."""
    with millstream.lock("printer"):
        print("hello world", i)
    millstream.value("num").add(0.25)
    array = millstream.array("arr")
    array[i] = -i
    return i


async def answer(i):
    """Waits for all others: only coroutines that run at once get past it."""
    await millstream.barrier("all").wait()
    await asyncio.sleep(0.01)
    return {"number": i, "square": i * i}
