"""pygsheets as it is installed, against the stand-in."""


def test_pygsheets_opens_reads_and_writes(sandbox, gsheets):
    codes = sandbox.google.create_spreadsheet("Codes", tabs={"Sheet1": [["Name", "Note"], ["Ann", "12"]]})
    sheet = gsheets.open_by_url(sandbox.google.spreadsheet_url(codes))
    worksheet = sheet.worksheet_by_title("Sheet1")
    assert (sheet.title, worksheet.rows, worksheet.cols) == ("Codes", 1000, 26)
    assert worksheet.get_values("A1", "B2") == [["Name", "Note"], ["Ann", "12"]]
    worksheet.update_values("C1:C2", [["=UPPER(A2)"], ["x"]])
    assert sandbox.google.spreadsheet(codes).tab().grid() == [["Name", "Note", "ANN"], ["Ann", "12", "x"]]
    assert sandbox.google.counts() == {"read": 2, "write": 1, "token": 1}
