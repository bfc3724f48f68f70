// Tables: a column in which no row has a value is left out, so that none is empty.

import { h } from "./dom.js";

/**
 * The columns that some row has a value for.
 *
 * columns  {head, kind, cell(row)}; `kind` are classes, and a cell that is null has no value
 */
export function filled(columns, rows) {
  return columns.filter(({ cell }) => rows.some((row) => hasValue(cell(row))));
}

function hasValue(content) {
  return content !== null && content !== undefined;
}

export function cells(columns, row) {
  return columns.map(({ kind, cell }) => h("td", { class: kind }, cell(row) ?? h("span", { class: "note" }, "–")));
}

export function head(columns) {
  return h("thead", {}, h("tr", {}, columns.map(({ head: title, kind }) => h("th", { scope: "col", class: kind }, title))));
}

/**
 * A table whose first column names its rows.
 *
 * caption  what it is; `hidden` where the heading already says it
 * total    a row for the foot, under the name "All"
 */
export function table({ caption, hidden = false, name, columns, rows, total }) {
  const shown = filled(columns, rows);
  const titled = [{ head: name.head }, ...shown];
  return h(
    "table",
    {},
    h("caption", { class: hidden ? "hidden" : undefined }, caption),
    head(titled),
    h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { scope: "row" }, name.cell(row)), cells(shown, row)))),
    total && h("tfoot", {}, h("tr", {}, h("th", { scope: "row" }, "All"), cells(shown, total))),
  );
}
