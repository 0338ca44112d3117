"""The sandbox as a process: an ASGI application, uvicorn in a thread or in the foreground."""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox.admin import admin_routes
from sandbox.enterprise_catalog import EnterpriseCatalog
from sandbox.faults import Application, Channel, Message, Receive, Send, befall
from sandbox.google import Google
from sandbox.license_manager import LicenseManager
from sandbox.license_manager.doors import doors as license_doors
from sandbox.open_edx import Lms, Studio
from sandbox.open_edx.doors import lms_doors, studio_doors
from sandbox.pages.vendors import routes as vendor_pages
from sandbox.requests_log import Exchange
from sandbox.stripe import Stripe
from sandbox.stripe.doors import doors as stripe_doors
from sandbox.vendor import Vendor
from sandbox.world import StateFile, World

SAVED_EVERY = 1.0


class Gate:
    """Stands before the vendors: counts every request, and lets it suffer the fault that waits for it."""

    def __init__(self, app: Application, world: World, vendors: Sequence[Vendor]) -> None:
        self.app = app
        self.world = world
        self.vendors = vendors

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        vendor = self._vendor_of(scope["path"]) if scope["type"] == "http" else None
        if vendor is None:
            await self.app(scope, receive, send)
            return
        method, path = scope["method"], scope["raw_path"].decode().removeprefix(vendor.prefix)
        exchange = Exchange(vendor.name, vendor.kind(method, path), method, path)
        self.world.log.add(exchange)
        counted_receive, counted_send = _counting(exchange, scope, receive, send)
        fault = self.world.faults.take(vendor.name, method, exchange.kind, path)
        if self.world.faults.latency:
            await asyncio.sleep(self.world.faults.latency)
        if fault is None:
            await self.app(scope, counted_receive, counted_send)
        else:
            exchange.fault = fault.label
            await befall(fault, self.app, Channel(scope, counted_receive, counted_send), vendor.error_body)

    def _vendor_of(self, path: str) -> Vendor | None:
        """Return the vendor whose request this is; None for the pages and the admin API."""
        owners = [vendor for vendor in self.vendors if vendor.owns(path)]
        return max(owners, key=lambda vendor: len(vendor.prefix), default=None)


def _counting(exchange: Exchange, scope: Any, receive: Receive, send: Send) -> tuple[Receive, Send]:
    """The same channel, writing down what goes through it before it goes."""

    async def counted_receive() -> Message:
        message = await receive()
        exchange.request_bytes += len(message.get("body", b""))
        return message

    async def counted_send(message: Message) -> None:
        exchange.account = scope["state"].get("account")
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
        exchange.response_bytes += len(message.get("body", b""))
        await send(message)

    return counted_receive, counted_send


class _Connection(H11Protocol):
    """HTTP/1.1 that shows its transport to the application, so that a fault can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class Sandbox:
    """Every stand-in, served over real HTTP on loopback.

    In tests: `with Sandbox() as sandbox:`, then `sandbox.url` for the clients and `sandbox.google` for the customer.
    With a `state_file` what the stand-ins hold outlives the process. `more_routes` are served before the sandbox's own.
    """

    def __init__(self, *, state_file: Path | None = None, more_routes: Sequence[BaseRoute] = ()) -> None:
        self.world = World()
        self.google = Google(self.world)
        self.lms = Lms(self.world)
        self.studio = Studio(self.world, self.lms)
        self.license_manager = LicenseManager(self.world, self.lms)
        self.enterprise_catalog = EnterpriseCatalog(self.world, self.lms)
        self.stripe = Stripe(self.world)
        self.vendors: list[Vendor] = [
            self.google,
            self.lms,
            self.license_manager,
            self.enterprise_catalog,
            self.stripe,
            self.studio,
        ]
        self.world.vendors = self.vendors
        self.more_routes = more_routes
        self.log = self.world.log
        self.faults = self.world.faults
        self._state = StateFile(state_file, self.world) if state_file else None
        self._server: uvicorn.Server | None = None
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()

    @property
    def url(self) -> str:
        """The base URL, such as `http://127.0.0.1:8790`. Empty before `start`."""
        return self.world.url

    def reset(self) -> None:
        """Be as new, at the same URL; accounts keep their keys and tokens."""
        self.world.reset()

    def start(self, host: str = "127.0.0.1", port: int = 0) -> Self:
        """Serve in a thread of this process until `stop`. Port 0 is any free port. Raises `OSError` if it is taken."""
        server, listener = self._prepare(host, port)
        self._threads = [threading.Thread(target=server.run, args=([listener],), name="sandbox", daemon=True)]
        if self._state:
            self._threads.append(threading.Thread(target=self._save_now_and_then, name="sandbox-state", daemon=True))
        for thread in self._threads:
            thread.start()
        while not server.started:
            if not self._threads[0].is_alive():
                raise RuntimeError("the sandbox did not start")
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        """Stop serving, and write the state file."""
        if self._server is None:
            return
        self._server.should_exit = True
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout=10)
        self._server = None
        if self._state:
            self._state.write()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def serve(self, host: str, port: int, ready: Callable[["Sandbox"], None]) -> None:
        """Serve in the foreground until SIGINT or SIGTERM; `ready` is called once it serves.

        Raises `OSError` if the port is taken.
        """
        self.start(host, port)
        try:
            ready(self)
            _wait_for_signal()
        finally:
            self.stop()

    def application(self) -> Application:
        """The ASGI application: all vendors behind the gate, the page and the admin API beside it."""
        routes: list[BaseRoute] = [*self.more_routes, *vendor_pages(self), *admin_routes(self.world)]
        routes += [*license_doors(self.license_manager), *lms_doors(self.lms), *studio_doors(self.studio)]
        routes += stripe_doors(self.stripe)
        for vendor in self.vendors:
            routes += vendor.admin_routes()
            routes += [Mount(vendor.prefix, routes=vendor.routes())] if vendor.prefix else vendor.routes()
        return Gate(Starlette(routes=routes), self.world, self.vendors)

    def _prepare(self, host: str, port: int) -> tuple[uvicorn.Server, socket.socket]:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # Without its protocol named asyncio leaves Nagle's algorithm on: 40 ms for every answer.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
        except OSError:
            listener.close()
            raise
        self.world.url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        if self._state:
            self._state.read()
        config = uvicorn.Config(
            self.application(),
            http=_Connection,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=1,
        )
        self._stopping.clear()
        self._server = uvicorn.Server(config)
        return self._server, listener

    def _save_now_and_then(self) -> None:
        assert self._state is not None
        while not self._stopping.wait(SAVED_EVERY):
            self._state.write()


def _wait_for_signal() -> None:
    """Wait for SIGINT or SIGTERM."""
    came = threading.Event()
    before = {number: signal.signal(number, lambda *_: came.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        came.wait()
    finally:
        for number, act in before.items():
            signal.signal(number, act)
