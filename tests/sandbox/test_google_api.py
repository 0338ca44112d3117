"""Sheets v4 over bare HTTP: shapes, limits, refusals."""

import concurrent.futures

import pytest

from sandbox.google import Formula, Quota
from tests.waiting import wait_until

ROBOT = "b2b-pipelines@sandbox-project.iam.gserviceaccount.com"


def update_cells(values, start=(0, 0), sheet_id=0, fields="userEnteredValue"):
    rows = [{"values": [{"userEnteredValue": value} for value in line]} for line in values]
    place = {"sheetId": sheet_id, "rowIndex": start[0], "columnIndex": start[1]}
    return {"updateCells": {"rows": rows, "fields": fields, "start": place}}


# Reading


def test_a_read_leaves_out_empty_ends_and_clips_its_range(get):
    assert get("/values/Sheet1") == {
        "range": "Sheet1!A1:Z1000",
        "majorDimension": "ROWS",
        "values": [["a", "1"], ["", "TRUE"], ["c"]],
    }
    assert get("/values/Sheet1!A2:ZZ5000")["range"] == "Sheet1!A2:Z1000"
    assert get("/values/Sheet1!D5:E9") == {"range": "Sheet1!D5:E9", "majorDimension": "ROWS"}
    assert get("/values/A1")["range"] == "Sheet1!A1"
    assert get("/values/'It''s'!A:B")["range"] == "'It''s'!A1:B1000"
    assert get("/values/it's")["range"] == "'It''s'!A1:Z1000"


def test_a_read_by_columns_leaves_out_empty_ends_of_columns(get):
    assert get("/values/Sheet1!A1:C3", majorDimension="COLUMNS")["values"] == [["a", "", "c"], ["1", "TRUE"]]


def test_values_are_rendered_as_asked(get, tab):
    tab.type("A5", "=UPPER(A1)")
    tab.type("B5", "2026-01-02")
    tab.type("C5", "50%")
    assert get("/values/A5:C5")["values"] == [["A", "2026-01-02", "50%"]]
    assert get("/values/A5:C5", valueRenderOption="UNFORMATTED_VALUE")["values"] == [["A", 46024, 0.5]]
    assert get("/values/A5:C5", valueRenderOption="FORMULA")["values"] == [["=UPPER(A1)", 46024, 0.5]]
    text = {"valueRenderOption": "UNFORMATTED_VALUE", "dateTimeRenderOption": "FORMATTED_STRING"}
    assert get("/values/A5:C5", **text)["values"] == [["A", "2026-01-02", 0.5]]
    assert get("/values/A1:B2", valueRenderOption="UNFORMATTED_VALUE")["values"] == [["a", 1], ["", True]]


def test_a_formula_that_comes_out_empty_keeps_its_row(get, tab):
    tab.type("G9", '=IF(A9="","",A9)')
    values = get("/values/Sheet1")["values"]
    assert values[3:] == [[], [], [], [], [], ["", "", "", "", "", "", ""]]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/values/Nowhere!A1", "Unable to parse range: Nowhere!A1"),
        ("/values/Sheet1!A0", "Unable to parse range: Sheet1!A0"),
        ("/values/Sheet1!A1001", "Range (Sheet1!A1001) exceeds grid limits. Max rows: 1000, max columns: 26"),
        ("/values/'It''s'!AA1:AB2", "Range ('It''s'!AA1:AB2) exceeds grid limits. Max rows: 1000, max columns: 26"),
        ("/values/A1?valueRenderOption=PRETTY", "Invalid value at 'valueRenderOption', \"PRETTY\""),
        ("/values/A1?render=1", 'Unknown name "render": Cannot bind query parameter'),
        ("?fields=sheets.colour", "Invalid field selection colour"),
        ("?fields=sheets(", "Invalid field selection"),
        ("?ranges=Nope!A1", "Unable to parse range: Nope!A1"),
    ],
)
def test_a_read_that_makes_no_sense_is_refused_in_googles_words(rest, codes, path, words):
    answer = rest.get(f"/v4/spreadsheets/{codes}{path}")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert words in error["message"]
    assert "errors" not in error


def test_several_ranges_are_one_read(rest, get, sandbox):
    sandbox.log.reset()
    told = get("/values:batchGet", ranges=["Sheet1!A:A", "It's"])
    assert [item["range"] for item in told["valueRanges"]] == ["Sheet1!A1:A1000", "'It''s'!A1:Z1000"]
    assert sandbox.google.counts() == {"read": 1, "write": 0}


