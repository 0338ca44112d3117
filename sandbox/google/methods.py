"""The methods of Sheets v4: what each reads of a request, and what it answers. No HTTP."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from sandbox.google import batch, masks, values
from sandbox.google.a1 import Area, range_name
from sandbox.google.errors import ApiError, bad_field
from sandbox.google.masks import BadMask, Mask
from sandbox.google.model import SheetError, Spreadsheet
from sandbox.google.places import grid_area
from sandbox.google.resource import spreadsheet_resource
from sandbox.google.values import Target

SHEETS = "/v4/spreadsheets"
_STANDARD_QUERY = frozenset(
    ("alt", "fields", "prettyPrint", "key", "quotaUser", "access_token", "oauth_token", "uploadType", "upload_protocol")
)
_RENDER = ("FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA")
_DATES = ("SERIAL_NUMBER", "FORMATTED_STRING")


@dataclass(slots=True)
class Call:
    """One request to the Sheets API, its account known and its body read."""

    query: dict[str, list[str]]
    body: Any
    account: str
    spreadsheet: Spreadsheet

    def allow(self, *names: str) -> None:
        """Refuse any other query parameter, as Google does."""
        for name in self.query:
            if name not in _STANDARD_QUERY and name not in names and not name.startswith("$."):
                raise bad_field(
                    f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
                    f"Field '{name}' could not be found in request message."
                )

    def text(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[-1]

    def choice(self, name: str, *choices: str, source: Mapping[str, Any] | None = None) -> Any:
        """A parameter (or a body's field) that is one of these words; the first when it is missing."""
        found = self.text(name, choices[0]) if source is None else source.get(name, choices[0])
        if found not in choices:
            raise bad_field(f"Invalid value at '{name}', \"{found}\"", name)
        return found

    def flag(self, name: str) -> bool:
        return bool(self.choice(name, "false", "true") == "true")

    def check_body(self, schema: str) -> None:
        found = masks.complaint(self.body, schema, skip=frozenset(("rows",)))
        if found:
            raise bad_field(found)

    @property
    def is_pretty(self) -> bool:
        return wants_pretty(self.query)

    def render(self, source: Mapping[str, Any] | None = None) -> tuple[Any, Any]:
        """Return how to render values and dates, as the query or the body specifies."""
        return (
            self.choice("valueRenderOption", *_RENDER, source=source),
            self.choice("dateTimeRenderOption", *_DATES, source=source),
        )

    def render_response(self) -> tuple[Any, Any]:
        """How the values in the answer to a write are to be shown."""
        source = self.body if "data" in self.body else None
        return (
            self.choice("responseValueRenderOption", *_RENDER, source=source),
            self.choice("responseDateTimeRenderOption", *_DATES, source=source),
        )

    def target(self, data_filter: Mapping[str, Any]) -> Target:
        """Return the target that a `DataFilter` selects."""
        if "a1Range" in data_filter:
            return self.spreadsheet.resolve(data_filter["a1Range"])
        if "gridRange" in data_filter:
            tab = self.spreadsheet.tab_by_id(data_filter["gridRange"].get("sheetId", 0))
            return tab, grid_area(data_filter["gridRange"])
        raise ApiError(400, "A dataFilter must have a1Range or gridRange; this stand-in has no developer metadata.")

    def input_option(self, source: Mapping[str, Any] | None = None) -> Any:
        given = self.text("valueInputOption") if source is None else source.get("valueInputOption")
        if given in (None, "", "INPUT_VALUE_OPTION_UNSPECIFIED"):
            raise ApiError(400, "'valueInputOption' is required but not specified")
        return self.choice("valueInputOption", "RAW", "USER_ENTERED", source=source)

    def ranges(self, given: Sequence[str]) -> list[Target]:
        return [self.spreadsheet.resolve(text) for text in given]


Answer = dict[str, Any]


def _get(call: Call) -> Answer:
    call.allow("ranges", "includeGridData", "excludeTablesInBandedRanges")
    mask = _mask(call, "Spreadsheet")
    ranges = call.ranges(call.query.get("ranges", []))
    return spreadsheet_resource(
        call.spreadsheet,
        ranges,
        mask,
        include_grid_data=call.flag("includeGridData"),
        indent=0 if call.is_pretty else None,
    )


def _get_by_data_filter(call: Call) -> Answer:
    call.allow()
    call.check_body("GetSpreadsheetByDataFilterRequest")
    targets = [call.target(item) for item in call.body.get("dataFilters", [])]
    return spreadsheet_resource(
        call.spreadsheet,
        targets,
        _mask(call, "Spreadsheet"),
        include_grid_data=call.body.get("includeGridData", False),
        indent=0 if call.is_pretty else None,
    )


def _batch_update(call: Call) -> Answer:
    call.allow()
    mask = _mask(call, "BatchUpdateSpreadsheetResponse")
    call.check_body("BatchUpdateSpreadsheetRequest")
    body, spreadsheet = call.body, call.spreadsheet
    with spreadsheet.writing():
        answer: Answer = {
            "spreadsheetId": spreadsheet.spreadsheet_id,
            "replies": batch.apply(spreadsheet, body.get("requests", []), call.account),
        }
        if body.get("includeSpreadsheetInResponse"):
            answer["updatedSpreadsheet"] = spreadsheet_resource(
                spreadsheet,
                _response_ranges(call),
                masks.below(mask, "updatedSpreadsheet") or None,
                include_grid_data=body.get("responseIncludeGridData", False),
                indent=1 if call.is_pretty else None,
            )
    return answer


def _response_ranges(call: Call) -> list[Target]:
    """The ranges that the answer to a write shows. One whose tab is gone is one of two `Hypotheses`."""
    ranges = []
    for text in call.body.get("responseRanges", []):
        try:
            ranges.append(call.spreadsheet.resolve(text))
        except SheetError:
            if call.spreadsheet.hypotheses.vanished_tab == "refuse":
                raise
    return ranges


def wants_pretty(query: Mapping[str, Sequence[str]]) -> bool:
    """Whether an answer is to be indented: yes, unless the request says `prettyPrint=false`."""
    found = query.get("prettyPrint") or query.get("$.prettyPrint") or query.get("$prettyPrint") or ["true"]
    return found[-1].lower() not in ("false", "0")


def _values_get(call: Call, text: str) -> Answer:
    call.allow("majorDimension", "valueRenderOption", "dateTimeRenderOption")
    major = call.choice("majorDimension", "ROWS", "COLUMNS")
    return values.read(call.spreadsheet.resolve(text), *call.render(), major)


def _values_batch_get(call: Call) -> Answer:
    call.allow("ranges", "majorDimension", "valueRenderOption", "dateTimeRenderOption")
    major = call.choice("majorDimension", "ROWS", "COLUMNS")
    found = [values.read(target, *call.render(), major) for target in call.ranges(call.query.get("ranges", []))]
    answer: Answer = {"spreadsheetId": call.spreadsheet.spreadsheet_id}
    if found:
        answer["valueRanges"] = found
    return answer


def _values_batch_get_by_data_filter(call: Call) -> Answer:
    call.allow()
    call.check_body("BatchGetValuesByDataFilterRequest")
    major = call.choice("majorDimension", "ROWS", "COLUMNS", source=call.body)
    render = call.render(call.body)
    return {
        "spreadsheetId": call.spreadsheet.spreadsheet_id,
        "valueRanges": [
            {"valueRange": values.read(call.target(item), *render, major), "dataFilters": [item]}
            for item in call.body.get("dataFilters", [])
        ],
    }


def _values_update(call: Call, text: str) -> Answer:
    call.allow(
        "valueInputOption", "includeValuesInResponse", "responseValueRenderOption", "responseDateTimeRenderOption"
    )
    call.check_body("ValueRange")
    how, with_values = call.input_option(), call.flag("includeValuesInResponse")
    with call.spreadsheet.writing():
        return _write(call, call.spreadsheet.resolve(text), call.body, how, with_values)


def _write(call: Call, target: Target, body: Answer, how: Any, with_values: bool) -> Answer:
    major = call.choice("majorDimension", "ROWS", "COLUMNS", source=body)
    given = body.get("values", [])
    box = values.write(target, given, how, major, call.account)
    answer = values.update_answer(call.spreadsheet, target[0], box, given)
    if with_values:
        answer["updatedData"] = values.read((target[0], Area(*box)), *call.render_response(), major)
    return answer


def _values_append(call: Call, text: str) -> Answer:
    call.allow(
        "valueInputOption",
        "insertDataOption",
        "includeValuesInResponse",
        "responseValueRenderOption",
        "responseDateTimeRenderOption",
    )
    call.check_body("ValueRange")
    how = call.input_option()
    major = call.choice("majorDimension", "ROWS", "COLUMNS", source=call.body)
    insert = call.choice("insertDataOption", "OVERWRITE", "INSERT_ROWS") == "INSERT_ROWS"
    given = call.body.get("values", [])
    with call.spreadsheet.writing():
        tab, area = call.spreadsheet.resolve(text)
        table, box = values.append((tab, area), given, how, major, call.account, insert=insert)
        updates = values.update_answer(call.spreadsheet, tab, box, given)
        if call.flag("includeValuesInResponse"):
            updates["updatedData"] = values.read((tab, Area(*box)), *call.render_response(), major)
    answer: Answer = {"spreadsheetId": call.spreadsheet.spreadsheet_id, "updates": updates}
    if table:
        answer["tableRange"] = range_name(tab.title, table)
    return answer


def _values_clear(call: Call, text: str) -> Answer:
    call.allow()
    with call.spreadsheet.writing():
        cleared = _cleared(call, call.spreadsheet.resolve(text))
    return {"spreadsheetId": call.spreadsheet.spreadsheet_id, "clearedRange": cleared}


def _cleared(call: Call, target: Target) -> str:
    return range_name(target[0].title, values.clear(target, call.account))


def _values_batch_clear(call: Call) -> Answer:
    call.allow()
    call.check_body("BatchClearValuesRequest")
    with call.spreadsheet.writing():
        cleared = [_cleared(call, target) for target in call.ranges(call.body.get("ranges", []))]
    return {"spreadsheetId": call.spreadsheet.spreadsheet_id, "clearedRanges": cleared}


def _values_batch_clear_by_data_filter(call: Call) -> Answer:
    call.allow()
    call.check_body("BatchClearValuesByDataFilterRequest")
    with call.spreadsheet.writing():
        cleared = [_cleared(call, call.target(item)) for item in call.body.get("dataFilters", [])]
    return {"spreadsheetId": call.spreadsheet.spreadsheet_id, "clearedRanges": cleared}


def _values_batch_update(call: Call) -> Answer:
    call.allow()
    call.check_body("BatchUpdateValuesRequest")
    return _write_all(call, lambda item: call.spreadsheet.resolve(item.get("range", "")), echo=False)


def _values_batch_update_by_data_filter(call: Call) -> Answer:
    call.allow()
    call.check_body("BatchUpdateValuesByDataFilterRequest")
    return _write_all(call, lambda item: call.target(item.get("dataFilter", {})), echo=True)


def _write_all(call: Call, target: Callable[[Answer], Target], *, echo: bool) -> Answer:
    how = call.input_option(call.body)
    with_values = call.body.get("includeValuesInResponse", False)
    responses = []
    with call.spreadsheet.writing():
        for place, item in enumerate(call.body.get("data", [])):
            try:
                response = _write(call, target(item), item, how, with_values)
            except SheetError as error:
                raise SheetError(f"Invalid data[{place}]: {error}") from None
            if echo:
                response.pop("spreadsheetId")
                response["dataFilter"] = item.get("dataFilter", {})
            responses.append(response)
    totals = {
        f"totalUpdated{what}": sum(response.get(f"updated{what}", 0) for response in responses)
        for what in ("Rows", "Columns", "Cells")
    }
    sheets = {response["updatedRange"].rpartition("!")[0] for response in responses}
    return {
        "spreadsheetId": call.spreadsheet.spreadsheet_id,
        **totals,
        "totalUpdatedSheets": len(sheets),
        "responses": responses,
    }


_OF_SPREADSHEET: dict[tuple[str, str], Callable[[Call], Answer]] = {
    ("GET", ""): _get,
    ("POST", ":getByDataFilter"): _get_by_data_filter,
    ("POST", ":batchUpdate"): _batch_update,
    ("GET", "/values:batchGet"): _values_batch_get,
    ("POST", "/values:batchGetByDataFilter"): _values_batch_get_by_data_filter,
    ("POST", "/values:batchUpdate"): _values_batch_update,
    ("POST", "/values:batchUpdateByDataFilter"): _values_batch_update_by_data_filter,
    ("POST", "/values:batchClear"): _values_batch_clear,
    ("POST", "/values:batchClearByDataFilter"): _values_batch_clear_by_data_filter,
}
_OF_RANGE: dict[tuple[str, str], Callable[[Call, str], Answer]] = {
    ("GET", ""): _values_get,
    ("PUT", ""): _values_update,
    ("POST", ":append"): _values_append,
    ("POST", ":clear"): _values_clear,
}


def operation(method: str, raw_path: str) -> tuple[str, Callable[[Call], Answer]]:
    """The spreadsheet's id and what is asked of it. Raises `ApiError` (404) for what Google does not know either.

    The path is still percent-encoded: a range may hold `/` and `:` of its own.
    """
    rest = raw_path.removeprefix(SHEETS + "/")
    spreadsheet_id, slash, below = rest.partition("/")
    if slash and below.startswith("values/"):
        text, verb = below.removeprefix("values/"), ""
        if method == "POST":
            text, colon, word = text.rpartition(":")
            verb = colon + word
        on_range = _OF_RANGE.get((method, verb))
        if on_range is not None:
            return unquote(spreadsheet_id), lambda call: on_range(call, unquote(text))
    else:
        spreadsheet_id, colon, word = spreadsheet_id.partition(":")
        found = _OF_SPREADSHEET.get((method, colon + word + slash + below))
        if found is not None:
            return unquote(spreadsheet_id), found
    raise ApiError(404, f"{method} {unquote(raw_path)} is not a method of Google Sheets that this stand-in knows.")


def _mask(call: Call, schema: str) -> Mask | None:
    return read_mask(call.text("fields"), schema)


def read_mask(text: str, schema: str) -> Mask | None:
    if not text:
        return None
    try:
        mask = masks.parse(text)
        masks.check_mask(mask, schema)
    except BadMask as error:
        # r-lib/gargle recorded both parts: the message, and the violated field in the details.
        raise bad_field(f"Request contains an invalid argument. Invalid field selection {error}", str(error)) from None
    return mask
