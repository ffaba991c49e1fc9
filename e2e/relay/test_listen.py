"""Our listener at a relay in Python."""

import asyncio
import tempfile
import unittest

from parts import Backend, Network, Relay, caddy_listens, event, signed


class ListenTest(unittest.IsolatedAsyncioTestCase):
    def backend(self, *args):
        backend = Backend(*args)
        self.addCleanup(backend.close)
        return backend

    async def test_text_and_binary_frames(self):
        for binary in (False, True):
            with self.subTest(binary=binary):
                backend = self.backend(lambda headers, body: (201, {"X-Backend": "here"}, b"made"))
                async with Relay(binary) as relay, caddy_listens(relay.url, backend) as p:
                    await p.prints("Connected to the relay")
                    body = event()
                    status, headers, text = await relay.forward(relay.tokens[0], body, signed(body))
                    self.assertEqual((status, text, headers["x-backend"]), (201, b"made", "here"))
                    self.assertEqual(backend.handled[0][1], body)

    async def test_what_is_not_genuine_stays_out(self):
        backend = self.backend()
        async with Relay() as relay, caddy_listens(relay.url, backend) as p:
            await p.prints("Connected to the relay")
            status, _, _ = await relay.forward(relay.tokens[0], event(1), signed(event(2)))
            self.assertEqual((status, backend.handled), (403, []))

    async def test_the_token_stays_until_another_is_asked_for(self):
        backend = self.backend()
        with tempfile.TemporaryDirectory() as home:
            async with Relay() as relay:
                for args in ((), (), ("--new",), ()):
                    async with caddy_listens(relay.url, backend, *args, home=home) as p:
                        await p.prints("Connected to the relay")
                        await p.prints(f"/in/{relay.tokens[-1]}/")
            first, second, third, fourth = relay.tokens
            self.assertRegex(first, r"^c_[A-Za-z0-9]{10}$")
            self.assertEqual((first, third), (second, fourth))
            self.assertNotEqual(first, third)

    async def test_a_token_in_use_ends_it(self):
        backend = self.backend()
        async with Relay() as relay:
            relay.refuse = (1008, "This socket is already in use")
            async with caddy_listens(relay.url, backend) as p:
                await p.prints("somebody else listens with this token already")
                self.assertEqual(await asyncio.wait_for(p.process.wait(), 10), 2)

    async def test_answers_out_of_order(self):
        release = asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow_first(headers, body):
            if b"user_1" in body:
                asyncio.run_coroutine_threadsafe(release.wait(), loop).result(20)
            return 200, {}, b""

        backend = self.backend(slow_first)
        async with Relay() as relay, caddy_listens(relay.url, backend) as p:
            await p.prints("Connected to the relay")
            slow = asyncio.create_task(relay.forward(relay.tokens[0], event(1), signed(event(1))))
            await asyncio.sleep(0)
            status, _, _ = await relay.forward(relay.tokens[0], event(2), signed(event(2)))
            self.assertEqual(status, 200)
            self.assertFalse(slow.done())
            release.set()
            self.assertEqual((await slow)[0], 200)

    async def test_large_bodies_and_other_alphabets(self):
        backend = self.backend(lambda headers, body: (200, {}, body[:200_000]))
        async with Relay() as relay, caddy_listens(relay.url, backend) as p:
            await p.prints("Connected to the relay")
            body = event(filling="é" * 150_000)
            body += b" " * (1024 * 1024 - len(body))
            status, _, text = await relay.forward(relay.tokens[0], body, signed(body) | {"x-name": "Müller"})
            self.assertEqual((status, text), (200, body[:200_000]))
            self.assertEqual(backend.handled[0][0]["x-name"].encode("latin-1").decode(), "Müller")

    async def test_connects_again_in_mid_delivery(self):
        backend = self.backend()
        async with Relay() as relay, Network(relay.port) as network:
            url = relay.url.replace(str(relay.port), str(network.port))
            async with caddy_listens(url, backend) as p:
                await p.prints("Connected to the relay")
                sending = asyncio.create_task(relay.forward(relay.tokens[0], event(), signed(event())))
                await asyncio.sleep(0)
                network.cut()
                await p.prints("Connected to the relay", times=2)
                sending.cancel()
                await relay.arrived.wait()
                status, _, _ = await relay.forward(relay.tokens[0], event(), signed(event()))
                self.assertEqual(status, 200)

    async def test_leaves_a_relay_that_falls_silent(self):
        backend = self.backend()
        async with Relay() as relay, Network(relay.port) as network:
            url = relay.url.replace(str(relay.port), str(network.port))
            async with caddy_listens(url, backend) as p:
                await p.prints("Connected to the relay")
                network.silent = True
                await p.prints("said nothing for 31 seconds", timeout=45)
                network.silent = False
                relay.listeners.clear()
                await p.prints("Connected to the relay", times=2)
