"""A worker in Python: counts the words of a text. It greets, so it may get several items in one line.

See docs/protocol.md; a step `python` needs none of this.
"""

import json
import sys


def work(text):
    if not isinstance(text, str):
        raise TypeError("not a text: %r" % (text,))
    return {"text": text, "words": len(text.split())}


def answer(message):
    try:
        return {"id": message["id"], "result": work(message["item"])}
    except Exception as e:
        return {"id": message["id"], "error": {"type": type(e).__name__, "message": str(e)}}


def main():
    print(json.dumps({"hello": {"version": 1, "batch": True}}), flush=True)
    hello = json.loads(sys.stdin.readline())["hello"]
    print("worker %d of stage %s" % (hello["worker"], hello["stage"]), file=sys.stderr)
    for line in sys.stdin:
        message = json.loads(line)
        if "batch" in message:
            print(json.dumps({"batch": [answer(one) for one in message["batch"]]}), flush=True)
        else:
            print(json.dumps(answer(message)), flush=True)


if __name__ == "__main__":
    main()