def test_ranges_by_data_filter_are_a_read_though_posted(rest, codes, sandbox):
    filters = [{"a1Range": "A1"}, {"gridRange": {"sheetId": 0, "startRowIndex": 2, "endColumnIndex": 1}}]
    answer = rest.post(f"/v4/spreadsheets/{codes}/values:batchGetByDataFilter", json={"dataFilters": filters}).json()
    assert [item["valueRange"]["range"] for item in answer["valueRanges"]] == ["Sheet1!A1", "Sheet1!A3:A1000"]
    assert answer["valueRanges"][1] == {
        "valueRange": {"range": "Sheet1!A3:A1000", "majorDimension": "ROWS", "values": [["c"]]},
        "dataFilters": [filters[1]],
    }
    assert sandbox.google.counts() == {"read": 1, "write": 0}


def test_the_resource_tells_of_tabs_and_holds_no_cells_unless_asked(get, codes):
    told = get()
    assert (told["spreadsheetId"], told["properties"]["title"]) == (codes, "Codes")
    assert [sheet["properties"]["title"] for sheet in told["sheets"]] == ["Sheet1", "It's"]
    assert told["sheets"][0]["properties"]["gridProperties"] == {"rowCount": 1000, "columnCount": 26}
    assert all("data" not in sheet for sheet in told["sheets"])
    assert all("data" not in sheet for sheet in get(fields="*")["sheets"])
    assert "rowData" in get(includeGridData="true")["sheets"][0]["data"][0]


def test_a_mask_asks_for_cells_and_gets_only_what_it_names(get, tab):
    tab.type("A3", '=IF(Z1="","",1)')
    told = get(fields="sheets(properties.sheetId,data(startRow,rowData.values(userEnteredValue,effectiveValue)))")
    assert told["sheets"][0] == {
        "properties": {"sheetId": 0},
        "data": [
            {
                "rowData": [
                    {
                        "values": [
                            {"userEnteredValue": {"stringValue": "a"}, "effectiveValue": {"stringValue": "a"}},
                            {"userEnteredValue": {"numberValue": 1}, "effectiveValue": {"numberValue": 1}},
                        ]
                    },
                    {"values": [{}, {"userEnteredValue": {"boolValue": True}, "effectiveValue": {"boolValue": True}}]},
                    {
                        "values": [
                            {
                                "userEnteredValue": {"formulaValue": '=IF(Z1="","",1)'},
                                "effectiveValue": {"stringValue": ""},
                            }
                        ]
                    },
                ]
            }
        ],
    }
    assert get(fields="sheets/data/rowData/values/formattedValue", ranges="B1:B2") == {
        "sheets": [{"data": [{"rowData": [{"values": [{"formattedValue": "1"}]}, {"values": [{"formattedValue": "TRUE"}]}]}]}]
    }  # fmt: skip


def test_ranges_choose_tabs_and_cells(get):
    told = get(ranges=["Sheet1!A2:B3"], includeGridData="true")
    (sheet,) = told["sheets"]
    (data,) = sheet["data"]
    assert data["startRow"] == 1
    assert len(data["rowData"]) == 2
    assert len(data["columnMetadata"]) == 2


def test_an_error_value_is_told_as_one(get, tab):
    tab.type("A1", "=1/0")
    fields = "sheets.data.rowData.values.effectiveValue"
    cell = get(fields=fields, ranges="A1")["sheets"][0]["data"][0]["rowData"][0]["values"][0]
    assert cell == {"effectiveValue": {"errorValue": {"type": "DIVIDE_BY_ZERO", "message": "#DIV/0!"}}}


# Writing values


def test_raw_values_stay_text_and_user_entered_ones_are_parsed(put, tab):
    line = ["=UPPER(A2)", "12", "TRUE", 7, True]
    put("A1", [line])
    assert tab.lines(tab.box)[0] == line
    put("A1", [line], how="USER_ENTERED")
    assert tab.lines(tab.box)[0] == [Formula("=UPPER(A2)"), 12, True, 7, True]


def test_null_leaves_a_cell_and_empty_text_empties_it(put, tab):
    told = put("Sheet1!A1:B1", [[None, ""]])
    assert tab.grid("A1:B1") == [["a"]]
    assert told["updatedRange"] == "Sheet1!A1:B1"
    assert (told["updatedRows"], told["updatedColumns"], told["updatedCells"]) == (1, 2, 1)


