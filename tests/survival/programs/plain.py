"""Emits, and ends as it is told to."""

import os
import signal
import sys
import time

import product

end = sys.argv[1]
product.begin()
half = product.COUNT // 2
product.emit_all(range(half))
if end == "freeze":
    open("halfway", "w").close()
    while not os.path.exists("thawed"):
        time.sleep(0.01)
product.emit_all(range(half, product.COUNT))
if end == "exception":
    raise RuntimeError("the program failed")
if end == "sys.exit":
    sys.exit(3)
if end == "os._exit":
    os._exit(3)
if end == "SIGKILL":
    os.kill(os.getpid(), signal.SIGKILL)
if end == "SIGTERM":
    open("ready", "w").close()
    while True:
        time.sleep(1)
