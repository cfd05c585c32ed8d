"""A test fixture, not a name server: answers A questions about Services over UDP, on the node's address, as every real cluster has it.

Pods of the control plane need it; pods of runs must not reach it, which only shows where there is one. It knows nothing of the world outside.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import struct
import sys

from tests.kubernetes.machine.layout import NODE_ADDRESS, Layout
from tests.kubernetes.machine.volumes import ApiServer

DOMAIN = "cluster.local"
_A, _IN = 1, 1
_NO_SUCH_NAME, _FAILED = 3, 2
_SECONDS = 5


def address_of(api: ApiServer, name: str) -> str:
    """The Service's address; empty for a name that is none."""
    parts = name.lower().rstrip(".").split(".")
    if len(parts) != 5 or parts[2:] != ["svc", *DOMAIN.split(".")]:
        return ""
    path = f"/api/v1/namespaces/{parts[1]}/services/{parts[0]}"
    try:
        found = api.call("GET", path)
    except (OSError, http.client.HTTPException):  # the API server has closed the connection that was kept
        found = api.call("GET", path)
    address = (found.get("spec") or {}).get("clusterIP") or ""
    return "" if address == "None" else address


def answer(api: ApiServer, question: bytes) -> bytes:
    """To one packet. Raises ValueError for what is no question."""
    if len(question) < 17:
        raise ValueError("too short for a question")
    number, _, count = struct.unpack("!HHH", question[:6])
    labels, at = [], 12
    while count == 1 and question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode("ascii"))
        at += 1 + question[at]
    kind, network = struct.unpack("!HH", question[at + 1 : at + 5])
    asked = question[12 : at + 5]
    try:
        address = address_of(api, ".".join(labels))
    except (OSError, RuntimeError, http.client.HTTPException):
        return struct.pack("!6H", number, 0x8580 | _FAILED, 1, 0, 0, 0) + asked
    if not address:
        return struct.pack("!6H", number, 0x8580 | _NO_SUCH_NAME, 1, 0, 0, 0) + asked
    if (kind, network) != (_A, _IN):
        return struct.pack("!6H", number, 0x8580, 1, 0, 0, 0) + asked
    record = struct.pack("!HHHIH", 0xC00C, _A, _IN, _SECONDS, 4) + ipaddress.IPv4Address(address).packed
    return struct.pack("!6H", number, 0x8580, 1, 1, 0, 0) + asked + record


def serve(layout: Layout) -> None:
    """Works until it is ended."""
    api = ApiServer(layout)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((NODE_ADDRESS, 53))
        while True:
            question, sender = server.recvfrom(4096)
            try:
                server.sendto(answer(api, question), sender)
            except (ValueError, IndexError, struct.error) as error:
                print(f"no answer: {error}", file=sys.stderr, flush=True)
