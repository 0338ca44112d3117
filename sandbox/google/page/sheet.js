// One spreadsheet: seen live, and edited as its owner would.

import { ask, edit, element, say } from "./api.js";
import { Grid, cellName, entered, letters, parseCell, shown } from "./grid.js";

const PULSE = 700;
const $ = (id) => document.getElementById(id);
const path = location.pathname.split("/");
const id = path[3];
const grid = new Grid($("grid"));
const view = grid.viewport;
const editor = view.querySelector(".editor");

let sheetId = Number(/gid=(\d+)/.exec(location.hash)?.[1] ?? 0);
let version = 0;
let tabs = [];
let about = { trashed: false, office_file: false };

// Seeing

async function load() {
  const data = await ask(`/spreadsheets/${id}/tabs/${sheetId}`);
  if (data.sheet_id !== sheetId) return;
  version = data.version;
  grid.show(data);
}

async function pulse() {
  const beat = await ask(`/spreadsheets/${id}/pulse?since=${version}&sheet_id=${sheetId}`);
  showTabs(beat);
  showRequests(beat.requests);
  if (beat.version === version) return;
  if (!tabs.some((tab) => tab.sheet_id === sheetId)) sheetId = tabs[0].sheet_id;
  await load();
  grid.flash(beat.changed);
}

async function live() {
  for (;;) {
    try {
      await pulse();
      $("requests").firstElementChild.classList.remove("lost");
    } catch (problem) {
      $("requests").firstElementChild.classList.add("lost");
      $("counts").textContent = problem instanceof TypeError ? "The sandbox does not answer" : problem.message;
    }
    await new Promise((wake) => setTimeout(wake, document.hidden ? 4 * PULSE : PULSE));
  }
}

