// The grid: draws only the cells that are in view, and knows what is selected.

const OVERSCAN = 6;
const FRESH = 2400;

export function letters(column) {
  let name = "";
  for (let n = column + 1; n > 0; n = Math.floor((n - 1) / 26)) name = String.fromCharCode(65 + ((n - 1) % 26)) + name;
  return name;
}

export function cellName(row, column) {
  return letters(column) + (row + 1);
}

export function parseCell(text) {
  const match = /^\$?([a-z]{1,3})\$?([1-9]\d*)$/i.exec(text.trim());
  if (!match) return null;
  const column = [...match[1].toUpperCase()].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1;
  return { row: Number(match[2]) - 1, column };
}

// Text that would become something else if it were typed again is typed with an apostrophe.
const RETYPED = /^(['=]|[-+.$]?[\d.,]+(e[-+]?\d+)?%?$|\s*(true|false)\s*$|\d+[-/]\d+[-/]\d+)/i;

export const shown = (cell) =>
  cell === null || cell === undefined ? "" : typeof cell === "object" ? cell.shown : typeof cell === "boolean" ? String(cell).toUpperCase() : String(cell);
export const entered = (cell) =>
  cell !== null && typeof cell === "object" ? cell.entered : typeof cell === "string" && RETYPED.test(cell) ? `'${cell}` : shown(cell);
const kind = (cell) =>
  typeof cell === "number" || (cell !== null && typeof cell === "object" && cell.number) ? "n" : typeof cell === "boolean" ? "b" : "";

const within = (area, row, column) =>
  row >= (area.startRowIndex ?? 0) && row < (area.endRowIndex ?? Infinity)
  && column >= (area.startColumnIndex ?? 0) && column < (area.endColumnIndex ?? Infinity);

export class Grid extends EventTarget {
  constructor(root) {
    super();
    this.root = root;
    this.viewport = root.querySelector(".viewport");
    this.canvas = root.querySelector(".canvas");
    this.layer = root.querySelector(".cells");
    this.heads = { columns: root.querySelector(".colheads .inner"), rows: root.querySelector(".rowheads .inner") };
    this.frame = { selection: root.querySelector(".selection"), active: root.querySelector(".active") };
    this.data = { rows: [], row_count: 0, column_count: 0, protected: [] };
    this.anchor = { row: 0, column: 0 };
    this.focus = { row: 0, column: 0 };
    this.fresh = new Map();
    this.lefts = [0];
    this.viewport.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.viewport);
    this.#listen();
  }

  get rowHeight() { return parseFloat(getComputedStyle(this.root).getPropertyValue("--row")); }

  at(row, column) { return this.data.rows[row]?.[column] ?? null; }

  show(data) {
    this.data = data;
    this.root.removeAttribute("aria-busy");
    this.viewport.setAttribute("aria-rowcount", data.row_count);
    this.viewport.setAttribute("aria-colcount", data.column_count);
    this.#measure();
    this.select(this.#inside(this.anchor), this.#inside(this.focus), { scroll: false });
  }

  forget() {
    this.fresh.clear();
  }

  // Cells that somebody else changed light up for a moment.
  flash(cells) {
    const now = performance.now();
    for (const [row, column] of cells) this.fresh.set(`${row},${column}`, now);
    this.draw();
    setTimeout(() => {
      for (const [key, at] of this.fresh) if (performance.now() - at >= FRESH) this.fresh.delete(key);
    }, FRESH + 50);
  }

  get box() {
    const { anchor, focus } = this;
    return {
      top: Math.min(anchor.row, focus.row), bottom: Math.max(anchor.row, focus.row),
      left: Math.min(anchor.column, focus.column), right: Math.max(anchor.column, focus.column),
    };
  }

  get range() {
    const { top, left, bottom, right } = this.box;
    const first = cellName(top, left), last = cellName(bottom, right);
    return first === last ? first : `${first}:${last}`;
  }

  select(anchor, focus = anchor, { scroll = true } = {}) {
    this.anchor = this.#inside(anchor);
    this.focus = this.#inside(focus);
    if (scroll) this.reveal(this.focus);
    this.draw();
    this.dispatchEvent(new Event("select"));
  }

  move(rows, columns, extend = false) {
    const from = extend ? this.focus : this.anchor;
    const to = { row: from.row + rows, column: from.column + columns };
    this.select(extend ? this.anchor : to, to);
  }

  // Where Ctrl and an arrow lead: the edge of a block of filled cells, or the next one.
  edge(rows, columns, extend = false) {
    const from = extend ? this.focus : this.anchor;
    const filled = ({ row, column }) => shown(this.at(row, column)) !== "";
    const within = ({ row, column }) => row >= 0 && column >= 0 && row < this.data.row_count && column < this.data.column_count;
    const next = ({ row, column }) => ({ row: row + rows, column: column + columns });
    let to = from;
    const inBlock = filled(from) && within(next(from)) && filled(next(from));
    while (within(next(to)) && (!inBlock || filled(next(to)))) {
      to = next(to);
      if (!inBlock && filled(to)) break;
    }
    this.select(extend ? this.anchor : to, to);
  }

  rect({ row, column }) {
    const merge = this.#merges.find(({ startRowIndex, startColumnIndex }) => row === startRowIndex && column === startColumnIndex);
    if (merge) {
      const right = this.lefts[merge.endColumnIndex] ?? this.lefts.at(-1);
      return { left: this.lefts[column], top: row * this.rowHeight, width: right - this.lefts[column], height: (merge.endRowIndex - row) * this.rowHeight };
    }
    return { left: this.lefts[column], top: row * this.rowHeight, width: this.lefts[column + 1] - this.lefts[column], height: this.rowHeight };
  }

  reveal({ row, column }) {
    const { left, top, width, height } = this.rect({ row, column });
    const view = this.viewport;
    if (top < view.scrollTop) view.scrollTop = top;
    else if (top + height > view.scrollTop + view.clientHeight) view.scrollTop = top + height - view.clientHeight;
    if (left < view.scrollLeft) view.scrollLeft = left;
    else if (left + width > view.scrollLeft + view.clientWidth) view.scrollLeft = Math.min(left, left + width - view.clientWidth);
  }

  draw() {
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.viewport;
    const height = this.rowHeight;
    const first = Math.max(0, Math.floor(scrollTop / height) - OVERSCAN);
    const last = Math.min(this.data.row_count, Math.ceil((scrollTop + clientHeight) / height) + OVERSCAN);
    const from = Math.max(0, this.#columnAt(scrollLeft) - 1);
    const to = Math.min(this.data.column_count, this.#columnAt(scrollLeft + clientWidth) + 2);
    this.#drawCells(first, last, from, to);
    this.#drawHeads(first, last, from, to);
    this.heads.columns.style.transform = `translateX(${-scrollLeft}px)`;
    this.heads.rows.style.transform = `translateY(${-scrollTop}px)`;
    this.#drawFrames();
  }

  #drawCells(first, last, from, to) {
    const now = performance.now();
    const made = [];
    for (let row = first; row < last; row += 1) {
      const line = this.data.rows[row] ?? [];
      for (let column = from; column < to; column += 1) {
        if (this.#covered(row, column)) continue;
        const cell = line[column] ?? null;
        const box = this.isCheckbox({ row, column });
        const { left, top, width, height: tall } = this.rect({ row, column });
        const node = document.createElement("div");
        const at = this.fresh.get(`${row},${column}`);
        node.className = `cell ${kind(cell)}${row === 0 ? " top" : ""}${this.#locked(row, column) ? " locked" : ""}${this.data.hidden_rows?.includes(row) ? " hid" : ""}`;
        node.style.cssText = `left:${left}px;top:${top}px;width:${width}px${tall === this.rowHeight ? "" : `;height:${tall}px`}`;
        if (at !== undefined && now - at < FRESH) {
          node.classList.add("fresh");
          node.style.animationDelay = `${at - now}ms`;
        }
        node.dataset.at = cellName(row, column);
        node.id = `at-${node.dataset.at}`;
        node.setAttribute("role", "gridcell");
        node.textContent = box && typeof cell === "boolean" ? (cell ? "☑" : "☐") : shown(cell);
        made.push(node);
      }
    }
    this.layer.replaceChildren(...made);
    this.viewport.setAttribute("aria-activedescendant", `at-${cellName(this.anchor.row, this.anchor.column)}`);
  }

  #drawHeads(first, last, from, to) {
    const { top, bottom, left, right } = this.box;
    const allRows = top === 0 && bottom === this.data.row_count - 1;
    const allColumns = left === 0 && right === this.data.column_count - 1;
    const head = (text, style, inside, whole) => {
      const node = document.createElement("div");
      node.className = `head${inside ? (whole ? " in whole" : " in") : ""}`;
      node.style.cssText = style;
      node.textContent = text;
      return node;
    };
    const columns = [], rows = [];
    for (let column = from; column < to; column += 1) {
      const { left: x, width } = this.rect({ row: 0, column });
      columns.push(head(letters(column), `left:${x}px;width:${width}px`, column >= left && column <= right, allRows));
    }
    for (let row = first; row < last; row += 1) {
      rows.push(head(row + 1, `top:${row * this.rowHeight}px`, row >= top && row <= bottom, allColumns));
    }
    this.heads.columns.replaceChildren(...columns);
    this.heads.rows.replaceChildren(...rows);
  }

  #drawFrames() {
    const { top, bottom, left, right } = this.box;
    const place = (node, { left: x, top: y, width, height }) => {
      node.hidden = false;
      node.style.cssText = `left:${x - 1}px;top:${y - 1}px;width:${width + 1}px;height:${height + 1}px`;
    };
    if (!this.data.row_count) return;
    place(this.frame.active, this.rect(this.anchor));
    const one = top === bottom && left === right;
    if (one) this.frame.selection.hidden = true;
    else place(this.frame.selection, {
      left: this.lefts[left], top: top * this.rowHeight,
      width: this.lefts[right + 1] - this.lefts[left], height: (bottom - top + 1) * this.rowHeight,
    });
  }

  get #merges() { return this.data.merges ?? []; }

  #covered(row, column) {
    return this.#merges.some((area) => within(area, row, column) && (row !== area.startRowIndex || column !== area.startColumnIndex));
  }

  isCheckbox({ row, column }) {
    return (this.data.checkboxes ?? []).some((area) => within(area, row, column));
  }

  #locked(row, column) {
    return this.data.protected.some((area) => within(area, row, column));
  }

  // A column is as wide as what stands near its top, within reason.
  #measure() {
    const { rows, row_count: rowCount, column_count: columnCount } = this.data;
    const widest = new Array(columnCount).fill(0);
    const ruler = (this.ruler ??= document.createElement("canvas").getContext("2d"));
    const { fontFamily } = getComputedStyle(this.root);
    for (const [place, line] of rows.slice(0, 200).entries()) {
      ruler.font = `${place === 0 ? 600 : 400} 13.5px ${fontFamily}`;
      for (const [column, cell] of line.entries()) widest[column] = Math.max(widest[column], ruler.measureText(shown(cell)).width);
    }
    this.lefts = [0];
    for (const width of widest) this.lefts.push(this.lefts.at(-1) + Math.ceil(Math.min(320, Math.max(96, width + 16))));
    this.canvas.style.width = `${this.lefts.at(-1) + 40}px`;
    this.canvas.style.height = `${rowCount * this.rowHeight + 40}px`;
  }

  #inside({ row, column }) {
    return {
      row: Math.max(0, Math.min(row, this.data.row_count - 1)),
      column: Math.max(0, Math.min(column, this.data.column_count - 1)),
    };
  }

  #columnAt(x) {
    let low = 0, high = this.lefts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.lefts[middle] <= x) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  hit(event) {
    const box = this.viewport.getBoundingClientRect();
    return this.#inside({
      row: Math.floor((event.clientY - box.top + this.viewport.scrollTop) / this.rowHeight),
      column: this.#columnAt(event.clientX - box.left + this.viewport.scrollLeft),
    });
  }

  #listen() {
    const { viewport } = this;
    const everything = () => ({ row: this.data.row_count - 1, column: this.data.column_count - 1 });
    const dragging = (area, anchorOf, focusOf) => {
      area.addEventListener("pointerdown", (event) => {
        if (event.button !== 0 || (area === viewport && event.pointerType !== "mouse")) return;
        const box = viewport.getBoundingClientRect();
        if (area === viewport && (event.clientX > box.left + viewport.clientWidth || event.clientY > box.top + viewport.clientHeight)) return;
        if (event.target.closest(".editor")) return;
        this.dispatchEvent(new Event("leave"));
        const start = event.shiftKey ? this.anchor : anchorOf(this.hit(event));
        this.select(start, focusOf(this.hit(event)), { scroll: false });
        viewport.focus({ preventScroll: true });
        event.preventDefault();
        const follow = (moved) => this.select(start, focusOf(this.hit(moved)), { scroll: area === viewport });
        const stop = () => {
          removeEventListener("pointermove", follow);
          removeEventListener("pointerup", stop);
          removeEventListener("pointercancel", stop);
        };
        addEventListener("pointermove", follow);
        addEventListener("pointerup", stop);
        addEventListener("pointercancel", stop);
      });
    };
    dragging(viewport, (hit) => hit, (hit) => hit);
    dragging(this.root.querySelector(".colheads"), ({ column }) => ({ row: 0, column }), ({ column }) => ({ row: everything().row, column }));
    dragging(this.root.querySelector(".rowheads"), ({ row }) => ({ row, column: 0 }), ({ row }) => ({ row, column: everything().column }));
    this.root.querySelector(".corner").addEventListener("click", () => this.select({ row: 0, column: 0 }, everything(), { scroll: false }));
    viewport.addEventListener("click", (event) => {
      if (event.pointerType === "mouse" || event.target.closest(".editor")) return;
      const hit = this.hit(event);
      const again = hit.row === this.anchor.row && hit.column === this.anchor.column;
      this.dispatchEvent(new Event("leave"));
      this.select(hit, hit, { scroll: false });
      if (again) this.dispatchEvent(new Event("open"));
    });
    viewport.addEventListener("dblclick", (event) => {
      if (!event.target.closest(".editor")) this.dispatchEvent(new Event("open"));
    });
  }
}
