"""Ten events for each task; each product as its own page on Celery says."""

import os

import celery
import product
from celery.signals import worker_process_init

if product.PRODUCT == "sinkwell":
    import sinkwell.celery  # noqa: F401

for name in ("queue", "done"):
    os.makedirs(name, exist_ok=True)
app = celery.Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": "queue",
    "data_folder_out": "queue",
    "processed_folder": "done",
}


@worker_process_init.connect(weak=False)
def begin(**_):
    product.begin()


@app.task
def step(n):
    product.emit_all(range(n * 10, n * 10 + 10))
    open(f"done-{n}", "w").close()