function showTabs(beat) {
  const told = JSON.stringify([beat.tabs, sheetId]);
  if (document.activeElement !== $("title")) $("title").value = beat.title;
  document.title = `${beat.title} (stand-in)`;
  if ($("tabs").dataset.told === told || $("tabs").querySelector("input")) return;
  $("tabs").dataset.told = told;
  tabs = beat.tabs;
  $("tabs").replaceChildren(...tabs.map((tab) => {
    const chosen = tab.sheet_id === sheetId;
    const button = element("button", { className: "tab", type: "button", textContent: tab.title });
    button.setAttribute("role", "tab");
    button.setAttribute("aria-selected", chosen);
    if (chosen) button.append(element("i", { className: "caret" }));
    button.addEventListener("click", (event) => (chosen ? tabMenu(tab, button) : open(tab.sheet_id), event.stopPropagation()));
    button.addEventListener("dblclick", () => renameTab(tab, button));
    button.addEventListener("contextmenu", (event) => { event.preventDefault(); tabMenu(tab, button); });
    return button;
  }));
  $("tabs").querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function showRequests({ read, write, drive = 0 }) {
  const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
  $("counts").textContent = innerWidth < 641 ? `${read} r · ${write} w` : `${plural(read, "read")} · ${plural(write, "write")} in the last minute`;
  $("requests").firstElementChild.classList.toggle("live", read + write + drive > 0);
}

async function open(chosen) {
  leave();
  grid.forget();
  sheetId = chosen;
  history.replaceState(null, "", `#gid=${chosen}`);
  delete $("tabs").dataset.told;
  try {
    await load();
    grid.select({ row: 0, column: 0 });
    await pulse();
  } catch (problem) { say(problem.message); }
}

grid.addEventListener("select", () => {
  const { top, left, bottom, right } = grid.box;
  if (document.activeElement !== $("where")) $("where").value = grid.range;
  if (editor.hidden) $("entered").value = entered(grid.at(grid.anchor.row, grid.anchor.column));
  const values = [];
  for (let row = top; row <= Math.min(bottom, grid.data.rows.length - 1); row += 1) {
    for (let column = left; column <= right; column += 1) {
      const cell = grid.at(row, column);
      if (shown(cell) !== "") values.push(cell);
    }
  }
  const numbers = values.filter((cell) => typeof cell === "number");
  const many = values.length > 1 ? `${values.length.toLocaleString("en")} filled` : "";
  const sum = numbers.length > 1 ? ` · sum ${Number(numbers.reduce((a, b) => a + b, 0).toPrecision(12))}` : "";
  $("sum").textContent = many + sum;
});

// Changing

async function change(...edits) {
  try {
    await edit(id, ...edits.map((one) => ({ sheet_id: sheetId, ...one })));
  } catch (problem) {
    say(problem.message);
  }
  try {
    await pulse();
    about = await ask(`/spreadsheets/${id}`);
  } catch (problem) { say(problem.message); }
}

function type({ row, column }, text) {
  const cell = grid.at(row, column);
  if (text === entered(cell)) return;
  while (grid.data.rows.length <= row) grid.data.rows.push([]);
  grid.data.rows[row][column] = text === "" ? null : text.replace(/^'/, "");
  grid.draw();
  change({ op: "type", where: cellName(row, column), text });
}

let editing = null;

function openEditor(text = null) {
  if (editing) return;
  const cell = grid.anchor;
  grid.select(cell);
  editing = { cell, typing: text !== null };
  const { left, top, width, height } = grid.rect(cell);
  editor.value = text ?? entered(grid.at(cell.row, cell.column));
  editor.hidden = false;
  editor.style.cssText = `left:${left - 1}px;top:${top - 1}px;min-width:${width + 1}px;height:${height + 1}px`;
  grow();
  $("entered").value = editor.value;
  editor.focus({ preventScroll: true });
  editor.setSelectionRange(editor.value.length, editor.value.length);
}

function grow() {
  const lines = editor.value.split("\n");
  const letter = parseFloat(getComputedStyle(editor).fontSize) * 0.61;
  editor.style.width = `${Math.min(560, Math.max(...lines.map((line) => line.length)) * letter + 22)}px`;
  editor.rows = lines.length;
}

// Leaving a cell keeps what was typed, but for Escape.
function leave({ keep = true } = {}) {
  if (!editing) return;
  const { cell } = editing;
  editing = null;
  editor.hidden = true;
  if (keep) type(cell, editor.value);
  $("entered").value = keep ? editor.value : entered(grid.at(grid.anchor.row, grid.anchor.column));
}

function close(rows, columns, options) {
  leave(options);
  view.focus({ preventScroll: true });
  if (rows || columns) grid.move(rows, columns);
}

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

editor.addEventListener("input", () => { grow(); $("entered").value = editor.value; });
editor.addEventListener("blur", (event) => { if (event.relatedTarget !== $("entered")) leave(); });
editor.addEventListener("keydown", (event) => {
  event.stopPropagation();
  if (event.isComposing) return;
  if (event.key === "Escape") close(0, 0, { keep: false });
  else if (event.key === "Enter" && !event.altKey) close(event.shiftKey ? -1 : 1, 0);
  else if (event.key === "Tab") close(0, event.shiftKey ? -1 : 1);
  else if (event.key in ARROWS && editing?.typing) close(...ARROWS[event.key]);
  else return;
  event.preventDefault();
});

$("entered").addEventListener("focus", () => {
  const text = $("entered").value;
  if (!editing) openEditor();
  editing.typing = false;
  $("entered").focus();
  if (text !== $("entered").value) $("entered").value = editor.value;
});
$("entered").addEventListener("input", () => { editor.value = $("entered").value; grow(); });
$("entered").addEventListener("blur", (event) => { if (event.relatedTarget !== editor) leave(); });
$("entered").addEventListener("keydown", (event) => {
  if (event.key === "Escape") close(0, 0, { keep: false });
  else if (event.key === "Enter") close(1, 0);
  else if (event.key === "Tab") close(0, event.shiftKey ? -1 : 1);
  else return;
  event.preventDefault();
});

$("where").addEventListener("focus", () => $("where").select());
$("where").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" && event.key !== "Escape") return;
  const [first, second] = $("where").value.split(":").map(parseCell);
  view.focus({ preventScroll: true });
  if (event.key === "Enter" && first) grid.select(first, second ?? first);
  if (event.key === "Enter" && !first) say(`${$("where").value} is not a cell.`);
  $("where").value = grid.range;
});

