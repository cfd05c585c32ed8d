"""Runs in a Pod: an admission webhook over HTTPS on 8443 that refuses whatever has the label `block`. Certificate and key are in /tls."""

import http.server
import json
import ssl


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        allowed = "block" not in (request["object"]["metadata"].get("labels") or {})
        response = {"uid": request["uid"], "allowed": allowed, "status": {"code": 403, "message": "blocked by the webhook"}}
        body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 8443), Hook)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
