"""A TCP proxy that does to a connection what networks do: delay it, cut it after n octets, deliver late, dribble.

    with Proxy(port, faults=lambda number: Fault(cut_to_server=4000)) as proxy: ... proxy.port, proxy.cuts

It reads while it writes and limits no bandwidth, so that a delay costs round trips and nothing else."""

import asyncio
import collections
import dataclasses
import socket
import threading
import time

WINDOW = 6 << 20  # octets on the way in one direction, as a TCP window would allow
PIECE = 256 << 10
BURST = 0.02      # what a client sends within this time belongs to the octets that arrive late


@dataclasses.dataclass
class Fault:
    """What happens to one connection. Octets are counted from its start; None: never."""

    cut_to_server: int = None   # both ends are closed when the server has got so many octets
    cut_to_client: int = None
    late_after: int = None      # the client is dropped after so many octets, and what it sent is delivered …
    late_seconds: float = 0.0   # … so much later, as a network with a long queue does
    dribble: bool = False       # one octet at a time, both ways
    refuse: bool = False        # closed at once


class Lane:
    """One direction: octets with the time at which they are due."""

    def __init__(self, writer, delay):
        self.writer, self.delay = writer, delay
        self.queue, self.held = collections.deque(), 0
        self.changed = asyncio.Condition()
        self.ended = False

    async def put(self, octets):
        async with self.changed:
            await self.changed.wait_for(lambda: self.held < WINDOW)
            self.queue.append((time.monotonic() + self.delay, octets))
            self.held += len(octets)
            self.changed.notify_all()

    async def end(self):
        async with self.changed:
            self.queue.append((time.monotonic() + self.delay, None))
            self.changed.notify_all()

    async def deliver(self):
        while True:
            async with self.changed:
                await self.changed.wait_for(lambda: self.queue)
                due, octets = self.queue.popleft()
            wait = due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            if octets is None:
                if self.writer.can_write_eof():
                    self.writer.write_eof()
                return
            self.writer.write(octets)
            await self.writer.drain()
            async with self.changed:
                self.held -= len(octets)
                self.changed.notify_all()


class Proxy:
    """Runs in a thread of its own. `rtt` in seconds is added to every round trip, to that of connecting too."""

    def __init__(self, upstream, faults=None, rtt=0.0, listen=False):
        self.upstream, self.faults, self.rtt = upstream, faults or (lambda number: Fault()), rtt
        self.said = bytearray() if listen else None  # what clients sent, of all connections, in the order of arrival
        self.connections = self.cuts = 0
        self.latest = 0.0  # the longest time that octets arrived after their client was dropped
        self.octets = [0, 0]  # to the server, to the client
        self.port = None
        self._loop = asyncio.new_event_loop()
        self._tasks = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join()

    def settle(self, seconds=5):
        """Returns when no connection is open: everything late has been delivered."""
        deadline = time.monotonic() + seconds
        while self._tasks and time.monotonic() < deadline:
            time.sleep(0.01)
        return not self._tasks

    def _run(self):
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _stop(self):
        self._loop.stop()

    async def _accept(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._serve(reader, writer, self.faults(self.connections))
        except (OSError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            pass  # the proxy is closing; the server's task would else report it
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader, writer, fault):
        if fault.refuse:
            self.cuts += 1
            return
        if self.rtt:
            await asyncio.sleep(self.rtt)  # the handshake of a far server
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        for one in (writer, up_writer):
            one.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        to_server, to_client = Lane(up_writer, self.rtt / 2), Lane(writer, self.rtt / 2)
        jobs = [asyncio.ensure_future(job) for job in (
            self._to_server(reader, writer, to_server, fault), self._to_client(up_reader, to_client, fault),
            to_server.deliver(), to_client.deliver())]
        try:
            pending = set(jobs)
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                if any(job.exception() is None and job.result() == "cut" for job in done if not job.cancelled()):
                    return
                if any(job.exception() for job in done):
                    return
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            up_writer.close()
            writer.close()

    async def _to_server(self, reader, writer, lane, fault):
        count = 0
        while True:
            octets = await reader.read(1 if fault.dribble else PIECE)
            if not octets:
                await lane.end()
                return "end"
            self.octets[0] += len(octets)
            if self.said is not None:
                self.said += octets
            count += len(octets)
            if fault.cut_to_server is not None and count >= fault.cut_to_server:
                self.cuts += 1
                keep = octets[:len(octets) - (count - fault.cut_to_server)]
                if keep:
                    lane.writer.write(keep)
                    await lane.writer.drain()
                return "cut"
            if fault.late_after is not None and count >= fault.late_after:
                await self._late(octets, reader, writer, lane, fault)
                return "cut"
            await lane.put(octets)

    async def _late(self, octets, reader, writer, lane, fault):
        """Takes the whole burst, drops the client, and hands the burst to the server when nobody waits for it any more."""
        try:
            while True:
                more = await asyncio.wait_for(reader.read(PIECE), BURST)
                if not more:
                    break
                octets += more
        except asyncio.TimeoutError:
            pass
        self.cuts += 1
        writer.close()
        dropped = time.monotonic()
        await asyncio.sleep(fault.late_seconds)
        lane.writer.write(octets)
        await lane.writer.drain()
        self.latest = max(self.latest, time.monotonic() - dropped)
        await asyncio.sleep(0.05)  # the server reads it before it sees the end

    async def _to_client(self, reader, lane, fault):
        count = 0
        while True:
            octets = await reader.read(1 if fault.dribble else PIECE)
            if not octets:
                await lane.end()
                return "end"
            self.octets[1] += len(octets)
            count += len(octets)
            if fault.cut_to_client is not None and count >= fault.cut_to_client:
                self.cuts += 1
                lane.writer.write(octets[:len(octets) - (count - fault.cut_to_client)])
                await lane.writer.drain()
                return "cut"
            await lane.put(octets)
