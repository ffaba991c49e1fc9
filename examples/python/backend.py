"""Receives deliveries that Caddy has verified. Usage: python3 backend.py [socket]"""

import json
import os
import socketserver
import sys
from http.server import BaseHTTPRequestHandler


class Webhooks(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        # An exception ends the connection. Then Caddy answers 502, and Svix tries again.
        handle(self.headers["Clerk-Event"], self.headers["Svix-Id"], event["data"])
        self.send_response(204)
        self.end_headers()

    def address_string(self):  # a Unix socket's peer has no address
        return "caddy"


def handle(event_type, delivery, data):
    print(event_type, delivery, data["id"], flush=True)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else "backend.sock"
    if os.path.exists(path):
        os.unlink(path)  # left over from the last run
    os.umask(0o117)  # only the owner and the group may connect
    with Server(path, Webhooks) as server:
        server.serve_forever()
