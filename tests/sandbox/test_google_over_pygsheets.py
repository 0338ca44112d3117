"""pygsheets as it is installed, against the stand-in."""

import pytest
from googleapiclient.errors import HttpError


def test_pygsheets_opens_reads_and_writes(sandbox, gsheets):
    codes = sandbox.google.create_spreadsheet("Codes", tabs={"Sheet1": [["Name", "Note"], ["Ann", "12"]]})
    sheet = gsheets.open_by_url(sandbox.google.spreadsheet_url(codes))
    worksheet = sheet.worksheet_by_title("Sheet1")
    assert (sheet.title, worksheet.rows, worksheet.cols) == ("Codes", 1000, 26)
    assert worksheet.get_values("A1", "B2") == [["Name", "Note"], ["Ann", "12"]]
    worksheet.update_values("C1:C2", [["=UPPER(A2)"], ["x"]])
    assert sandbox.google.spreadsheet(codes).tab().grid() == [["Name", "Note", "ANN"], ["Ann", "12", "x"]]
    assert sandbox.google.counts() == {"read": 2, "write": 1, "token": 1}


def test_opening_by_key_is_one_read_and_finding_a_tab_none(sandbox, gsheets):
    codes = sandbox.google.create_spreadsheet(tabs=["Codes", "Other"])
    worksheet = gsheets.open_by_key(codes).worksheet_by_title("Other")
    assert (worksheet.index, worksheet.url.rpartition("=")[2]) == (1, str(worksheet.id))
    assert sandbox.google.counts() == {"read": 1, "write": 0, "token": 1}


def test_a_tab_with_an_apostrophe_is_read_by_a_range_of_our_own(sandbox, gsheets):
    codes = sandbox.google.create_spreadsheet(tabs={"It's here": [["a"]]})
    (told,) = gsheets.sheet.values_batch_get(codes, ["'It''s here'!A:F"])
    assert told == {"range": "'It''s here'!A1:F1000", "majorDimension": "ROWS", "values": [["a"]]}


def test_batches_are_one_request_each(sandbox, gsheets):
    codes = sandbox.google.create_spreadsheet()
    worksheet = gsheets.open_by_key(codes).sheet1
    sandbox.log.reset()
    worksheet.update_values_batch(["A1:B1", "A3"], [[["x", "y"]], [["=1+1"]]], parse=False)
    worksheet.get_values_batch(["A1:B1", "A3"])
    values = {"valueInputOption": "RAW", "data": [{"range": "Sheet1!A5", "values": [["=z"]]}]}
    gsheets.sheet.service.spreadsheets().values().batchUpdate(spreadsheetId=codes, body=values).execute()
    assert sandbox.google.counts() == {"read": 1, "write": 2}
    assert sandbox.google.spreadsheet(codes).tab().column("A") == ["x", "", "=1+1", "", "=z"]


def test_the_rest_of_what_pygsheets_does_to_a_tab(sandbox, gsheets):
    sheet = gsheets.open_by_key(sandbox.google.create_spreadsheet())
    worksheet = sheet.add_worksheet("More", rows=5, cols=3)
    worksheet.update_values("A1:B3", [["c", 1], ["a", 2], ["b", 3]])
    worksheet.sort_range("A1", "B3", basecolumnindex=0)
    worksheet.insert_rows(1, 2, [["x"], ["y"]])
    worksheet.delete_cols(3)
    worksheet.rows = 9
    worksheet.title = "Most"
    assert worksheet.get_all_values(include_tailing_empty=False, include_tailing_empty_rows=False) == [
        ["a", "2"],
        ["x"],
        ["y"],
        ["b", "3"],
        ["c", "1"],
    ]
    worksheet.clear("A2", "A3")
    assert worksheet.get_value("A2") == ""
    assert worksheet.find("c")[0].label == "A5"
    sheet.title = "Renamed"
    model = sandbox.google.spreadsheet(sheet.id)
    assert (model.title, model.tab("most").row_count, model.tab("most").column_count) == ("Renamed", 9, 2)
    sheet.del_worksheet(worksheet)
    assert [tab.title for tab in model.tabs] == ["Sheet1"]


def test_a_spreadsheet_is_created_and_opened_by_its_title(sandbox, gsheets):
    made = gsheets.create("Made by us")
    assert gsheets.open("Made by us").id == made.id
    assert made.updated.endswith("Z")


def test_pygsheets_computes_a_range_too_large_and_is_told_so_in_googles_words(sandbox, gsheets):
    worksheet = gsheets.open_by_key(sandbox.google.create_spreadsheet()).sheet1
    with pytest.raises(HttpError, match=r"Range \(Sheet1!A1000:B1001\) exceeds grid limits"):
        worksheet.update_values("A1000", [["x"]])


def test_an_account_without_a_share_is_forbidden(sandbox, sign_in):
    codes = sandbox.google.create_spreadsheet(shared_with=[])
    with pytest.raises(HttpError) as caught:
        sign_in().open_by_key(codes)
    assert (caught.value.resp.status, caught.value.reason) == (403, "The caller does not have permission")


def test_an_expired_token_is_renewed_without_anybody_noticing(sandbox, gsheets):
    codes = sandbox.google.create_spreadsheet()
    gsheets.open_by_key(codes)
    sandbox.google.accounts.expire_tokens()
    gsheets.open_by_key(codes)
    assert [(entry.kind, entry.status) for entry in sandbox.log.entries()][2:] == [
        ("read", 401),
        ("token", 200),
        ("read", 200),
    ]
