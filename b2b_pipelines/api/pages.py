"""The pages that are there for everybody: sign-in, documentation and files. No build step, nothing from elsewhere."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from b2b_pipelines.api import openapi
from b2b_pipelines.api.database import Db
from b2b_pipelines.api.page_routes import PageRoute
from b2b_pipelines.api.rendering import HERE, POLICY, render
from b2b_pipelines.api.sign_in import MaybeSignedIn, OurForm, forget_session, go_on, own_path, sign_in, sign_out

SWAGGER_UI = Path(find_spec("fastapi_offline").origin or "").parent  # type: ignore[union-attr]
"""The package whose files Swagger UI comes from. Nothing of its Python is loaded."""
WITH_SWAGGER_UI = f"{POLICY}; font-src data:".replace("img-src 'self'", "img-src 'self' data:").replace(
    "style-src 'self'", "style-src 'self' 'unsafe-inline'"
)
"""Swagger UI sets styles and draws icons by script; its scripts come from here alone."""

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/sign-in", name="sign_in_page")
def sign_in_page(
    request: Request, wanted: Annotated[str, Query(alias="next", max_length=2000)] = "/", failed: bool = False
) -> Response:
    return render(request, "sign_in.html", None, wanted=own_path(wanted), failed="token" if failed else "")


@router.post("/sign-in", dependencies=[OurForm])
def sign_in_form(
    request: Request,
    db: Db,
    token: Annotated[str, Form(max_length=200)] = "",
    wanted: Annotated[str, Form(alias="next", max_length=2000)] = "/",
) -> Response:
    secret = sign_in(db, token) if token.isascii() else None
    if secret is None:
        return render(request, "sign_in.html", None, status=401, wanted=own_path(wanted), failed="token")
    return go_on(request, db, secret, wanted)


@router.post("/sign-out", name="sign_out_form", dependencies=[OurForm])
def sign_out_form(request: Request, db: Db) -> Response:
    sign_out(db, request)
    response = RedirectResponse(request.url_for("sign_in_page").path, 303)
    forget_session(request, response)
    return response


@router.get("/docs", name="docs_page")
def docs_page(request: Request, caller: MaybeSignedIn) -> Response:
    """The OpenAPI document, to be tried out: Swagger UI, from a package's files."""
    return render(request, "try.html", caller, policy=WITH_SWAGGER_UI)


@router.get("/docs/reference", name="reference_page")
def reference_page(request: Request, caller: MaybeSignedIn) -> Response:
    """The OpenAPI document, for people, without scripts."""
    return render(request, "docs.html", caller, api=openapi.readable(request.app))


@router.get("/static/{name}", name="static_file")
def static_file(
    name: Literal["pages.css", "pages.js", "icon.svg", "try.js", "swagger-ui.css", "swagger-ui-bundle.js"],
) -> Response:
    folder = SWAGGER_UI if name.startswith("swagger-ui") else HERE
    return FileResponse(folder / "static" / name, headers={"Cache-Control": "max-age=3600"})
