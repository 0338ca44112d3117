"""The demo's pages: the start page with its six scenes, the storefront, the purchases, the inbox."""

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.demo import inbox
from sandbox.demo.stage import Stage
from sandbox.pages.rendering import is_ours, render


class Pages:
    """Routes that are served before the stage is built: `stage` is set once it exists."""

    def __init__(self) -> None:
        self.inbox = inbox.Inbox()
        self.stage: Stage | None = None

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", self._start),
            Route("/demo.json", self._document),
            Route(inbox.PATH, self.inbox.receive, methods=["POST"]),
            Route("/demo/sign-in", self._sign_in),
            Route("/demo/storefront", self._listing("storefront.html", "academies", lambda s: s.academies.published())),
            Route("/demo/purchases", self._listing("purchases.html", "purchases", lambda s: s.purchase.purchases())),
            Route("/demo/alerts", self._listing("alerts.html", "messages", lambda s: s.inbox.messages()[::-1])),
            Route("/demo/{number:int}/{name}", self._press, methods=["POST"]),
        ]

    async def _start(self, request: Request) -> Response:
        stage = self.stage
        if stage is None or not stage.ready:
            return render("start.html", ready=False)
        scenes = stage.as_json()["scenes"]
        return render("start.html", ready=True, links=stage.links(), scenes=scenes, outcomes=stage.outcomes)

    async def _document(self, request: Request) -> Response:
        return JSONResponse(self.stage.as_json() if self.stage else {"ready": False})

    async def _press(self, request: Request) -> Response:
        """Press a button: a form goes back to the start page, a client that accepts JSON gets the outcome."""
        stage = self.stage
        if stage is None or not stage.ready:
            return PlainTextResponse("The demo is starting.", 503)
        if not is_ours(request):
            return PlainTextResponse("This form was not sent by a page of the demo.", 403)
        number, name = request.path_params["number"], request.path_params["name"]
        try:
            outcome = await run_in_threadpool(stage.press, number, name)
        except KeyError:
            return PlainTextResponse(f"Scene {number} has no button {name!r}.", 404)
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(outcome.as_json())
        return RedirectResponse(f"/#scene-{number}", 303)

    async def _sign_in(self, request: Request) -> Response:
        """Sign this browser in to the pages of contract managers, and go on to one of them.

        Cookies do not depend on the port, so a cookie of this page is sent to the product's pages too.
        """
        stage = self.stage
        if stage is None or not stage.ready:
            return PlainTextResponse("The demo is starting.", 503)
        wanted = request.query_params.get("to", "/")
        path = wanted if wanted.startswith("/") and not wanted.startswith("//") else "/"
        cookies = await run_in_threadpool(stage.sign_in)
        answer = RedirectResponse(f"{stage.product.api_url}{path}", 303)
        for name, value in cookies.items():
            answer.set_cookie(name, value, httponly=True, samesite="lax" if name == "b2b_session" else "strict")
        return answer

    def _listing(self, template: str, name: str, rows: Callable[[Stage], Any]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            stage = self.stage
            if stage is None or not stage.ready:
                return PlainTextResponse("The demo is starting.", 503)
            return render(template, **{name: await run_in_threadpool(rows, stage)})

        return endpoint
