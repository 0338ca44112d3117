"""Where a person opens a customer's sheet."""

from urllib.parse import urlsplit

from b2b_pipelines.contracts.rules import spreadsheet_id

GOOGLE = "https://docs.google.com"


def link(reference: str) -> str:
    """Return the page of a contract's sheet.

    Its host is the named one, which may be a stand-in's, else Google's. A bare id leads to Google's host. Raises
    `InvalidInput` for a reference that does not name a sheet.
    """
    address = urlsplit(reference.strip())
    host = f"{address.scheme}://{address.netloc}" if "/spreadsheets/" in address.path else GOOGLE
    return f"{host}/spreadsheets/d/{spreadsheet_id(reference)}/edit"
