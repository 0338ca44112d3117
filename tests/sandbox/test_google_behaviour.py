"""People's edits of sheets, as the API shows them; and every refusal in Google's own words."""

import httpx
import pytest

from sandbox.google import Quota
from sandbox.google.errors import REFUSALS
from tests.sandbox.conftest import bare_http
from tests.sandbox.test_google_api import update_cells

ROBOT = "b2b-pipelines@sandbox-project.iam.gserviceaccount.com"
CELLS = "sheets.data.rowData.values(userEnteredValue,effectiveValue,formattedValue)"


def text(value):
    return [[{"stringValue": value}]]


def area(top, bottom, left, right):
    sides = {"startRowIndex": top, "endRowIndex": bottom, "startColumnIndex": left, "endColumnIndex": right}
    return {"sheetId": 0, **sides}


def the_cell(answer):
    return answer["sheets"][0]["data"][0]["rowData"][0]["values"][0]


# Cells


def test_the_answer_to_a_write_shows_what_formulas_then_come_out_as(batch_update, tab):
    tab.type("D2", '=IF(A2="","","given")')
    answer = batch_update(
        update_cells(text("new"), start=(1, 0)),
        includeSpreadsheetInResponse=True,
        responseRanges=["Sheet1!D2"],
        responseIncludeGridData=True,
        fields=f"updatedSpreadsheet({CELLS})",
    )
    assert the_cell(answer["updatedSpreadsheet"]) == {
        "userEnteredValue": {"formulaValue": '=IF(A2="","","given")'},
        "effectiveValue": {"stringValue": "given"},
        "formattedValue": "given",
    }


def test_a_cell_that_an_array_spills_into_has_no_entered_value(get, tab):
    tab.type("D1", "=ARRAYFORMULA(A1:A3)")
    assert the_cell(get(fields=CELLS, ranges="Sheet1!D3")) == {
        "effectiveValue": {"stringValue": "c"},
        "formattedValue": "c",
    }
    assert get("/values/D1:D3")["values"] == [["a"], [], ["c"]]
    assert get("/values/D1:D3", valueRenderOption="FORMULA")["values"] == [["=ARRAYFORMULA(A1:A3)"], [], [""]]


def test_a_picture_has_only_what_was_entered(get, tab):
    tab.type("D1", '=IMAGE("https://example.com/x.png")')
    entered = {"userEnteredValue": {"formulaValue": '=IMAGE("https://example.com/x.png")'}}
    assert the_cell(get(fields=CELLS, ranges="Sheet1!D1")) == entered
    assert get("/values/D1")["values"] == [[""]]


def test_a_checkbox_has_a_rule_and_is_false(get, batch_update, tab):
    tab.checkbox("G2:G3")
    mask = "sheets.data.rowData.values(userEnteredValue,dataValidation)"
    rule = {"condition": {"type": "BOOLEAN"}, "strict": True}
    cell = {"userEnteredValue": {"boolValue": False}, "dataValidation": rule}
    assert the_cell(get(fields=mask, ranges="Sheet1!G2")) == cell
    batch_update({"setDataValidation": {"range": area(4, 5, 6, 7), "rule": rule}})
    assert the_cell(get(fields=mask, ranges="Sheet1!G5")) == {"dataValidation": rule}


@pytest.mark.parametrize(("hypothesis", "kept"), [("text", {"stringValue": "0"}), ("number", {"numberValue": 0})])
def test_a_number_in_a_plain_text_column_reads_back_as_one_of_two(sandbox, get, batch_update, hypothesis, kept):
    sandbox.google.hypotheses.plain_text_numbers = hypothesis
    plain = {"userEnteredFormat": {"numberFormat": {"type": "TEXT"}}}
    batch_update({"repeatCell": {"range": area(0, 9, 2, 3), "cell": plain, "fields": "userEnteredFormat.numberFormat"}})
    batch_update(update_cells([[{"numberValue": 0}]], start=(4, 2)))
    mask = "sheets.data.rowData.values(userEnteredValue,effectiveValue,userEnteredFormat.numberFormat.type)"
    assert the_cell(get(fields=mask, ranges="Sheet1!C5")) == {
        "userEnteredValue": kept,
        "effectiveValue": kept,
        "userEnteredFormat": {"numberFormat": {"type": "TEXT"}},
    }


