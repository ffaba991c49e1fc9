"""What the tests are made of: a sender, a backend, a relay, a listener and a network
that can be cut, each written from the protocol alone."""

import asyncio
import base64
import hashlib
import hmac
import http.client
import json
import logging
import os
import secrets
import signal
import socket
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

logging.getLogger("websockets").setLevel(logging.CRITICAL)  # connections break on purpose
logging.getLogger("asyncio").setLevel(logging.ERROR)  # a busy machine is slow

KEY = secrets.token_bytes(32)
SECRET = "whsec_" + base64.b64encode(KEY).decode()
SENDERS = ThreadPoolExecutor(64)
LISTEN_PATH = "/api/v1/listen/"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def signed(body, message_id=None):
    """The headers of a genuine delivery."""
    message_id = message_id or "msg_" + secrets.token_hex(12)
    timestamp = str(int(time.time()))
    content = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(KEY, content, hashlib.sha256).digest()).decode()
    return {
        "svix-id": message_id,
        "svix-timestamp": timestamp,
        "svix-signature": "v1," + signature,
        "content-type": "application/json",
    }


def event(number=0, filling=""):
    return json.dumps({"type": "user.created", "data": {"id": f"user_{number}", "filling": filling}}).encode()


def post(port, path, body, headers, timeout=20):
    """One attempt of a sender. The status is 0 if there was no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    except (OSError, http.client.HTTPException):
        return 0, {}, b""
    finally:
        connection.close()


async def deliver(port, body, path="/api/webhooks", headers=None):
    return await asyncio.get_running_loop().run_in_executor(SENDERS, post, port, path, body, headers or signed(body))


class Backend:
    """Answers deliveries and remembers what it has answered."""

    def __init__(self, answer=lambda headers, body: (200, {}, b"")):
        self.lock = threading.Lock()
        self.handled = []  # (headers, body)
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, extra, text = answer(headers, body)
                with backend.lock:
                    backend.handled.append((headers, body))
                try:
                    self.send_response(status)
                    for name, value in extra.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                except OSError:
                    pass  # who asked has been killed

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def ids(self):
        with self.lock:
            return [headers["svix-id"] for headers, _ in self.handled]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Process:
    """A process of the caddy command, with its output."""

    def __init__(self, home):
        self.home = home
        self.output = ""
        self.grown = asyncio.Event()

    async def start(self, *args):
        self.process = await asyncio.create_subprocess_exec(
            os.environ["CADDY"], *args,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=self.home,
            env={"PATH": os.environ["PATH"], "HOME": self.home, "CLERK_WEBHOOK_SIGNING_SECRET": SECRET},
        )
        self.reading = asyncio.create_task(self.read())

    async def read(self):
        while chunk := await self.process.stdout.read(4096):
            self.output += chunk.decode(errors="replace")
            self.grown.set()

    async def prints(self, text, times=1, timeout=60):
        async def wait():
            while self.output.count(text) < times:
                self.grown.clear()
                await self.grown.wait()
        try:
            await asyncio.wait_for(wait(), timeout)
        except TimeoutError:
            raise AssertionError(f"never printed {text!r} {times} times:\n{self.output[-3000:]}") from None

    async def stop(self, how=signal.SIGKILL):
        if self.process.returncode is None:
            self.process.send_signal(how)
        await self.process.wait()
        await self.reading


@asynccontextmanager
async def caddy_listens(url, backend, *args, home=None):
    """caddy clerk-webhook listen, in front of a backend."""
    with tempfile.TemporaryDirectory() as folder:
        p = Process(home or folder)
        await p.start("clerk-webhook", "listen", url, "--to", f"127.0.0.1:{backend.port}",
                      "--from", str(free_port()), "--inspect=off", *args)
        try:
            yield p
        finally:
            await p.stop()


def caddyfile(port, options="relay", admin="off"):
    return (f"{{\n\tadmin {admin}\n\tpersist_config off\n\tskip_install_trust\n}}\n"
            f"http://127.0.0.1:{port} {{\n\tclerk_webhook /api/webhooks* {{\n\t\t{options}\n\t}}\n}}\n")


async def start_caddy(folder, config):
    file = os.path.join(folder, "Caddyfile")
    with open(file, "w") as f:
        f.write(config)
    p = Process(folder)
    await p.start("run", "--config", file)
    await p.prints("serving initial configuration")
    return p


@asynccontextmanager
async def caddy_relays(options="relay"):
    """A Caddy that is a relay, and its port."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        p = await start_caddy(folder, caddyfile(port, options))
        try:
            yield port
        finally:
            await p.stop()


