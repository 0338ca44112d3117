"""A stand-in of Google Sheets v4."""

from sandbox.google.cells import Formatted, Formula
from sandbox.google.model import SheetError, Spreadsheet, Tab
from sandbox.google.quota import Quota
from sandbox.google.served import Google
from sandbox.google.tokens import SERVICE_ACCOUNT

__all__ = ["SERVICE_ACCOUNT", "Formatted", "Formula", "Google", "Quota", "SheetError", "Spreadsheet", "Tab"]