def test_typed_values_in_a_plain_text_column_stay_text(put, get, tab):
    tab.plain_text("C:C")
    put("C2", [["=A1"]], how="USER_ENTERED")
    put("C3", [["0010"]], how="USER_ENTERED")
    assert get("/values/C2:C3", valueRenderOption="FORMULA")["values"] == [["=A1"], ["10"]]


def test_rows_go_on_to_the_end_of_what_is_formatted(get, tab):
    tab.plain_text("B1:B8")
    rows = get(fields="sheets.data.rowData.values.effectiveValue")["sheets"][0]["data"][0]["rowData"]
    assert len(rows) == 8
    assert rows[7] == {"values": [{}, {}]}


def test_a_read_of_entered_values_alone_is_cut_to_them(get, tab):
    assert get(fields="sheets.data.rowData.values.userEnteredValue.stringValue", ranges="A1:B1") == {
        "sheets": [
            {
                "data": [
                    {"rowData": [{"values": [{"userEnteredValue": {"stringValue": "a"}}, {"userEnteredValue": {}}]}]}
                ]
            }
        ]
    }


def test_answers_are_indented_unless_the_request_says_otherwise(rest, codes):
    path = f"/v4/spreadsheets/{codes}?includeGridData=true"
    pretty, compact = rest.get(path), rest.get(f"{path}&prettyPrint=false")
    assert pretty.json() == compact.json()
    assert '\n  "spreadsheetId": ' in pretty.text
    assert "\n" not in compact.text
    assert '{"userEnteredValue":{"stringValue":"a"},' in compact.text


# Merges


def merged(batch_update, how="MERGE_ALL"):
    return batch_update({"mergeCells": {"range": area(3, 5, 0, 2), "mergeType": how}})


@pytest.mark.parametrize(("hypothesis", "kept"), [("drop", None), ("hide", "hidden")])
def test_a_covered_cell_drops_or_hides_what_is_written(sandbox, get, batch_update, put, tab, hypothesis, kept):
    sandbox.google.hypotheses.covered_cells = hypothesis
    merged(batch_update)
    batch_update(update_cells([[{"stringValue": "first"}, {"stringValue": "hidden"}]], start=(3, 0)))
    put("A5", [["hidden"]])
    assert get(fields="sheets.merges")["sheets"][0] == {"merges": [area(3, 5, 0, 2)]}
    assert tab.grid("A4:B5") in ([["first"]], [["first", ""], [""]])
    assert (tab.cell("B4"), tab.cell("A5")) == (kept, kept)
    effective = {"effectiveValue": {"stringValue": kept}} if kept else {}
    row = get(fields="sheets.data.rowData.values(effectiveValue,formattedValue)", ranges="Sheet1!A4:B4")
    cells = row["sheets"][0]["data"][0]["rowData"][0]["values"]
    assert cells[1:] == ([effective] if kept else [])


def test_cells_are_merged_by_rows_and_unmerged_whole(get, batch_update, tab):
    merged(batch_update, "MERGE_ROWS")
    assert get(fields="sheets.merges")["sheets"][0]["merges"] == [area(3, 4, 0, 2), area(4, 5, 0, 2)]
    message = batch_update({"unmergeCells": {"range": area(3, 4, 0, 1)}}, status=400)
    assert "You must select all cells in a merged range" in message
    batch_update({"unmergeCells": {"range": area(3, 5, 0, 2)}})
    assert get(fields="sheets.merges") == {"sheets": [{}, {}]}


def test_a_refused_batch_undoes_a_merge(get, batch_update):
    batch_update({"mergeCells": {"range": area(3, 5, 0, 2)}}, update_cells(text("x"), start=(1000, 0)), status=400)
    assert get(fields="sheets.merges") == {"sheets": [{}, {}]}


# Filters, hidden rows, tables


@pytest.mark.parametrize(("hypothesis", "value"), [("write", "new"), ("skip", "c")])
def test_a_hidden_row_is_written_or_skipped(sandbox, get, batch_update, tab, hypothesis, value):
    sandbox.google.hypotheses.hidden_rows = hypothesis
    batch_update(
        {"setBasicFilter": {"filter": {"range": area(0, 3, 0, 2), "criteria": {"0": {"hiddenValues": ["c"]}}}}}
    )
    found = get(fields="sheets(basicFilter.range,data.rowMetadata.hiddenByFilter)", ranges="Sheet1!A1:A3")["sheets"][0]
    assert found == {
        "basicFilter": {"range": area(0, 3, 0, 2)},
        "data": [{"rowMetadata": [{}, {}, {"hiddenByFilter": True}]}],
    }
    batch_update(update_cells(text("new"), start=(2, 0)))
    assert tab.shown("A3") == value
    batch_update({"clearBasicFilter": {"sheetId": 0}})
    assert "basicFilter" not in get()["sheets"][0]