def test_values_are_given_back_if_asked(put):
    told = put("B1", [["5"]], how="USER_ENTERED", includeValuesInResponse="true", responseValueRenderOption="FORMULA")
    assert told["updatedData"] == {"range": "Sheet1!B1", "majorDimension": "ROWS", "values": [[5]]}


@pytest.mark.parametrize(
    ("cells", "values", "words"),
    [
        ("A1:F2000", [["x"]], "Range (Sheet1!A1:F2000) exceeds grid limits. Max rows: 1000, max columns: 26"),
        ("A1000", [["x"], ["y"]], "Range (Sheet1!A1000:A1001) exceeds grid limits. Max rows: 1000, max columns: 26"),
        ("Z1", [["x", "y"]], "Range (Sheet1!Z1:AA1) exceeds grid limits"),
        ("A1:B1", [["x"], ["y"]], "Requested writing within range [Sheet1!A1:B1], but tried writing to row [2]"),
        ("A1:B1", [["x", "y", "z"]], "Requested writing within range [Sheet1!A1:B1], but tried writing to column [C]"),
        ("A1", [[["x"]]], "Invalid values[0]: list_value"),
        ("A1", [[{"x": 1}]], "Invalid values[0]: struct_value"),
        ("A1", ["x"], "Invalid value at 'data.values[0]'"),
        ("A1", "x", "Invalid value at 'values'"),
        ("A1", [["x" * 50_001]], "more than the maximum of 50000 characters"),
    ],
)
def test_a_write_that_does_not_fit_is_refused_and_writes_nothing(put, tab, cells, values, words):
    before = tab.grid()
    assert words in put(cells, values, status=400)
    assert tab.grid() == before


def test_the_way_of_input_must_be_said(rest, codes):
    answer = rest.put(f"/v4/spreadsheets/{codes}/values/A1", json={"values": [["x"]]})
    assert answer.json()["error"]["message"] == "'valueInputOption' is required but not specified"


def test_appending_finds_the_end_of_the_table_and_adds_rows(rest, codes, tab):
    def append(values, **params):
        query = {"valueInputOption": "RAW", **params}
        answer = rest.post(f"/v4/spreadsheets/{codes}/values/Sheet1!A1:append", params=query, json={"values": values})
        assert answer.status_code == 200, answer.text
        return answer.json()

    told = append([["d", "e"]])
    assert (told["tableRange"], told["updates"]["updatedRange"]) == ("Sheet1!A1:B3", "Sheet1!A4:B4")
    tab.shrink(4, 2)
    append([["f"], ["g"]])
    assert (tab.row_count, tab.column("A")) == (6, ["a", "", "c", "d", "f", "g"])
    tab.type("A5", "")
    append([["h"]], insertDataOption="INSERT_ROWS")
    assert tab.column("A") == ["a", "", "c", "d", "h", "", "g"]


def test_clearing_empties_cells_and_tells_what_it_cleared(rest, codes, tab):
    told = rest.post(f"/v4/spreadsheets/{codes}/values/Sheet1!A2:ZZ:clear").json()
    assert told == {"spreadsheetId": codes, "clearedRange": "Sheet1!A2:Z1000"}
    assert tab.grid() == [["a", "1"]]
    body = {"ranges": ["A1", "'It''s'"]}
    told = rest.post(f"/v4/spreadsheets/{codes}/values:batchClear", json=body).json()
    assert told["clearedRanges"] == ["Sheet1!A1", "'It''s'!A1:Z1000"]
    assert tab.grid() == [["", "1"]]


def test_several_writes_are_all_or_none(rest, codes, tab):
    def write(*data):
        body = {"valueInputOption": "RAW", "data": [{"range": cells, "values": values} for cells, values in data]}
        return rest.post(f"/v4/spreadsheets/{codes}/values:batchUpdate", json=body)

    refused = write(("A1", [["x"]]), ("ZZ1", [["y"]]))
    assert refused.json()["error"]["message"].startswith("Invalid data[1]: Range (Sheet1!ZZ1) exceeds grid limits")
    assert tab.cell("A1") == "a"
    told = write(("A1:B1", [["x", "y"]]), ("'It''s'!C3", [["z"]])).json()
    assert (told["totalUpdatedCells"], told["totalUpdatedRows"], told["totalUpdatedSheets"]) == (3, 2, 2)
    assert [item["updatedRange"] for item in told["responses"]] == ["Sheet1!A1:B1", "'It''s'!C3"]


# batchUpdate