$("title").addEventListener("keydown", (event) => { if (event.key === "Enter") view.focus(); });
$("title").addEventListener("change", () => $("title").value.trim() && change({ op: "rename", sheet_id: undefined, title: $("title").value.trim() }));

grid.addEventListener("leave", () => leave());
grid.addEventListener("open", () => openEditor());

view.addEventListener("keydown", (event) => {
  const ctrl = event.ctrlKey || event.metaKey;
  const page = Math.max(1, Math.floor(view.clientHeight / grid.rowHeight) - 1);
  if (event.key in ARROWS) {
    const [rows, columns] = ARROWS[event.key];
    if (ctrl) grid.edge(rows, columns, event.shiftKey);
    else grid.move(rows, columns, event.shiftKey);
  } else if (event.key === "Enter" || event.key === "F2") openEditor();
  else if (event.key === "Tab" && !(event.shiftKey && grid.anchor.column === 0)) grid.move(0, event.shiftKey ? -1 : 1);
  else if (event.key === "PageDown") grid.move(page, 0, event.shiftKey);
  else if (event.key === "PageUp") grid.move(-page, 0, event.shiftKey);
  else if (event.key === "Home") grid.select({ row: ctrl ? 0 : grid.anchor.row, column: 0 });
  else if (event.key === "End") grid.select({ row: ctrl ? Math.max(0, grid.data.rows.length - 1) : grid.anchor.row, column: Math.max(0, usedColumns() - 1) });
  else if (event.key === "Delete" || event.key === "Backspace") clear();
  else if (ctrl && event.key.toLowerCase() === "a") grid.select({ row: 0, column: 0 }, { row: grid.data.row_count - 1, column: grid.data.column_count - 1 }, { scroll: false });
  else if (event.key === "ContextMenu" || (event.shiftKey && event.key === "F10")) cellMenu(grid.rect(grid.anchor));
  else if (event.key === " " && grid.isCheckbox(grid.anchor)) tick();
  else if (event.key.length === 1 && !ctrl && !event.altKey) openEditor(event.key);
  else return;
  event.preventDefault();
});

const usedColumns = () => Math.max(0, ...grid.data.rows.map((line) => line.length));

function clear() {
  const { top, left, bottom, right } = grid.box;
  for (let row = top; row <= Math.min(bottom, grid.data.rows.length - 1); row += 1) {
    for (let column = left; column <= right; column += 1) if (grid.at(row, column) !== null) grid.data.rows[row][column] = null;
  }
  grid.select(grid.anchor, grid.focus, { scroll: false });
  change({ op: "clear", cells: grid.range });
}

function asText() {
  const { top, left, bottom, right } = grid.box;
  const lines = [];
  for (let row = top; row <= Math.min(bottom, Math.max(top, grid.data.rows.length - 1)); row += 1) {
    const line = [];
    for (let column = left; column <= Math.min(right, Math.max(left, usedColumns() - 1)); column += 1) line.push(quoted(shown(grid.at(row, column))));
    lines.push(line.join("\t"));
  }
  return lines.join("\n");
}