def test_rows_hidden_by_hand_say_so(get, batch_update):
    rows = {"sheetId": 0, "dimension": "ROWS", "startIndex": 1, "endIndex": 2}
    hide = {"range": rows, "properties": {"hiddenByUser": True}, "fields": "hiddenByUser"}
    batch_update({"updateDimensionProperties": hide})
    metadata = get(fields="sheets.data.rowMetadata.hiddenByUser", ranges="A1:A3")["sheets"][0]["data"][0]["rowMetadata"]
    assert metadata == [{}, {"hiddenByUser": True}, {}]


def a_table(batch_update, columns=()):
    table = {"name": "Codes", "range": area(0, 4, 0, 2), "columnProperties": list(columns)}
    return batch_update({"addTable": {"table": table}})["replies"][0]["addTable"]["table"]["tableId"]


def appended(table_id, *texts):
    rows = [{"values": [{"userEnteredValue": {"stringValue": value}}]} for value in texts]
    return {"appendCells": {"tableId": table_id, "rows": rows, "fields": "userEnteredValue"}}


def test_rows_are_appended_into_a_table_which_grows(get, batch_update, tab):
    table_id = a_table(batch_update)
    batch_update(appended(table_id, "d", "e"))
    assert tab.column("A") == ["a", "", "c", "d", "e"]
    (table,) = get(fields="sheets.tables")["sheets"][0]["tables"]
    assert (table["tableId"], table["name"], table["range"]) == (table_id, "Codes", area(0, 5, 0, 2))
    tab.type("A6", "a note below the table")
    batch_update(appended(table_id, "f"))
    assert tab.column("A") == ["a", "", "c", "d", "e", "f", "a note below the table"]


def test_a_tables_range_is_updated(get, batch_update):
    table_id = a_table(batch_update)
    update = {"table": {"tableId": table_id, "range": area(0, 9, 0, 2)}, "fields": "range"}
    batch_update({"updateTable": update})
    assert get(fields="sheets.tables.range")["sheets"][0]["tables"] == [{"range": area(0, 9, 0, 2)}]
    beyond = {"table": {"tableId": table_id, "range": area(0, 1001, 0, 2)}, "fields": "range"}
    message = batch_update({"updateTable": beyond}, status=400)
    assert message == "Invalid requests[0].updateTable: range.endRowIndex[1001] is after last row in grid[1000]"
    assert "No table with id: 7" in batch_update(appended("7", "x"), status=400)


def test_text_in_a_typed_column_is_kept_or_refused(sandbox, batch_update, tab):
    a_table(batch_update, [{"columnIndex": 1, "columnName": "Seats", "columnType": "DOUBLE"}])
    batch_update(update_cells(text("many"), start=(1, 1)))
    assert tab.shown("B2") == "many"
    sandbox.google.hypotheses.typed_columns = "refuse"
    assert "does not match the type DOUBLE" in batch_update(update_cells(text("few"), start=(1, 1)), status=400)
    batch_update(update_cells(text("few"), start=(1, 0)))


# Tabs


def test_a_first_tab_has_another_name_and_number_elsewhere(sandbox, get):
    codes = sandbox.google.create_spreadsheet(locale="ja_JP", sheet_id=1409)
    spreadsheet = sandbox.google.spreadsheet(codes)
    assert (spreadsheet.tabs[0].title, spreadsheet.tabs[0].sheet_id) == ("シート1", 1409)
    assert spreadsheet.add_tab().title == "シート2"
    assert spreadsheet.url == f"https://docs.google.com/spreadsheets/d/{codes}/edit?gid=1409#gid=1409"
    assert spreadsheet.url_of(spreadsheet.tabs[1]).endswith(f"#gid={spreadsheet.tabs[1].sheet_id}")