def test_cells_are_written_as_what_they_are(batch_update, tab):
    values = [{"stringValue": "=IMPORTXML(1)"}, {"numberValue": 2.5}, {"boolValue": False}, {"formulaValue": "=A2"}, {}]
    told = batch_update(update_cells([values], start=(4, 0)))
    assert told["replies"] == [{}]
    assert tab.lines(tab.box)[4] == ["=IMPORTXML(1)", 2.5, False, Formula("=A2")]


def test_a_range_is_emptied_where_no_row_is_given(batch_update, tab):
    area = {"sheetId": 0, "startRowIndex": 0, "endRowIndex": 3, "startColumnIndex": 0, "endColumnIndex": 1}
    cell = {"values": [{"userEnteredValue": {"stringValue": "x"}}]}
    batch_update({"updateCells": {"range": area, "rows": [cell], "fields": "userEnteredValue"}})
    assert tab.grid() == [["x", "1"], ["", "TRUE"]]


def test_a_mask_without_the_value_changes_no_value(batch_update, tab):
    batch_update(update_cells([[{"stringValue": "x"}]], fields="userEnteredFormat.textFormat,note"))
    assert tab.cell("A1") == "a"


def test_growth_and_writing_are_one_request(batch_update, tab):
    grow = [
        {"appendDimension": {"sheetId": 0, "dimension": "ROWS", "length": 5}},
        {"appendDimension": {"sheetId": 0, "dimension": "COLUMNS", "length": 2}},
    ]
    batch_update(*grow, update_cells([[{"stringValue": "far"}]], start=(1004, 27)))
    assert (tab.row_count, tab.column_count, tab.cell("AB1005")) == (1005, 28, "far")


def test_dimensions_are_inserted_deleted_moved_and_sorted(batch_update, tab):
    rows = lambda start, end: {"sheetId": 0, "dimension": "ROWS", "startIndex": start, "endIndex": end}  # noqa: E731
    area = {"sheetId": 0, "startRowIndex": 0, "endRowIndex": 5, "startColumnIndex": 0, "endColumnIndex": 2}
    batch_update(
        {"insertDimension": {"range": rows(1, 3), "inheritFromBefore": True}},
        {"deleteDimension": {"range": rows(3, 4)}},
        {"moveDimension": {"source": rows(0, 1), "destinationIndex": 4}},
        {"sortRange": {"range": area, "sortSpecs": [{"dimensionIndex": 0, "sortOrder": "DESCENDING"}]}},
    )
    assert (tab.grid(), tab.row_count) == ([["c"], ["a", "1"]], 1001)


def test_tabs_are_added_changed_and_deleted(batch_update, sandbox, codes):
    told = batch_update(
        {"addSheet": {"properties": {"title": "New", "gridProperties": {"rowCount": 10, "columnCount": 3}}}},
        {"updateSheetProperties": {"properties": {"sheetId": 0, "title": "Main"}, "fields": "title"}},
        {
            "updateSheetProperties": {
                "properties": {"sheetId": 0, "gridProperties": {"rowCount": 20}},
                "fields": "gridProperties.rowCount",
            }
        },
    )
    added = told["replies"][0]["addSheet"]["properties"]
    assert (added["title"], added["index"], added["gridProperties"]) == ("New", 2, {"rowCount": 10, "columnCount": 3})
    batch_update({"deleteSheet": {"sheetId": added["sheetId"]}})
    tabs = sandbox.google.spreadsheet(codes).tabs
    assert [(tab.title, tab.row_count, tab.column_count) for tab in tabs] == [("Main", 20, 26), ("It's", 1000, 26)]


