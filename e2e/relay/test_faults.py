"""Our relay and our listener, while connections break and processes die.

A sender sends each delivery again until it is answered 2xx, as Svix does. No delivery
may be answered 2xx that the backend has not handled."""

import asyncio
import os
import random
import signal
import tempfile
import time
import unittest

from parts import Backend, Network, Process, caddyfile, deliver, event, free_port, signed, start_caddy

DELIVERIES = int(os.environ.get("DELIVERIES", "400"))
AT_ONCE = 32
MINUTES = 5


class FaultsTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.backend = Backend()
        self.addCleanup(self.backend.close)
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.port, self.admin = free_port(), free_port()
        self.relay = None
        self.network = Network(self.port)
        await self.network.__aenter__()
        self.addAsyncCleanup(self.network.__aexit__)
        await self.start_relay()
        self.from_port = free_port()
        await self.start_listener()
        self.addAsyncCleanup(self.stop)

    async def stop(self):
        await self.listener.stop()
        await self.relay.stop()

    async def start_relay(self):
        self.relay = await start_caddy(self.folder.name, caddyfile(self.port, admin=f"127.0.0.1:{self.admin}"))

    async def start_listener(self):
        self.listener = Process(self.folder.name)
        await self.listener.start(
            "clerk-webhook", "listen", f"ws://127.0.0.1:{self.network.port}/api/webhooks",
            "--to", f"127.0.0.1:{self.backend.port}", "--from", str(self.from_port), "--inspect=off")
        await self.listener.prints("Connected to the relay")

    async def reload(self):
        reload = Process(self.folder.name)
        await reload.start("reload", "--force", "--config", os.path.join(self.folder.name, "Caddyfile"),
                           "--address", f"127.0.0.1:{self.admin}")
        await reload.process.wait()

    async def deliver_all(self):
        """Delivers until each is answered 2xx. Returns the attempts."""
        slots, attempts, deadline = asyncio.Semaphore(AT_ONCE), 0, time.monotonic() + MINUTES * 60

        async def one(number):
            nonlocal attempts
            async with slots:
                body = event(number)
                while True:
                    attempts += 1
                    status, _, _ = await deliver(self.port, body, headers=signed(body, f"msg_{number}"))
                    if 200 <= status <= 299:
                        self.assertIn(f"msg_{number}", self.backend.ids())
                        return
                    if time.monotonic() > deadline:
                        self.fail(f"delivery {number} never got through; the last status was {status}")
                    await asyncio.sleep(0.05 + random.random() * 0.1)

        await asyncio.gather(*(one(n) for n in range(DELIVERIES)))
        return attempts

    async def under(self, fault, pause):
        """Delivers all while a fault happens again and again."""
        count = 0

        async def happen():
            nonlocal count
            while True:
                await asyncio.sleep(pause)
                await fault()
                count += 1

        faults = asyncio.create_task(happen())
        attempts = await self.deliver_all()
        while count == 0:  # a quick machine is through before the first
            attempts += await self.deliver_all()
        faults.cancel()
        await asyncio.gather(faults, return_exceptions=True)
        print(f"{fault.__name__}: {count} times, {DELIVERIES} of {DELIVERIES} answered 2xx in {attempts} attempts", flush=True)
        self.assertEqual(len(set(self.backend.ids())), DELIVERIES)

    async def test_network_is_cut(self):
        async def cut():
            self.network.cut()
        await self.under(cut, 0.3)

    async def test_relay_reloads(self):
        await self.under(self.reload, 1)

    async def test_relay_is_killed(self):
        async def kill_relay():
            await self.relay.stop(signal.SIGKILL)
            await self.start_relay()
        await self.under(kill_relay, 1)

    async def test_listener_is_killed(self):
        async def kill_listener():
            await self.listener.stop(signal.SIGKILL)
            await self.start_listener()
        await self.under(kill_listener, 1)