def test_a_tab_is_duplicated(batch_update, sandbox, codes):
    answer = batch_update({"duplicateSheet": {"sourceSheetId": 0, "insertSheetIndex": 1}})
    properties = answer["replies"][0]["duplicateSheet"]["properties"]
    assert (properties["title"], properties["index"]) == ("Copy of Sheet1", 1)
    assert sandbox.google.spreadsheet(codes).tabs[1].grid() == [["a", "1"], ["", "TRUE"], ["c"]]


@pytest.mark.parametrize("hypothesis", ["refuse", "omit"])
def test_a_vanished_tab_in_the_response_ranges(sandbox, batch_update, tab, hypothesis):
    sandbox.google.hypotheses.vanished_tab = hypothesis
    answer = batch_update(
        update_cells(text("new")),
        includeSpreadsheetInResponse=True,
        responseRanges=["'Gone'"],
        status=400 if hypothesis == "refuse" else 200,
    )
    if hypothesis == "refuse":
        assert answer == "Unable to parse range: 'Gone'"
        assert tab.shown("A1") == "a"
    else:
        assert tab.shown("A1") == "new"


# Refusals


def error_of(answer: httpx.Response, status: int):
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == status
    assert "errors" not in error
    return error


def test_a_viewer_reads_and_may_not_write(rest, sandbox, codes, tab):
    sandbox.google.spreadsheet(codes).share(ROBOT, role="reader")
    assert rest.get(f"/v4/spreadsheets/{codes}/values/A1").json()["values"] == [["a"]]
    put = {"values": [["x"]]}
    error = error_of(rest.put(f"/v4/spreadsheets/{codes}/values/A1?valueInputOption=RAW", json=put), 403)
    assert error == {"code": 403, "message": "The caller does not have permission", "status": "PERMISSION_DENIED"}
    assert tab.shown("A1") == "a"


def test_an_office_file_is_refused_for_reading_and_writing(rest, sandbox, codes):
    spreadsheet = sandbox.google.spreadsheet(codes)
    spreadsheet.make_office_file()
    assert "rtpof=true" in spreadsheet.url
    for answer in (rest.get(f"/v4/spreadsheets/{codes}"), rest.post(f"/v4/spreadsheets/{codes}:batchUpdate", json={})):
        error = error_of(answer, 400)
        assert error["status"] == "FAILED_PRECONDITION"
        assert error["message"].startswith("This operation is not supported for this document")


def test_a_spreadsheet_in_the_bin_is_not_found_until_it_is_restored(rest, sandbox, codes):
    sandbox.google.spreadsheet(codes).trash()
    assert error_of(rest.get(f"/v4/spreadsheets/{codes}"), 404)["status"] == "NOT_FOUND"
    sandbox.google.spreadsheet(codes).restore_from_trash()
    assert rest.get(f"/v4/spreadsheets/{codes}").status_code == 200


@pytest.mark.parametrize("reason", [name for name, refusal in REFUSALS.items() if not isinstance(refusal, str)])
def test_every_403_says_why_in_its_details(rest, sandbox, codes, reason):
    sandbox.google.refuse(reason, kind="read")
    error = error_of(rest.get(f"/v4/spreadsheets/{codes}"), 403)
    reasons = [detail["reason"] for detail in error.get("details", []) if "reason" in detail]
    assert reasons == ([] if reason == "PERMISSION_DENIED" else [reason])
    assert rest.get(f"/v4/spreadsheets/{codes}").status_code == 200


def test_a_proxy_answers_with_a_page(rest, sandbox, codes):
    sandbox.google.refuse("PROXY_PAGE")
    answer = rest.get(f"/v4/spreadsheets/{codes}")
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=UTF-8")


def test_a_quota_that_is_used_up_is_refused_to_the_end_of_its_minute_and_says_nothing_of_when(rest, sandbox, codes):
    sandbox.google.quota = Quota(reads=2, window=30)
    read = lambda: rest.get(f"/v4/spreadsheets/{codes}")  # noqa: E731
    assert [read().status_code, read().status_code] == [200, 200]
    for _ in range(3):
        answer = read()
        error = error_of(answer, 429)
        assert "retry-after" not in answer.headers
        assert error["status"] == "RESOURCE_EXHAUSTED"
        assert error["details"][0]["reason"] == "RATE_LIMIT_EXCEEDED"
        assert error["details"][0]["metadata"]["quota_limit"] == "ReadRequestsPerMinutePerUser"


