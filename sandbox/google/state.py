"""The state file's form of a spreadsheet: write it, and read it back."""

from typing import Any

from sandbox.google import cells as content
from sandbox.google.a1 import Area
from sandbox.google.contents import Protection
from sandbox.google.model import Spreadsheet
from sandbox.google.regions import Region
from sandbox.google.tab import Tab


def dump(spreadsheet: Spreadsheet) -> dict[str, Any]:
    with spreadsheet.lock:
        return {
            "id": spreadsheet.spreadsheet_id,
            "title": spreadsheet.title,
            "owner": spreadsheet.owner,
            "shared_with": sorted(spreadsheet.shared_with),
            "public": spreadsheet.public,
            "viewers": sorted(spreadsheet.viewers),
            "locale": spreadsheet.locale,
            "trashed": spreadsheet.trashed,
            "office_file": spreadsheet.office_file,
            "version": spreadsheet.version,
            "tabs": [
                {
                    "sheet_id": tab.sheet_id,
                    "title": tab.title,
                    "row_count": tab.row_count,
                    "column_count": tab.column_count,
                    "frozen_rows": tab.frozen_rows,
                    "frozen_columns": tab.frozen_columns,
                    "hidden": tab.hidden,
                    "rows": [[content.as_json(cell) for cell in line] for line in tab.lines(tab.box, spilled=False)],
                    "regions": [
                        {"kind": region.kind, "area": list(region.area), "properties": region.properties}
                        for region in tab.regions
                    ],
                    "protections": [
                        {
                            "id": protection.protection_id,
                            "area": list(protection.area),
                            "description": protection.description,
                            "editors": sorted(protection.editors),
                        }
                        for protection in tab.protections
                    ],
                }
                for tab in spreadsheet.tabs
            ],
        }


def load(state: dict[str, Any]) -> Spreadsheet:
    """The spreadsheet that `dump` wrote."""
    spreadsheet = Spreadsheet(
        state["id"],
        state["title"],
        state["owner"],
        set(state["shared_with"]),
        state["public"],
        set(state.get("viewers", ())),
        state.get("locale", "en_US"),
        state.get("trashed", False),
        state.get("office_file", False),
        state["version"],
    )
    for kept in state["tabs"]:
        tab = Tab(spreadsheet, kept["sheet_id"], kept["title"], kept["row_count"], kept["column_count"])
        tab.frozen_rows, tab.frozen_columns, tab.hidden = kept["frozen_rows"], kept["frozen_columns"], kept["hidden"]
        tab.rows = [[content.from_json(cell) for cell in line] for line in kept["rows"]]
        tab.protections = [
            Protection(item["id"], Area(*item["area"]), item["description"], frozenset(item["editors"]))
            for item in kept["protections"]
        ]
        tab.regions = [
            Region(item["kind"], Area(*item["area"]), item["properties"]) for item in kept.get("regions", ())
        ]
        tab.values.look_for_arrays()
        spreadsheet.tabs.append(tab)
    return spreadsheet
