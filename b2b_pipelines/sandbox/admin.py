"""The admin API under `/sandbox/api` and the page under `/sandbox`: what a person or another process does to it."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from b2b_pipelines.sandbox.google import Google
from b2b_pipelines.sandbox.world import World


def admin_routes(world: World, google: Google) -> list[BaseRoute]:
    """Routes that are neither counted nor befallen by faults."""

    async def health(request: Request) -> Response:
        return JSONResponse({"url": world.url, "vendors": [vendor.name for vendor in world.vendors]})

    return [Route("/sandbox/api/health", health)]
