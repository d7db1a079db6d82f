"""A function that the Agent Governance Toolkit governs: its decision, and the call as a deed.

pip install 'sinkwell[agt]'
python with_agt.py events.ndjson
"""

import sys

import sinkwell
from agentmesh.governance import govern

POLICY = """
apiVersion: governance.toolkit/v1
name: shop
default_action: allow
rules:
  - name: no_large_payments
    condition: "amount > 100"
    action: deny
"""


def pay(amount: int) -> str:
    """Pays; it runs only once its intent is safe."""
    return f"paid {amount}"


def main(path: str) -> None:
    lanes = [{"id": "out", "sink": {"file": {"path": path}}}]
    sinkwell.configure({"agent": {"id": "urn:example:shop"}, "lanes": lanes})

    installed = sinkwell.agt.install()

    print(govern(pay, policy=POLICY)(amount=3))
    installed.stop()
    sinkwell.shutdown()


main(sys.argv[1])