def test_another_program_can_use_the_quota_up(rest, sandbox, codes):
    sandbox.google.quota.exhaust("write", 30)
    assert rest.get(f"/v4/spreadsheets/{codes}").status_code == 200
    error = error_of(rest.post(f"/v4/spreadsheets/{codes}/values/A9:clear"), 429)
    assert error["details"][0]["metadata"]["quota_limit"] == "WriteRequestsPerMinutePerUser"


def test_a_body_that_does_not_fit_names_the_violation(rest, codes):
    answer = rest.post(f"/v4/spreadsheets/{codes}:batchUpdate", json={"requests": [{"frobnicate": {}}]})
    (detail,) = error_of(answer, 400)["details"]
    assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert detail["fieldViolations"][0]["description"] == answer.json()["error"]["message"]


def test_a_token_without_the_scope_is_refused_by_its_reason(sandbox, codes):
    with bare_http(sandbox, ["https://www.googleapis.com/auth/spreadsheets.readonly"]) as reader:
        assert reader.get(f"/v4/spreadsheets/{codes}").status_code == 200
        error = error_of(reader.post(f"/v4/spreadsheets/{codes}:batchUpdate", json={}), 403)
    assert error["details"][0]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"


# Over the admin API


@pytest.fixture
def admin(sandbox):
    with httpx.Client(base_url=f"{sandbox.url}/sandbox/api", timeout=10) as client:
        yield client


def test_what_people_do_is_done_over_http(admin, sandbox, codes, tab):
    edits = [
        {"op": "type", "where": "D2", "text": '=IF(A2="","","x")'},
        {"op": "fill_down", "where": "D2", "to_row": 5},
        {"op": "merge", "cells": "A6:B6"},
        {"op": "checkbox", "cells": "E2:E5"},
        {"op": "tick", "where": "E2"},
        {"op": "plain_text", "cells": "F:F"},
        {"op": "filter", "cells": "A1:D5", "hide": [3]},
        {"op": "make_table", "cells": "H1:I4", "types": {"I": "DOUBLE"}},
        {"op": "copy_tab", "title": "Copy"},
        {"op": "share", "email": "viewer@example.com", "role": "reader"},
        {"op": "trash"},
    ]
    answer = admin.post(f"/spreadsheets/{codes}/edits", json={"edits": edits})
    assert answer.status_code == 200, answer.text
    shown = admin.get(f"/spreadsheets/{codes}/tabs/0").json()
    assert shown["merges"] == [area(5, 6, 0, 2)]
    assert (shown["hidden_rows"], len(shown["tables"]), len(shown["checkboxes"])) == ([2], 1, 1)
    described = admin.get(f"/spreadsheets/{codes}").json()
    assert (described["viewers"], described["trashed"]) == (["viewer@example.com"], True)
    assert [item["title"] for item in described["tabs"]] == ["Sheet1", "Copy", "It's"]


def test_refusals_hypotheses_and_used_up_quotas_are_set_over_http(admin, sandbox, codes, rest):
    assert admin.post("/faults/refusal", json={"reason": "BILLING_DISABLED"}).status_code == 200
    assert error_of(rest.get(f"/v4/spreadsheets/{codes}"), 403)["details"][1]["reason"] == "BILLING_DISABLED"
    assert "BILLING_DISABLED" in admin.post("/faults/refusal", json={"reason": "WHIM"}).json()["error"]["message"]
    told = admin.put("/hypotheses", json={"covered_cells": "hide"}).json()
    assert (told["covered_cells"], told["plain_text_numbers"]) == ("hide", "text")
    admin.post("/quota/exhausted", json={"kind": "read", "seconds": 30})
    assert rest.get(f"/v4/spreadsheets/{codes}").status_code == 429


def test_a_state_file_keeps_what_people_did(sandbox, codes, tab):
    tab.merge("A5:B5")
    tab.checkbox("D2:D3")
    spreadsheet = sandbox.google.spreadsheet(codes)
    spreadsheet.share("viewer@example.com", role="reader")
    spreadsheet.make_office_file()
    kept = sandbox.google.dump()
    sandbox.google.clear()
    sandbox.google.load(kept)
    again = sandbox.google.spreadsheet(codes)
    assert [region.kind for region in again.tabs[0].regions] == ["merge", "checkbox"]
    assert (again.viewers, again.office_file) == ({"viewer@example.com"}, True)
    assert sandbox.google.dump() == kept