const quoted = (text) => (/[\t\n"]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function fromText(text) {
  const rows = [[]];
  const field = /(?:"((?:[^"]|"")*)"|([^\t\r\n]*))(\t|\r?\n|$)/gy;
  for (let match; field.lastIndex < text.length && (match = field.exec(text)) !== null;) {
    rows.at(-1).push(match[1] === undefined ? match[2] : match[1].replaceAll('""', '"'));
    if (match[3] === "\t" && field.lastIndex === text.length) rows.at(-1).push("");
    else if (match[3] !== "\t" && match[3] !== "" && field.lastIndex < text.length) rows.push([]);
  }
  return rows;
}

view.addEventListener("copy", (event) => { if (!editing) { event.clipboardData.setData("text/plain", asText()); event.preventDefault(); } });
view.addEventListener("cut", (event) => { if (!editing) { event.clipboardData.setData("text/plain", asText()); event.preventDefault(); clear(); } });
view.addEventListener("paste", (event) => {
  if (editing) return;
  event.preventDefault();
  const rows = fromText(event.clipboardData.getData("text/plain"));
  const { top, left, bottom, right } = grid.box;
  const one = rows.length === 1 && rows[0].length === 1;
  const block = one && (bottom > top || right > left)
    ? Array.from({ length: Math.min(bottom, Math.max(top, grid.data.rows.length - 1)) - top + 1 }, () => new Array(right - left + 1).fill(rows[0][0]))
    : rows;
  change({ op: "paste", where: cellName(top, left), rows: block });
  grid.select({ row: top, column: left }, { row: top + block.length - 1, column: left + Math.max(...block.map((line) => line.length)) - 1 });
});

// What the menus offer

const count = (number, word) => (number === 1 ? word : `${number} ${word}s`);

const MENUS = {
  rows: () => {
    const { top, bottom } = grid.box, number = bottom - top + 1, rows = count(number, "row");
    return [
      [`Insert ${rows} above`, () => change({ op: "insert_rows", row: top + 1, number })],
      [`Insert ${rows} below`, () => change(bottom + 1 < grid.data.row_count ? { op: "insert_rows", row: bottom + 2, number } : { op: "append_rows", number })],
      ["Duplicate row", () => change({ op: "duplicate_row", row: grid.anchor.row + 1 })],
      null,
      ["Move row up", () => moveRows(top, bottom, -1), { off: top === 0 }],
      ["Move row down", () => moveRows(top, bottom, 1), { off: bottom >= grid.data.row_count - 1 }],
      null,
      [`Delete ${rows}`, () => change({ op: "delete_rows", first: top + 1, last: bottom + 1 })],
      null,
      ["Add 100 rows at the bottom", () => change({ op: "append_rows", number: 100 })],
    ];
  },
  columns: () => {
    const { left, right } = grid.box, number = right - left + 1, columns = count(number, "column");
    return [
      [`Insert ${columns} left`, () => change({ op: "insert_columns", column: letters(left), number })],
      [`Insert ${columns} right`, () => change(right + 1 < grid.data.column_count ? { op: "insert_columns", column: letters(right + 1), number } : { op: "append_columns", number })],
      null,
      ["Move column left", () => moveColumns(left, right, -1), { off: left === 0 }],
      ["Move column right", () => moveColumns(left, right, 1), { off: right >= grid.data.column_count - 1 }],
      null,
      [`Delete ${columns}`, () => change({ op: "delete_columns", first: letters(left), last: letters(right) })],
    ];
  },
  cells: () => [
    ["Edit", () => openEditor(), { key: "F2" }],
    ["Clear", clear, { key: "Del" }],
    ["Fill down", fillDown, { off: grid.box.top === grid.box.bottom }],
    null,
    ["Merge cells", () => change({ op: "merge", cells: grid.range }), { off: !grid.range.includes(":") }],
    ["Unmerge", () => change({ op: "unmerge", cells: grid.range }), { off: !grid.data.merges?.length }],
    ["Insert checkboxes", () => change({ op: "checkbox", cells: grid.range })],
    ["Tick or untick", tick, { key: "Space", off: !grid.isCheckbox(grid.anchor) }],
    ["Plain text", () => change({ op: "plain_text", cells: grid.range })],
    ["Convert to table", () => change({ op: "make_table", cells: grid.range }), { off: !grid.range.includes(":") }],
    ["Filter: hide the selected rows", hideByFilter],
    ["Remove the filter", () => change({ op: "remove_filter" })],
    null,
    ["Protect the selection", () => change({ op: "protect", cells: grid.range })],
    ["Protect the tab", () => change({ op: "protect" })],
    ["Remove every protection", () => change({ op: "unprotect" }), { off: !grid.data.protected?.length }],
  ],
};

