"""Where a person opens a customer's sheet."""

from urllib.parse import urlsplit

from b2b_pipelines.contracts.rules import spreadsheet_id

GOOGLE = "https://docs.google.com"


def link(said: str) -> str:
    """The page of the sheet that a contract names: at the host that it names, which may be a stand-in's, and at Google's
    for a bare id. Raises `InvalidInput` for what names no sheet."""
    address = urlsplit(said.strip())
    host = f"{address.scheme}://{address.netloc}" if "/spreadsheets/" in address.path else GOOGLE
    return f"{host}/spreadsheets/d/{spreadsheet_id(said)}/edit"