async def listen_token():
    with tempfile.TemporaryDirectory() as folder:
        p = Process(folder)
        await p.start("clerk-webhook", "secret", "--listen-token")
        await p.process.wait()
        await p.reading
        return p.output.strip()


def message(kind, data, binary=False):
    text = json.dumps({"type": kind, "version": 1, "data": data})
    return text.encode() if binary else text


@asynccontextmanager
async def listener(port, token, binary=False, **options):
    """A listener at a relay of ours."""
    async with connect(f"ws://127.0.0.1:{port}/api/webhooks", max_size=16 << 20, proxy=None, **options) as ws:
        await ws.send(message("start", {"token": token}, binary))
        started = json.loads(await ws.recv())
        assert (started["type"], started["version"]) == ("start", 1), started
        yield ws


async def next_event(ws):
    got = json.loads(await asyncio.wait_for(ws.recv(), 20))
    assert (got["type"], got["version"]) == ("event", 1), got
    return got["data"]


def answer(request, status=200, headers=None, body=b"", binary=False):
    return message("event", {"id": request["id"], "status": status, "headers": headers or {},
                             "body": base64.b64encode(body).decode()}, binary)


class Relay:
    """A relay like the public one: one listener a token, and an inbox for each."""

    def __init__(self, binary=False, ping=20):
        self.binary, self.ping = binary, ping
        self.listeners, self.answers = {}, {}
        self.tokens = []  # in the order of their start messages
        self.arrived = asyncio.Event()
        self.refuse = None  # (code, reason) for those who start

    async def __aenter__(self):
        self.server = await serve(self.handle, "127.0.0.1", 0, max_size=16 << 20,
                                  ping_interval=self.ping, process_request=self.check)
        self.port = self.server.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}{LISTEN_PATH}"
        return self

    async def __aexit__(self, *_):
        self.server.close()

    def check(self, connection, request):
        if request.path != LISTEN_PATH:
            return connection.respond(404, "no relay here\n")
        return None

    async def handle(self, ws):
        start = json.loads(await ws.recv())
        token = start["data"]["token"]
        self.tokens.append(token)
        if (start["type"], start["version"]) != ("start", 1):
            await ws.close(1002, "no start")
            return
        if self.refuse:
            await ws.close(*self.refuse)
            return
        if token in self.listeners:
            await ws.close(1008, "This socket is already in use")
            return
        self.listeners[token] = ws
        await ws.send(message("start", {"token": token}, self.binary))
        self.arrived.set()
        try:
            async for frame in ws:
                data = json.loads(frame)["data"]
                self.answers.pop(data["id"]).set_result(data)
        finally:
            del self.listeners[token]
            self.arrived.clear()

    async def forward(self, token, body, headers, request_id=None):
        request_id = request_id or secrets.token_hex(8)
        self.answers[request_id] = asyncio.get_running_loop().create_future()
        await self.listeners[token].send(message("event", {
            "id": request_id, "method": "POST", "headers": headers, "body": base64.b64encode(body).decode(),
        }, self.binary))
        got = await asyncio.wait_for(self.answers[request_id], 20)
        return got["status"], got["headers"], base64.b64decode(got["body"])


class Network:
    """A proxy between two ends, whose connections can be cut or fall silent."""

    def __init__(self, port):
        self.target, self.writers, self.silent = port, set(), False

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.handle, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()
        self.cut()

    async def handle(self, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self.pump(reader, far_writer), self.pump(far_reader, writer))

    async def pump(self, reader, writer):
        self.writers.add(writer)
        try:
            while data := await reader.read(65536):
                if not self.silent:
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    def cut(self):
        for writer in list(self.writers):
            writer.transport.abort()
