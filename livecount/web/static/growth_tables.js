// The fits in words and numbers, to be sorted and searched.
import { element } from "/static/api.js";
import { number } from "/static/format.js";

const interval = (low, high) => (low === null || high === null ? "" : `${number(low)} to ${number(high)}`);

function why(row) {
  return [row.verdict, row.reason].filter(Boolean).join(": ");
}

const FITTED = [
  ["doubling time, h", (row) => number(row.doubling_time_h), (row) => row.doubling_time_h, "number"],
  ["95 % interval, h", (row) => doublingInterval(row), (row) => row.doubling_time_low_h, ""],
  ["rate, 1/h", (row) => number(row.rate_per_h), (row) => row.rate_per_h, "number"],
  ["95 % interval, 1/h", (row) => (row.level === "well" ? "" : interval(row.rate_low, row.rate_high)), (row) => row.rate_low, ""],
];
const REASONS = [
  ["fit", (row) => [row.fit, row.fit_reason].filter(Boolean).join(": "), (row) => row.fit, ""],
  ["verdict", why, why, ""],
];
export const GROUP_COLUMNS = [
  ["group", (row) => row.group ?? "", (row) => row.group ?? "", "name"],
  ["wells", (row) => row.n_wells, (row) => row.n_wells, "number"],
  ...FITTED, ...REASONS,
];
export const WELL_COLUMNS = [
  ["well", nameOf, nameOf, "name"],
  ["group", (row) => row.group ?? "", (row) => row.group ?? "", "name"],
  ["points", (row) => row.n_points, (row) => row.n_points, "number"],
  ...FITTED.slice(0, 3), ...REASONS,
];

function nameOf(row) {
  return [row.plate, row.well ?? "the field", row.channel, row.z].filter(Boolean).join(" ");
}

export function doublingInterval(row) {
  if (row.level === "well" || row.n_wells === 1) return "one well: no interval";
  return interval(row.doubling_time_low_h, row.doubling_time_high_h);
}

export function makeTable(table, columns) {
  let rows = [];
  let wanted = "";
  let by = null;
  let falling = false;
  const heads = columns.map(([name, , , kind], i) => element("th", { scope: "col", class: kind === "number" ? "number" : null, "aria-sort": "none" },
    element("button", { type: "button", class: "sort", text: name, onclick: () => sortBy(i) })));
  table.querySelector("thead").replaceChildren(element("tr", {}, ...heads));

  function sortBy(column) {
    falling = by === column && !falling;
    by = column;
    heads.forEach((head, i) => head.setAttribute("aria-sort", i === by ? (falling ? "descending" : "ascending") : "none"));
    draw();
  }

  function compare(a, b) {
    const [left, right] = [a, b].map(columns[by][2]);
    if (left === null || right === null) return (left === null) - (right === null); // unknown last, either way
    const order = typeof left === "number" ? left - right : String(left).localeCompare(String(right), undefined, { numeric: true });
    return falling ? -order : order;
  }

  function draw() {
    const found = rows.filter((row) => !wanted || [nameOf(row), row.group ?? ""].some((text) => text.toLowerCase().includes(wanted)));
    if (by !== null) found.sort(compare);
    const body = found.map((row) => element("tr", {}, ...columns.map(([, text, , kind]) => element("td", { class: kind || null, text: text(row) }))));
    if (!body.length) body.push(element("tr", {}, element("td", { colspan: columns.length, class: "empty", text: rows.length ? "Nothing is called that." : "Nothing was fitted." })));
    table.querySelector("tbody").replaceChildren(...body);
  }

  return {
    show(found) { rows = found; draw(); },
    search(text) { wanted = text.trim().toLowerCase(); draw(); },
  };
}