MENUS.file = () => [
  ["Move to the bin", () => change({ op: "trash", sheet_id: undefined }), { off: about.trashed }],
  ["Restore from the bin", () => change({ op: "restore_from_trash", sheet_id: undefined }), { off: !about.trashed }],
  null,
  ["Be an Excel file", () => change({ op: "make_office_file", sheet_id: undefined }), { off: about.office_file }],
  ["Save as Google Sheets", () => change({ op: "make_office_file", sheet_id: undefined, office_file: false }), { off: !about.office_file }],
];

const ACTS = {
  "sort-up": () => change({ op: "sort", column: letters(grid.anchor.column) }),
  "sort-down": () => change({ op: "sort", column: letters(grid.anchor.column), descending: true }),
};

// The selection goes along at once: what is chosen before the answer comes is meant for what was moved.

function moveRows(top, bottom, by) {
  change({ op: "move_rows", first: top + 1, last: bottom + 1, before: by < 0 ? top : bottom + 3 });
  grid.select({ row: grid.anchor.row + by, column: grid.anchor.column }, { row: grid.focus.row + by, column: grid.focus.column });
}

function moveColumns(left, right, by) {
  change({ op: "move_columns", first: letters(left), last: letters(right), before: letters(by < 0 ? left - 1 : right + 2) });
  grid.select({ row: grid.anchor.row, column: grid.anchor.column + by }, { row: grid.focus.row, column: grid.focus.column + by });
}

function fillDown() {
  const { top, left, bottom, right } = grid.box;
  const columns = Array.from({ length: right - left + 1 }, (_, place) => left + place);
  change(...columns.map((column) => ({ op: "fill_down", where: cellName(top, column), to_row: bottom + 1 })));
}

function tick() {
  change({ op: "tick", where: cellName(grid.anchor.row, grid.anchor.column), ticked: grid.at(grid.anchor.row, grid.anchor.column) !== true });
}

function hideByFilter() {
  const { top, bottom } = grid.box;
  const last = cellName(Math.max(bottom, grid.data.rows.length - 1), grid.data.column_count - 1);
  const hide = Array.from({ length: bottom - top + 1 }, (_, place) => top + place + 1);
  change({ op: "filter", cells: `A1:${last}`, hide: hide.filter((row) => row > 1) });
}

function cellMenu({ left, top, width, height }) {
  const box = view.getBoundingClientRect();
  menuAt(box.left + left - view.scrollLeft + width / 2, box.top + top - view.scrollTop + height, wholeMenu());
}

function wholeMenu() {
  return [
    ["Sort the tab A → Z by this column", ACTS["sort-up"]],
    ["Sort the tab Z → A by this column", ACTS["sort-down"]],
    null, ...MENUS.rows().slice(0, 3), ...MENUS.rows().slice(7, 8),
    null, ...MENUS.columns().filter((item) => item !== null),
    null, ...MENUS.cells().slice(1, 9),
  ];
}

let opener = null;

