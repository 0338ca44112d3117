// All spreadsheets of the sandbox.

import { ask, element, say } from "./api.js";

const $ = (id) => document.getElementById(id);

function line(sheet) {
  const tabs = sheet.tabs.map((tab) => `${tab.title} (${tab.used_rows.toLocaleString("en")} rows)`).join(", ");
  const shared = sheet.public ? "anyone with the link" : sheet.shared_with.join(", ") || "nobody";
  return element("li", {}, element("a", { href: sheet.page }, element("strong", { textContent: sheet.title }), element("small", { textContent: tabs }), element("small", { textContent: `shared with ${shared}` })));
}

async function show() {
  const sheets = await ask("/spreadsheets");
  const told = JSON.stringify(sheets);
  if ($("spreadsheets").dataset.told !== told) {
    $("spreadsheets").dataset.told = told;
    $("spreadsheets").replaceChildren(...sheets.reverse().map(line));
  }
  $("empty").hidden = sheets.length > 0;
}

$("new").addEventListener("click", async () => {
  try {
    location.href = (await ask("/spreadsheets", { method: "POST", body: { title: "Untitled spreadsheet" } })).page;
  } catch (problem) { say(problem.message); }
});

for (;;) {
  try { await show(); } catch (problem) { say(problem instanceof TypeError ? "The sandbox does not answer." : problem.message); }
  await new Promise((wake) => setTimeout(wake, document.hidden ? 6000 : 1500));
}