def test_cells_are_appended_after_the_last_filled_row(batch_update, tab):
    tab.shrink(3, 2)
    rows = [{"values": [{"userEnteredValue": {"stringValue": text}} for text in "xyz"]}]
    batch_update({"appendCells": {"sheetId": 0, "rows": rows, "fields": "*"}})
    assert (tab.row_count, tab.column_count, tab.grid()[3]) == (4, 3, ["x", "y", "z"])


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (update_cells([[{"stringValue": "x"}]], start=(1000, 0)), "Attempting to write row: 1000, beyond the last"),
        (update_cells([[{"stringValue": "x"}]], start=(0, 26)), "Attempting to write column: 26, beyond the last"),
        (update_cells([[{"stringValue": "x"}]], sheet_id=99), "No grid with id: 99"),
        (update_cells([[{"stringValue": "x"}]], fields=""), "At least one field must be listed in 'fields'"),
        (update_cells([[{"stringValue": "x"}]], fields="colour"), "Invalid field: colour"),
        (update_cells([[{"stringValue": 5}]]), "Invalid value at 'stringValue'"),
        (update_cells([[{"formulaValue": "A1"}]]), "Invalid formulaValue"),
        (update_cells([[{"stringValue": "x", "numberValue": 1}]]), "Invalid userEnteredValue"),
        ({"appendDimension": {"sheetId": 0, "dimension": "ROWS", "length": 400_000}}, "above the limit of 10000000"),
        ({"appendDimension": {"sheetId": 0, "dimension": "ROWS", "length": "many"}}, "Invalid value at 'requests[1]."),
        ({"deleteDimension": {"range": {"sheetId": 0, "dimension": "ROWS"}}}, "You can't delete all the rows"),
        ({"addSheet": {"properties": {"title": "SHEET1"}}}, 'A sheet with the name "SHEET1" already exists'),
        ({"frobnicate": {}}, "Unknown name \"frobnicate\" at 'requests[1]': Cannot find field."),
        ({"updateCells": {"cells": []}}, "Unknown name \"cells\" at 'requests[1].updateCells'"),
        ({"addChart": {}}, "does not know addChart"),
        ({}, "No request set."),
    ],
)
def test_one_bad_request_undoes_the_good_ones(batch_update, tab, request_, words):
    before = tab.grid()
    message = batch_update(update_cells([[{"stringValue": "first"}]]), request_, status=400)
    assert words in message
    assert tab.grid() == before
    assert tab.row_count == 1000


def test_the_answer_holds_what_is_there_after_the_write(batch_update):
    told = batch_update(
        update_cells([[{"stringValue": "new"}]]),
        includeSpreadsheetInResponse=True,
        responseRanges=["Sheet1!A1:A2"],
        fields="updatedSpreadsheet.sheets(properties.sheetId,data.rowData.values.userEnteredValue)",
    )
    data = [{"rowData": [{"values": [{"userEnteredValue": {"stringValue": "new"}}]}]}]
    assert told == {"updatedSpreadsheet": {"sheets": [{"properties": {"sheetId": 0}, "data": data}]}}


def test_grid_data_come_with_the_answer_only_if_asked(batch_update):
    write = update_cells([[{"stringValue": "new"}]])
    without = batch_update(write, includeSpreadsheetInResponse=True)["updatedSpreadsheet"]
    assert "data" not in without["sheets"][0]
    with_data = batch_update(write, includeSpreadsheetInResponse=True, responseIncludeGridData=True, fields="*")
    assert "rowData" in with_data["updatedSpreadsheet"]["sheets"][0]["data"][0]


def test_a_protected_range_is_for_its_owner_and_editors(batch_update, put, tab):
    tab.protect("B:B")
    message = batch_update(update_cells([[{"stringValue": "x"}, {"stringValue": "y"}]]), status=400)
    assert message.endswith("Please contact the spreadsheet owner to remove protection if you need to edit.")
    assert "You are trying to edit a protected cell or object." in put("B1", [["x"]], status=400)
    put("A1", [["fine"]])
    tab.unprotect()
    tab.protect("B:B", editors=[ROBOT])
    put("B1", [["fine"]])
    told = batch_update({"addProtectedRange": {"protectedRange": {"range": {"sheetId": 0, "endRowIndex": 1}}}})
    protected = told["replies"][0]["addProtectedRange"]["protectedRange"]
    put("A1", [["mine"]])
    batch_update({"deleteProtectedRange": {"protectedRangeId": protected["protectedRangeId"]}})
    assert len(tab.protections) == 1


def test_a_spreadsheet_is_created(rest, sandbox):
    body = {"properties": {"title": "Made"}, "sheets": [{"properties": {"title": "One"}}, {}]}
    told = rest.post("/v4/spreadsheets", json=body).json()
    made = sandbox.google.spreadsheet(told["spreadsheetId"])
    assert (made.title, [tab.title for tab in made.tabs], made.owner) == ("Made", ["One", "Sheet2"], ROBOT)


# Refusals


def test_without_a_token_or_with_another_one_nobody_gets_in(rest, codes, sandbox):
    for header, words in (("", "Request is missing required"), ("Bearer nonsense", "Request had invalid")):
        answer = rest.get(f"/v4/spreadsheets/{codes}", headers={"authorization": header})
        assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
        assert answer.json()["error"]["message"].startswith(words)
    assert rest.get(f"/v4/spreadsheets/{codes}").status_code == 200
    sandbox.google.accounts.expire_tokens()
    assert rest.get(f"/v4/spreadsheets/{codes}").status_code == 401