function menuAt(x, y, items, from = null) {
  const menu = $("menu");
  menu.replaceChildren(...items.map((item) => {
    if (item === null) return element("hr");
    const [label, act, { off = false, key = "" } = {}] = item;
    const button = element("button", { type: "button", disabled: off }, label);
    button.setAttribute("role", "menuitem");
    if (key) button.append(element("kbd", { textContent: key }));
    button.addEventListener("click", () => { closeMenu(); view.focus({ preventScroll: true }); act(); });
    return button;
  }));
  menu.hidden = false;
  opener = from;
  opener?.setAttribute("aria-expanded", "true");
  menu.style.left = `${Math.max(6, Math.min(x, innerWidth - menu.offsetWidth - 6))}px`;
  menu.style.top = `${Math.max(6, Math.min(y, innerHeight - menu.offsetHeight - 6))}px`;
  menu.querySelector("button:not(:disabled)")?.focus();
}

function closeMenu() {
  $("menu").hidden = true;
  opener?.setAttribute("aria-expanded", "false");
  opener = null;
}

$("menu").addEventListener("keydown", (event) => {
  const items = [...$("menu").querySelectorAll("button:not(:disabled)")];
  const place = items.indexOf(document.activeElement);
  if (event.key === "ArrowDown") items[(place + 1) % items.length].focus();
  else if (event.key === "ArrowUp") items[(place - 1 + items.length) % items.length].focus();
  else if (event.key === "Escape" || event.key === "Tab") { const back = opener; closeMenu(); (back ?? view).focus(); }
  else return;
  event.preventDefault();
});
addEventListener("pointerdown", (event) => { if (!event.target.closest("#menu, [data-menu], .tab")) closeMenu(); });
addEventListener("resize", closeMenu);

for (const button of document.querySelectorAll("[data-menu]")) {
  button.addEventListener("click", () => {
    if (opener === button) return closeMenu();
    const box = button.getBoundingClientRect();
    leave();
    menuAt(box.left, box.bottom + 4, MENUS[button.dataset.menu](), button);
  });
}
for (const button of document.querySelectorAll("[data-act]")) {
  button.addEventListener("click", () => { leave(); ACTS[button.dataset.act](); view.focus({ preventScroll: true }); });
}

$("grid").addEventListener("contextmenu", (event) => {
  if (event.target.closest(".editor")) return;
  event.preventDefault();
  const hit = grid.hit(event), { top, left, bottom, right } = grid.box;
  const inside = (event.target.closest(".rowheads") || (hit.column >= left && hit.column <= right)) && (event.target.closest(".colheads") || (hit.row >= top && hit.row <= bottom));
  leave();
  if (!inside) {
    if (event.target.closest(".rowheads")) grid.select({ row: hit.row, column: 0 }, { row: hit.row, column: grid.data.column_count - 1 }, { scroll: false });
    else if (event.target.closest(".colheads")) grid.select({ row: 0, column: hit.column }, { row: grid.data.row_count - 1, column: hit.column }, { scroll: false });
    else grid.select(hit, hit, { scroll: false });
  }
  const items = event.target.closest(".rowheads") ? MENUS.rows() : event.target.closest(".colheads") ? [...wholeMenu().slice(0, 3), ...MENUS.columns()] : wholeMenu();
  menuAt(event.clientX, event.clientY, items);
});

// Tabs

function tabMenu(tab, button) {
  const place = tabs.findIndex((other) => other.sheet_id === tab.sheet_id);
  const box = button.getBoundingClientRect();
  const move = (index) => change({ op: "move_tab", sheet_id: tab.sheet_id, index });
  menuAt(box.left, box.top - 190, [
    ["Rename", () => renameTab(tab, [...$("tabs").children][place])],
    ["Duplicate", () => change({ op: "copy_tab", sheet_id: tab.sheet_id })],
    ["Move left", () => move(place - 1), { off: place === 0 }],
    ["Move right", () => move(place + 1), { off: place === tabs.length - 1 }],
    null,
    ["Delete", () => confirm(`Delete the tab ${tab.title}?`) && change({ op: "delete_tab", sheet_id: tab.sheet_id }), { off: tabs.length === 1 }],
  ]);
}

