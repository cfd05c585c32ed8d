"""What the outside host runs: HTTP on port 80 and an echo on UDP port 53, on all its addresses."""

from __future__ import annotations

import http.server
import socket
import threading


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"outside\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _echo() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("0.0.0.0", 53))
        while True:
            data, sender = server.recvfrom(4096)
            server.sendto(data, sender)


def serve() -> None:
    """Serves until it is ended."""
    threading.Thread(target=_echo, daemon=True).start()
    http.server.ThreadingHTTPServer(("0.0.0.0", 80), _Answer).serve_forever()
