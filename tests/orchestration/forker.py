"""Run `dagster` commands in processes of their own, without loading the definitions again for each.

Reads lines of JSON, `{"argv": […], "output": "…"}`, and answers each with the process's id. A process that ends by
itself writes its status and the most memory that it had as the last line of its output: `status 0 peak 250000 kB`.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path


def serve() -> None:
    from dagster._cli import main

    import b2b_pipelines.definitions  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nothing waits for them
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            output = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(output, 1)
            os.dup2(output, 2)
            status = _status_of(main, asked["argv"])
            os.write(output, f"status {status} peak {_peak_memory()}\n".encode())
            os._exit(0)
        print(child, flush=True)


def _peak_memory() -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.removeprefix("VmHWM:").strip() for line in lines if line.startswith("VmHWM:"))


def _status_of(main: object, argv: list[str]) -> int:
    assert callable(main)
    try:
        sys.argv = ["dagster", *argv]
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - of the command: shown, and its status
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    serve()
