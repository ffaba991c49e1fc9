"""A listener in Python at a relay of ours."""

import asyncio
import unittest

from websockets.exceptions import ConnectionClosed

from parts import answer, caddy_relays, deliver, event, listen_token, listener, next_event


class RelayTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.relay = caddy_relays()
        self.port = await self.relay.__aenter__()
        self.addAsyncCleanup(self.relay.__aexit__, None, None, None)
        self.token = await listen_token()

    async def test_text_and_binary_frames(self):
        for binary in (False, True):
            with self.subTest(binary=binary):
                async with listener(self.port, self.token, binary) as ws:
                    sending = asyncio.create_task(deliver(self.port, event()))
                    request = await next_event(ws)
                    self.assertEqual(request["method"], "POST")
                    await ws.send(answer(request, 201, {"x-backend": "Müller"}, b"made", binary))
                    status, headers, text = await sending
                    self.assertEqual((status, text), (201, b"made"))
                    self.assertEqual(headers["X-Backend"].encode("latin-1").decode(), "Müller")

    async def test_wrong_token(self):
        for token in ("c_0123456789", self.token[:-1], self.token.upper(), ""):
            with self.subTest(token=token), self.assertRaises(ConnectionClosed) as closed:
                async with listener(self.port, token):
                    pass
            self.assertEqual(closed.exception.rcvd.code, 1008)

    async def test_answers_out_of_order(self):
        async with listener(self.port, self.token) as ws:
            sending = [asyncio.create_task(deliver(self.port, event(n))) for n in range(10)]
            requests = [await next_event(ws) for _ in sending]
            for n, request in reversed(list(enumerate(requests))):
                await ws.send(answer(request, 200 + n, {}, request["body"].encode()))
            got = await asyncio.gather(*sending)
            self.assertEqual(sorted(status for status, _, _ in got), list(range(200, 210)))

    async def test_large_bodies(self):
        body = event(filling="x" * (1024 * 1024 - 100))
        async with listener(self.port, self.token) as ws:
            sending = asyncio.create_task(deliver(self.port, body))
            request = await next_event(ws)
            large = b"y" * (1024 * 1024)
            await ws.send(answer(request, 200, {}, large))
            status, _, text = await sending
            self.assertEqual((status, text), (200, large))

    async def test_pings(self):
        async with listener(self.port, self.token) as ws:
            await asyncio.wait_for(await ws.ping(), 5)
            await asyncio.sleep(21)  # the relay pings after 20 seconds, and the library answers
            sending = asyncio.create_task(deliver(self.port, event()))
            await ws.send(answer(await next_event(ws)))
            self.assertEqual((await sending)[0], 200)

    async def test_answer_to_nothing(self):
        async with listener(self.port, self.token) as ws:
            await ws.send(answer({"id": "never sent"}))
            sending = asyncio.create_task(deliver(self.port, event()))
            await ws.send(answer(await next_event(ws)))
            self.assertEqual((await sending)[0], 200)

    async def test_no_message(self):
        for frame in ("hello", b"\xff", '{"type":"event","version":2,"data":{}}'):
            with self.subTest(frame=frame):
                async with listener(self.port, self.token) as ws:
                    await ws.send(frame)
                    with self.assertRaises(ConnectionClosed):
                        await asyncio.wait_for(ws.recv(), 10)

    async def test_listener_that_leaves(self):
        async with listener(self.port, self.token) as ws:
            sending = asyncio.create_task(deliver(self.port, event()))
            await next_event(ws)
        self.assertEqual((await sending)[0], 502)
