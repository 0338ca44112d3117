"""Every page of the application, from its routers: a page that is new is tested at once, or the test names it."""

import re
from collections.abc import Iterator

from fastapi.routing import APIRoute

from b2b_pipelines.api import people
from b2b_pipelines.api.app import PAGES

PUBLIC = {
    "sign_in_page",
    "sign_in_form",
    "sign_out_form",
    "password_form",
    "welcome_page",
    "welcome_form",
    "oidc_start",
    "oidc_callback",
    "docs_page",
    "reference_page",
    "static_file",
}
"""Routes that are open to everybody, by name."""
NOT_PAGES = {"static_file", "codes_csv", "oidc_start", "oidc_callback"}
"""GET routes that answer with a file or send the browser elsewhere."""
FOR_MANAGERS = {
    "new_contract_page",
    "edit_page",
    "courseware_page",
    "remove_courseware_page",
    "remove_learner_page",
    "replace_page",
    "rebuild_page",
    "restore_page",
}
"""Pages of which every button changes something. All forms but those that are public are for managers, too."""
WHOLE_INSTALLATION = {"licenses_page", "decisions_page", "academies_page", "status_page", "confirm_plan_form"}
"""Routes that a caller bound to an organization does not see."""


def routes() -> Iterator[tuple[str, str, str]]:
    """Yield `(method, path, name)` of every route of the pages."""
    for router in (people.router, *PAGES):
        for route in router.routes:
            assert isinstance(route, APIRoute)
            for method in sorted(route.methods - {"HEAD"}):
                yield method, route.path, route.name


def filled(path: str, values: dict[str, object]) -> str:
    """Return the path with its parameters filled in."""
    return re.sub(r"\{(\w+)\}", lambda found: str(values[found[1]]), path)
