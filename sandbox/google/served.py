"""Google as it is served: the workspace, with the API before it and the page beside it."""

from collections.abc import Sequence

from starlette.routing import BaseRoute

from sandbox.google import api, desk
from sandbox.google.workspace import Workspace


class Google(Workspace):
    """The workspace of one customer and of the service accounts, over HTTP."""

    def routes(self) -> Sequence[BaseRoute]:
        return api.routes(self)

    def admin_routes(self) -> Sequence[BaseRoute]:
        return desk.routes(self)

    def kind(self, method: str, path: str) -> str:
        if not path.startswith("/v4/"):
            return "token" if path.startswith("/token") else "drive"
        return "read" if method == "GET" or path.endswith(api.READING_VERBS) else "write"