function renameTab(tab, button) {
  closeMenu();
  const input = element("input", { value: tab.title, ariaLabel: "Title of the tab" });
  let done = false;
  const finish = (keep) => {
    if (done) return;
    done = true;
    const title = input.value.trim();
    input.remove();
    delete $("tabs").dataset.told;
    if (keep && title && title !== tab.title) change({ op: "rename_tab", sheet_id: tab.sheet_id, title });
    else pulse();
  };
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter" || event.key === "Escape") finish(event.key === "Enter");
  });
  input.addEventListener("blur", () => finish(true));
  input.addEventListener("click", (event) => event.stopPropagation());
  input.addEventListener("dblclick", (event) => event.stopPropagation());
  button.replaceChildren(input);
  input.focus();
  input.select();
}

$("add-tab").addEventListener("click", async () => {
  const before = new Set(tabs.map((tab) => tab.sheet_id));
  await change({ op: "add_tab", sheet_id: undefined });
  const added = tabs.find((tab) => !before.has(tab.sheet_id));
  if (added) open(added.sheet_id);
});

// Sharing and requests

async function sharing() {
  about = await ask(`/spreadsheets/${id}`);
  const owner = element("li", {}, about.owner, element("span", { textContent: "owner" }));
  const people = [...about.shared_with.map((email) => [email, "editor"]), ...about.viewers.map((email) => [email, "viewer"])];
  $("shared").replaceChildren(owner, ...people.map(([email, role]) => {
    const remove = element("button", { type: "button", textContent: "Remove" });
    remove.addEventListener("click", () => spread({ op: "unshare", email }));
    return element("li", {}, email, element("span", { textContent: role }), remove);
  }));
  $("public").checked = about.public;
  $("link").value = about.url;
}

async function spread(one) {
  await change({ sheet_id: undefined, ...one });
  await sharing();
}

$("share").addEventListener("click", async () => { await sharing(); $("sharing").showModal(); });
$("share-with").addEventListener("submit", (event) => {
  event.preventDefault();
  spread({ op: "share", email: event.target.email.value.trim(), role: event.target.role.value });
  event.target.reset();
});
$("public").addEventListener("change", () => spread({ op: "share_with_everyone", public: $("public").checked }));
$("link").addEventListener("focus", () => $("link").select());

// Of another spreadsheet the beginning of its id is enough.
const inShort = (path) => path.replace(`/v4/spreadsheets/${id}`, "this sheet ").replace(/\/v4\/spreadsheets\/([\w-]{6})[\w-]*/, "$1… ");

async function requests() {
  const { requests: made } = await ask("/requests?vendor=google&limit=60");
  $("log-rows").replaceChildren(...made.reverse().map((one) => {
    const failed = one.status === null || one.status >= 400;
    return element("tr", {},
      element("td", { textContent: new Date(one.at * 1000).toLocaleTimeString("en-GB") }),
      element("td", { textContent: one.kind }),
      element("td", { textContent: `${one.method} ${inShort(decodeURIComponent(one.path))}` }),
      element("td", { className: failed ? "bad" : "", textContent: `${one.status ?? "cut"}${one.fault ? ` (${one.fault})` : ""}` }),
      element("td", { className: "n", textContent: one.request_bytes.toLocaleString("en") }),
      element("td", { className: "n", textContent: one.response_bytes.toLocaleString("en") }));
  }));
}

$("requests").addEventListener("click", async () => { await requests(); $("log").showModal(); });
$("log-reset").addEventListener("click", async () => { await ask("/requests", { method: "DELETE" }); await requests(); });

try {
  about = await ask(`/spreadsheets/${id}`);
  if (!about.tabs.some((tab) => tab.sheet_id === sheetId)) sheetId = about.tabs[0].sheet_id;
  await load();
  grid.select({ row: 0, column: 0 });
  view.focus({ preventScroll: true });
  live();
} catch (problem) {
  say(problem.message);
}
