"""A client of somebody else's making: Python's `websockets` (Debian: python3-websockets) with its own defaults,
compression offered. It logs in, follows the venue and alerts, sends an alert and waits for it, is cut off, comes back
with its cursor and gets what it missed.

    KONFERENCO_CONFORMANCE_URL=http://127.0.0.1:8080 KONFERENCO_CONFORMANCE_LOGIN=operator:password python3 test/conformance/foreign_client.py
"""
import asyncio
import json
import os
import sys
import urllib.request
import uuid

import websockets

URL = os.environ["KONFERENCO_CONFORMANCE_URL"].rstrip("/")
LOGIN, PASSWORD = os.environ["KONFERENCO_CONFORMANCE_LOGIN"].split(":", 1)


def rest(path, body, token=None):
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    with urllib.request.urlopen(urllib.request.Request(URL + path, json.dumps(body).encode(), headers)) as answer:
        return json.load(answer)


class Client:
    def __init__(self, socket):
        self.socket, self.cursor, self.next_s, self.frames = socket, None, 1, 0

    async def ask(self, frame_id, op, **fields):
        await self.socket.send(json.dumps({"op": op, "id": frame_id, **fields}))
        return await self.until(lambda frame: frame.get("re") == frame_id)

    async def until(self, wanted):
        while True:
            frame = json.loads(await asyncio.wait_for(self.socket.recv(), 10))
            self.frames += 1
            self.cursor = frame.get("c", self.cursor)
            if frame["op"] in ("ev", "b"):
                assert frame["s"] == self.next_s, f"a hole: {frame['s']} instead of {self.next_s}"
                self.next_s += len(frame["ev"]) if frame["op"] == "b" else 1
                await self.socket.send(json.dumps({"op": "ack", "s": self.next_s - 1}))
            if wanted(frame):
                return frame


def has_alert(alert_id):
    def wanted(frame):
        events = frame["ev"] if frame["op"] == "b" else [frame] if frame["op"] == "ev" else []
        return any(event["t"] == "alert" and event["d"]["alertId"] == alert_id for event in events)

    return wanted


async def main():
    token = rest("/api/v1/sessions", {"login": LOGIN, "password": PASSWORD})["token"]

    def alert():
        alert_id = f"foreign-{uuid.uuid4().hex[:12]}"
        rest("/api/v1/alerts", {"severity": "info", "title": "A foreign client", "text": "Nothing to do.", "alertId": alert_id}, token)
        return alert_id

    address = URL.replace("http", "ws", 1) + "/events"
    socket = await websockets.connect(address, subprotocols=["konferenco-v1"])
    client = Client(socket)
    assert socket.subprotocol == "konferenco-v1"
    assert (await client.ask(1, "hello", tok=token))["op"] == "welcome"
    for frame_id, channel in enumerate(["alerts", "venue", "occupancy"], 2):
        assert (await client.ask(frame_id, "sub", ch=channel))["op"] == "ok"
    await asyncio.wait_for(client.until(has_alert(alert())), 10)
    pong = await socket.ping()
    await asyncio.wait_for(pong, 5)
    cursor, frames = client.cursor, client.frames
    socket.transport.abort()  # no goodbye
    missed = alert()
    async with websockets.connect(address, subprotocols=["konferenco-v1"]) as socket:
        client = Client(socket)
        welcome = await client.ask(1, "hello", tok=token, resume=cursor)
        assert welcome["resumed"], welcome
        await client.ask(2, "sub", ch="alerts")
        await asyncio.wait_for(client.until(has_alert(missed)), 10)
    print(f"well: {frames + client.frames} frames, no hole, resumed, nothing missed (websockets {websockets.__version__})")


try:
    asyncio.run(main())
except AssertionError as error:
    sys.exit(f"not as the protocol says: {error!r}")
