"""The app: `create_app(settings)` for `b2b api` and for any other ASGI server."""

import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import Depends, FastAPI
from fastapi.routing import APIRouter

from b2b_pipelines.api import (
    academies,
    catalog,
    checkout,
    contract_pages,
    contracts,
    courseware_pages,
    edit_pages,
    errors,
    health,
    intents,
    learners,
    licenses,
    openapi,
    overview_pages,
    pages,
    people,
    provisioning,
    seat_pages,
    set_up,
    sheet_pages,
    stripe_events,
)
from b2b_pipelines.api.attaching import Attaching
from b2b_pipelines.api.database import OF_ITS_OWN, Connection, Lanes
from b2b_pipelines.api.observability import Metrics, Observed
from b2b_pipelines.api.parameters import known_parameters
from b2b_pipelines.api.vendors import Vendors
from b2b_pipelines.db.engine import Database
from b2b_pipelines.settings import Settings

FEATURES: tuple[APIRouter, ...] = (
    academies.router,
    contracts.router,
    catalog.router,
    provisioning.router,
    set_up.router,
    learners.router,
    licenses.router,
    checkout.router,
    intents.router,
    stripe_events.router,
)
"""Each says its prefix itself (`APIRouter(prefix=API)`): only then do logs and metrics know the whole route. Routes are
tried in this order, and the public list is asked for most."""
PAGES: tuple[APIRouter, ...] = (
    pages.router,
    contract_pages.router,
    edit_pages.router,
    courseware_pages.router,
    seat_pages.router,
    sheet_pages.router,
    overview_pages.router,
)
NOT_STRICT = (academies.router, stripe_events.router)
"""The public list ignores parameters that it does not know, and Stripe may add some to its events."""


def create_app(settings: Settings, database: Database | None = None) -> FastAPI:
    """The API over that database, or over the one of the settings, which is connected when first asked for.

    It starts without a database too: what needs one then answers 503.
    """
    connection = Connection(settings, database)
    reserved = Connection(settings, database, OF_ITS_OWN)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.vendors.close()
        connection.close()
        reserved.close()

    app = FastAPI(
        title="B2B pipelines",
        version=version("b2b-pipelines"),
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,  # clients call an operation by its endpoint's name
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # it tells paths, which can hold codes
    )
    app.state.settings = settings
    app.state.connection = connection
    app.state.reserved = reserved
    app.state.lanes = Lanes()
    app.state.attaching = Attaching(connection, app.state.lanes)
    app.state.vendors = Vendors(settings, connection)
    app.state.metrics = Metrics()
    app.state.paths = {}
    app.add_middleware(Observed, metrics=app.state.metrics, public_url=settings.public_url)
    errors.install(app)
    people.install(app, settings)
    for router in FEATURES:
        strict = [] if router in NOT_STRICT else [Depends(known_parameters)]
        app.include_router(router, dependencies=strict)
    for router in (health.router, people.router, *PAGES):
        app.include_router(router)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]
    return app


def prefer_requests() -> None:
    """Let nothing else in this process hold up a request for long; to be called once everything is loaded.

    What is loaded stays, so the garbage collector need not look at it again. Threads that work in the background give way
    after 1 ms, not after Python's 5: of a hundred requests, one would wait for them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(700)  # Python's own: the command line starts with a larger one
    sys.setswitchinterval(0.001)
