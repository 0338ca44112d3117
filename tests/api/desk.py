"""A person at the pages: signs in, opens pages, and sends the forms that stand there, without a script."""

from html.parser import HTMLParser
from types import TracebackType
from typing import Any

import httpx

from b2b_pipelines.db.engine import Database
from b2b_pipelines.tokens import service as tokens


class _Forms(HTMLParser):
    """The forms of a page: `(action, method, fields, buttons)`."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, str, dict[str, list[str]], list[str]]] = []
        self._select, self._option = "", ""
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((given.get("action", ""), given.get("method", "get"), {}, []))
            self._inside = True
        if not self._inside:
            return
        fields = self.forms[-1][2]
        name = given.get("name", "")
        if tag == "input" and name:
            ticked = given.get("type") not in ("checkbox", "radio") or "checked" in given
            fields.setdefault(name, []).extend([given.get("value", "")] if ticked else [])
        elif tag == "select":
            self._select = name
            fields[name] = []
        elif tag == "option" and self._select and (not fields[self._select] or "selected" in given):
            fields[self._select] = [given.get("value", "")]

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "select":
            self._select = ""


class Desk:
    """A browser without scripts. `page` is the text of the page that it shows, `path` where that is."""

    def __init__(self, url: str, database: Database) -> None:
        self.client = httpx.Client(base_url=url, timeout=60, follow_redirects=True)
        self.database = database
        self.page, self.path, self.status = "", "", 0

    def __enter__(self) -> "Desk":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.client.close()

    def sign_in(self, *scopes: str, organization: str | None = None, name: str = "Maria") -> "Desk":
        """Sign in with a new token of those scopes."""
        with self.database.session() as session:
            text = tokens.create(session, name, scopes, organization)[1]
        self.open("/sign-in")
        self.send("/sign-in", token=text)
        return self

    def open(self, path: str) -> str:
        """Open a page and return its text."""
        return self._shown(self.client.get(path))

    def send(self, action: str, **values: Any) -> str:
        """Send the form of the page with that action, with its values but for the given ones; return the next page."""
        forms = _Forms()
        forms.feed(self.page)
        fields = next(fields for path, method, fields, _ in forms.forms if path == action and method == "post")
        filled = {**fields, **{name: value if isinstance(value, list) else [value] for name, value in values.items()}}
        return self._shown(self.client.post(action, data=filled))

    def actions(self) -> set[str]:
        """Return where the forms of the page go that write something."""
        forms = _Forms()
        forms.feed(self.page)
        return {path for path, method, *_ in forms.forms if method == "post"}

    def _shown(self, answer: httpx.Response) -> str:
        self.page, self.path, self.status = answer.text, answer.url.path, answer.status_code
        return self.page
