"use strict";
// A click on a column's head sorts its table: numbers by size whatever their unit, text by alphabet, missing values last.
const UNITS = { ms: 1e-3, s: 1, min: 60, h: 3600, k: 1e3, M: 1e6, GiB: 1, "%": 1 };

function size(text) {
  const match = /^([+\u2212-]?\d[\d.]*(?:e-?\d+)?)\s*(ms|s|min|h|k|M|GiB|%)?(?=$|\s|\/)/.exec(text);
  return match ? Number(match[1].replace("\u2212", "-")) * (UNITS[match[2]] || 1) : null;
}

function compare(a, b) {
  const missing = (a === "\u2013") - (b === "\u2013");
  const sizes = [size(a), size(b)];
  if (missing || !sizes.includes(null)) return { missing, order: sizes[0] - sizes[1] };
  return { missing, order: a.localeCompare(b) };
}

for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  if (!body || body.rows.length < 2) continue;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const turn = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", turn === 1 ? "ascending" : "descending");
      const text = (row) => row.cells[column].textContent.trim();
      const rows = [...body.rows].sort((a, b) => {
        const { missing, order } = compare(text(a), text(b));
        return missing || turn * order;
      });
      body.append(...rows);
    });
  });
}