def test_what_is_not_shared_is_forbidden_and_what_is_not_there_not_found(rest, sandbox, codes):
    sandbox.google.spreadsheet(codes).unshare(ROBOT)
    answer = rest.get(f"/v4/spreadsheets/{codes}")
    assert (answer.status_code, answer.json()["error"]["message"]) == (403, "The caller does not have permission")
    sandbox.google.spreadsheet(codes).share_with_everyone()
    assert rest.get(f"/v4/spreadsheets/{codes}").status_code == 200
    sandbox.google.delete_spreadsheet(codes)
    answer = rest.get(f"/v4/spreadsheets/{codes}")
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, "Requested entity was not found.")


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", ""), ("POST", ":explode"), ("GET", "/values:batchPut"), ("POST", "/values/A1:sum")]
)
def test_an_unknown_method_is_not_found(rest, codes, method, path):
    answer = rest.request(method, f"/v4/spreadsheets/{codes}{path}")
    assert (answer.status_code, answer.json()["error"]["status"]) == (404, "NOT_FOUND")


def test_a_body_that_is_not_json_is_refused(rest, codes):
    answer = rest.post(f"/v4/spreadsheets/{codes}:batchUpdate", content="{")
    assert answer.json()["error"]["message"] == "Invalid JSON payload received. Unexpected token."
    assert rest.post(f"/v4/spreadsheets/{codes}:batchUpdate", content="[]").status_code == 400
    assert rest.post("/v4/spreadsheets", content="[]").status_code == 400


def test_the_quota_is_per_minute_and_kind(rest, codes, sandbox):
    sandbox.google.quota = Quota(reads=2, writes=1, window=0.4)
    read = lambda: rest.get(f"/v4/spreadsheets/{codes}")  # noqa: E731
    write = lambda: rest.post(f"/v4/spreadsheets/{codes}/values/A9:clear")  # noqa: E731
    assert [read().status_code, read().status_code, write().status_code] == [200, 200, 200]
    refused = read()
    assert (refused.status_code, refused.json()["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert refused.json()["error"]["message"].startswith(
        "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute per user'"
    )
    assert "'Write requests per minute per user'" in write().json()["error"]["message"]
    for ask in (read, write):
        wait_until(lambda ask=ask: ask().status_code == 200)


def test_answers_are_compressed_for_who_takes_it(rest, put, get, codes):
    put("A1", [["x" * 100]] * 900)
    compressed = rest.get(f"/v4/spreadsheets/{codes}/values/Sheet1")
    plain = rest.get(f"/v4/spreadsheets/{codes}/values/Sheet1", headers={"accept-encoding": "identity"})
    assert compressed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert compressed.json() == plain.json()


def test_the_log_tells_kind_account_status_and_size(rest, put, sandbox, codes):
    put("A1", [["x"]])
    rest.get(f"/v4/spreadsheets/{codes}/values/Nowhere!A1")
    first, second = sandbox.log.entries()
    assert (first.kind, first.method, first.account, first.status) == ("write", "PUT", ROBOT, 200)
    assert first.request_bytes == len('{"values":[["x"]]}')
    assert first.response_bytes > 50
    assert (second.kind, second.status) == ("read", 400)


def test_drive_knows_the_file_and_lags_behind(rest, sandbox, codes, tab):
    about = lambda: rest.get(f"/drive/v3/files/{codes}", params={"fields": "id,name,version,modifiedTime"}).json()  # noqa: E731
    before = about()
    assert (before["id"], before["name"]) == (codes, "Codes")
    tab.type("A1", "x")
    assert about() == before
    assert sandbox.google.counts() == {"read": 0, "write": 0, "drive": 2}
    assert rest.get("/drive/v3/files/nothing").status_code == 404


def test_eight_clients_at_once_lose_nothing(rest, sandbox):
    sheets = [sandbox.google.create_spreadsheet(f"{n}") for n in range(25)]

    def append(n):
        path = f"/v4/spreadsheets/{sheets[n % 25]}/values/Sheet1!A1:append"
        return rest.post(path, params={"valueInputOption": "RAW"}, json={"values": [[str(n)]]}).status_code

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(append, range(200))) == {200}
    assert all(len(sandbox.google.spreadsheet(sheet).tab().grid()) == 8 for sheet in sheets)
    assert sandbox.google.counts() == {"read": 0, "write": 200}
