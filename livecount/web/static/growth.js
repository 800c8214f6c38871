// Growth curves to look into: groups with their spread, or wells; a window that refits; downloads.
import { ask, clearProblem, element, floats, showProblem } from "/static/api.js";
import { hours, number } from "/static/format.js";
import { bandOf, layoutFor, looks, spanOf, traces, unit } from "/static/growth_figure.js";
import { listen } from "/static/live.js";

const experiment = document.body.dataset.experiment;
const $ = (id) => document.getElementById(id);
const figure = $("curves");
const CHOICES = ["by", "spread", "axis", "relative"];
const NOT_OURS = ["sendChartToCloud", "lasso2d", "select2d", "toImage"];

let curves = null;
let events = [];
let fits = { rows: [], start_h: null, end_h: null };
let sorting = { column: 0, down: false };

// --- the view, kept in the address ---------------------------------------------------------------

function readAddress() {
  const given = new URLSearchParams(location.search);
  for (const id of CHOICES) {
    const value = given.get(id);
    if (value !== null && [...$(id).options].some((option) => option.value === value)) $(id).value = value;
  }
  $("find").value = given.get("find") ?? "";
  const ends = ["start", "end"].map((name) => (given.has(name) ? Number(given.get(name)) : null));
  [fits.start_h, fits.end_h] = ends.map((end) => (Number.isFinite(end) ? end : null));
}

function writeAddress() {
  const kept = new URLSearchParams();
  for (const id of CHOICES) if ($(id).selectedIndex > 0) kept.set(id, $(id).value);
  if (fits.start_h !== null) kept.set("start", fits.start_h);
  if (fits.end_h !== null) kept.set("end", fits.end_h);
  if ($("find").value.trim()) kept.set("find", $("find").value.trim());
  const text = kept.toString();
  history.replaceState(null, "", text ? `?${text}` : location.pathname);
}

// --- asking --------------------------------------------------------------------------------------

function wantedCurves() {
  const wanted = new URLSearchParams({ by: $("by").value });
  if ($("relative").value !== "") wanted.set("relative_to_h", $("relative").value);
  return wanted;
}

function unpack(line) {
  for (const name of ["hours", "values", "low", "high", "sd", "sem", "n_wells", "excluded_hours", "excluded_values"]) line[name] = floats(line[name]);
}

let loads = 0;
async function load() {
  const mine = ++loads; // an older answer that comes late is not drawn
  try {
    const wanted = wantedCurves();
    const found = await ask(`experiments/${experiment}/curves?${wanted}`);
    found.lines.forEach(unpack);
    if (mine !== loads) return;
    curves = found;
    clearProblem();
    $("none").hidden = found.lines.length > 0;
    tellWithout();
    draw();
    loadFits();
  } catch (problem) {
    if (mine !== loads) return;
    showProblem(problem);
    if (problem.status !== 404) setTimeout(load, 3000);
  }
}

// Lines with new counts take the place of the old ones, at most once a second; fits come with the next snapshot.
let following = null;
let isBehind = false;
async function follow() {
  isBehind = following !== null;
  if (isBehind || !curves) return;
  const mine = loads;
  following = new Promise((resolve) => setTimeout(resolve, 1000));
  try {
    const found = await ask(`experiments/${experiment}/curves?${wantedCurves()}&changed=true`);
    if (mine === loads && found.snapshot === curves.snapshot) {
      for (const line of found.lines) {
        unpack(line);
        curves.lines[line.number] = line;
      }
      draw();
    }
  } catch (problem) {
    showProblem(problem);
  }
  await following;
  following = null;
  if (isBehind) follow();
}

let asked = 0;
async function loadFits() {
  const mine = ++asked;
  const wanted = new URLSearchParams();
  if (fits.start_h !== null) wanted.set("start_h", fits.start_h);
  if (fits.end_h !== null) wanted.set("end_h", fits.end_h);
  const isLater = setTimeout(() => { $("fitted").textContent = "Growth is being fitted …"; }, 300);
  try {
    const found = await ask(`experiments/${experiment}/growth?${wanted}`);
    if (mine !== asked) return;
    if (found.snapshot < curves.snapshot) setTimeout(() => mine === asked && loadFits(), 2000); // those of before, until the new are made
    fits.rows = found.rows;
    const span = fits.start_h === null && fits.end_h === null ? "over the whole run" : `from ${hours(fits.start_h ?? 0)} to ${fits.end_h === null ? "the end" : hours(fits.end_h)}`;
    $("fitted").textContent = `Fitted ${span}. Intervals lie across wells; a single well has none.`;
    $("whole").hidden = fits.start_h === null && fits.end_h === null;
    draw();
    drawTable();
  } catch (problem) {
    if (mine !== asked) return;
    $("fitted").textContent = problem.message;
    if (problem.status === 503) setTimeout(() => mine === asked && loadFits(), 3000);
  } finally {
    clearTimeout(isLater);
  }
}

async function loadEvents() {
  const plate = await ask(`experiments/${experiment}/plate`);
  events = plate.events;
  const { value } = $("relative");
  for (const old of $("relative").querySelectorAll("[data-event]")) old.remove();
  for (const event of events) {
    $("relative").append(element("option", { value: event.at_h, "data-event": "", text: `${event.name}, ${hours(event.at_h)}` }));
  }
  $("relative").value = value;
  return $("relative").value === value;
}

// Somebody has noted an event or taken one back, perhaps the one that curves are relative to.
async function followEdits() {
  try {
    if (await loadEvents()) return draw();
    $("relative").selectedIndex = 0;
    writeAddress();
    return load();
  } catch (problem) {
    return showProblem(problem);
  }
}

function tellWithout() {
  const lacking = Object.entries(curves.without_base);
  $("without").hidden = lacking.length === 0;
  if (lacking.length) $("without").textContent = `Not shown: ${lacking.slice(0, 5).map(([well, why]) => `${well} (${why})`).join("; ")}${lacking.length > 5 ? ` and ${lacking.length - 5} more` : ""}.`;
}

// --- drawing -------------------------------------------------------------------------------------

function shown(width = figure.clientWidth) {
  return { curves, events, fits, spread: $("spread").value, axis: $("axis").value, relative: $("relative").value, width, sought: sought() };
}

// Whether a line, or a row of the table, is what `Find` asks for; a well's name in full is that well alone.
function sought() {
  const text = $("find").value.trim().toLowerCase();
  if (!text) return null;
  const isWell = fits.rows.some((row) => row.well?.toLowerCase() === text);
  return (one) => {
    const well = (one.well ?? one.label ?? "").toLowerCase();
    return isWell && one.group !== one.label ? well.split(" ").includes(text) : `${well} ${one.group ?? ""}`.toLowerCase().includes(text);
  };
}

function draw() {
  if (!curves) return;
  Plotly.react(figure, traces(shown()), layoutFor(shown()), { displaylogo: false, responsive: true, modeBarButtonsToRemove: NOT_OURS }).then(placeHandles);
  figure.removeAttribute("aria-busy");
}

// --- the window ----------------------------------------------------------------------------------

function placeHandles() {
  const { xaxis, yaxis } = figure._fullLayout;
  const [from, to] = spanOf(curves);
  $("window").hidden = !(from < to);
  for (const [id, given, other] of [["start", fits.start_h, from], ["end", fits.end_h, to]]) {
    const at = given ?? other;
    const handle = $(id);
    const x = xaxis.l2p(at);
    handle.hidden = x < -1 || x > xaxis._length + 1;
    handle.style.left = `${xaxis._offset + x}px`;
    handle.style.top = `${yaxis._offset}px`;
    handle.style.height = `${yaxis._length}px`;
    handle.setAttribute("aria-valuemin", from.toFixed(2));
    handle.setAttribute("aria-valuemax", to.toFixed(2));
    handle.setAttribute("aria-valuenow", at.toFixed(2));
    handle.setAttribute("aria-valuetext", `${at.toFixed(1)} hours`);
    handle.title = `${handle.getAttribute("aria-label")}: ${at.toFixed(1)} h (drag, or arrow keys)`;
  }
}

function moveTo(id, at) {
  const [from, to] = spanOf(curves);
  const [start, end] = [fits.start_h ?? from, fits.end_h ?? to];
  const least = (to - from) / 200;
  const value = id === "start" ? Math.min(Math.max(at, from), end - least) : Math.max(Math.min(at, to), start + least);
  if (id === "start") fits.start_h = value <= from ? null : Number(value.toFixed(2));
  else fits.end_h = value >= to ? null : Number(value.toFixed(2));
  placeHandles();
}

let refitting = null;
function refitSoon(ms) {
  clearTimeout(refitting);
  refitting = setTimeout(() => {
    writeAddress();
    loadFits();
  }, ms);
}

for (const id of ["start", "end"]) {
  const handle = $(id);
  handle.addEventListener("pointerdown", (event) => {
    handle.setPointerCapture(event.pointerId);
    event.preventDefault();
    handle.focus();
  });
  handle.addEventListener("pointermove", (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    const { xaxis } = figure._fullLayout;
    moveTo(id, xaxis.p2l(event.clientX - figure.getBoundingClientRect().left - xaxis._offset));
  });
  handle.addEventListener("pointerup", () => refitSoon(0));
  handle.addEventListener("keydown", (event) => {
    const [from, to] = spanOf(curves);
    const step = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 }[event.key];
    const at = event.key === "Home" ? from : event.key === "End" ? to : step ? Number(handle.getAttribute("aria-valuenow")) + (step * (to - from)) / 100 : null;
    if (at === null) return;
    event.preventDefault();
    moveTo(id, at);
    refitSoon(400);
  });
}

// --- the table -----------------------------------------------------------------------------------

const COLUMNS = [
  ["", (row) => (row.level === "well" ? [row.plate, row.well].filter(Boolean).join(" ") || "one place" : row.group), "text"],
  ["group", (row) => row.group ?? "", "text"],
  ["wells", (row) => row.n_wells, "number"],
  ["doubling time, h", (row) => row.doubling_time_h, "number"],
  ["95 % interval, h", (row) => (row.doubling_time_low_h === null && row.doubling_time_high_h === null ? "" : `${number(row.doubling_time_low_h) || "…"} to ${number(row.doubling_time_high_h) || "…"}`), "text"],
  ["rate, 1/h", (row) => row.rate_per_h, "number"],
  ["fit", (row) => row.fit, "text"],
  ["remarks", (row) => [row.fit_reason, row.reason].filter(Boolean).join("; "), "text"],
];

function drawTable() {
  const level = $("by").value === "groups" ? "group" : "well";
  const isSought = sought() ?? (() => true);
  const columns = level === "group" ? COLUMNS.filter(([name]) => name !== "group") : COLUMNS.filter(([name]) => name !== "wells" && !name.startsWith("95"));
  const rows = fits.rows.filter((row) => row.level === level && isSought(row));
  const key = columns[Math.min(sorting.column, columns.length - 1)][1];
  if (sorting.column > 0 || sorting.down) {
    rows.sort((a, b) => order(key(a), key(b)) * (sorting.down ? -1 : 1));
  }
  const styles = curves ? looks(shown()) : new Map();
  document.querySelector("#rows thead").replaceChildren(element("tr", {}, ...columns.map(([name, , kind], i) =>
    element("th", { scope: "col", class: kind, "aria-sort": i === sorting.column ? (sorting.down ? "descending" : "ascending") : null },
      element("button", { type: "button", text: name || level, onclick: () => { sorting = { column: i, down: sorting.column === i && !sorting.down }; drawTable(); } })))));
  document.querySelector("#rows tbody").replaceChildren(...rows.map((row) => element("tr", {}, ...columns.map(([, value, kind], i) => {
    const shown = value(row);
    const cell = element("td", { class: kind }, kind === "number" ? number(shown) : shown ?? "");
    if (i === 0) cell.prepend(swatch(styles.get(row.group || row.well)?.color));
    return cell;
  }))));
}

function swatch(color) {
  const made = element("span", { class: "swatch", "aria-hidden": "true" });
  if (color) made.style.background = color;
  return made;
}

function order(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (a === null || a === "") return 1;
  if (b === null || b === "") return -1;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}

// --- downloads -----------------------------------------------------------------------------------

async function picture(format) {
  const paper = shown(1000);
  const hidden = new Map(figure.data.map((trace, i) => [i, trace.visible]));
  const data = traces(paper, true).map((trace, i) => ({ ...trace, visible: hidden.get(i) ?? true }));
  const layout = layoutFor(paper, true);
  const { xaxis, yaxis } = figure._fullLayout;
  layout.xaxis = { ...layout.xaxis, range: [...xaxis.range], autorange: false };
  layout.yaxis = { ...layout.yaxis, range: [...yaxis.range], autorange: false };
  const size = { width: 1000, height: Math.max(620, 60 + 24 * looks(paper).size) };
  const url = await Plotly.toImage({ data, layout }, { format, ...size, scale: format === "png" ? 3 : 1 });
  save(url, `growth.${format}`);
}

function table() {
  const name = curves.by === "groups" ? "group" : "well";
  const lines = [[name, "elapsed_h", "value", "low", "high", "band", "wells", "unit"]];
  const shown = new Set(figure.data.filter((trace) => trace.visible === "legendonly").map((trace) => trace.legendgroup));
  for (const line of curves.lines) {
    if (shown.has(line.group || line.label)) continue;
    const band = curves.by === "groups" ? bandOf(line, $("spread").value) : null;
    line.hours.forEach((hour, i) => lines.push([
      line.label, plain(hour), plain(line.values[i]), band ? plain(band[0][i]) : "", band ? plain(band[1][i]) : "",
      band ? $("spread").selectedOptions[0].text : "", line.n_wells.length ? line.n_wells[i] : 1, unit(curves),
    ]));
  }
  return lines.map((cells) => cells.map(cell).join(",")).join("\r\n") + "\r\n";
}

function plain(value) {
  return Number.isFinite(value) ? Number(value.toPrecision(7)) : "";
}

// Text that a spreadsheet would take for a formula gets an apostrophe; numbers are left alone.
function cell(value) {
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function save(url, name) {
  element("a", { href: url, download: name }).click();
}

$("svg").addEventListener("click", () => picture("svg").catch(showProblem));
$("png").addEventListener("click", () => picture("png").catch(showProblem));
$("csv").addEventListener("click", () => {
  const url = URL.createObjectURL(new Blob([table()], { type: "text/csv" }));
  save(url, "growth.csv");
  setTimeout(() => URL.revokeObjectURL(url), 10000);
});

// --- beginning -----------------------------------------------------------------------------------

for (const id of CHOICES) {
  $(id).addEventListener("change", () => {
    $("spread-label").hidden = $("by").value === "wells";
    writeAddress();
    if (id === "by" || id === "relative") load();
    else draw();
    drawTable();
  });
}
let finding = null;
$("find").addEventListener("input", () => {
  drawTable();
  clearTimeout(finding);
  finding = setTimeout(() => { writeAddress(); draw(); }, 250);
});
$("whole").addEventListener("click", () => {
  [fits.start_h, fits.end_h] = [null, null];
  writeAddress();
  placeHandles();
  loadFits();
});
let resizing = null;
addEventListener("resize", () => {
  if (curves) placeHandles();
  clearTimeout(resizing);
  resizing = setTimeout(draw, 200);
});
addEventListener("livecount-theme", draw);
await loadEvents().catch(showProblem);
readAddress();
$("spread-label").hidden = $("by").value === "wells";
await load();
figure.on?.("plotly_relayout", placeHandles);
listen(experiment, {
  onSnapshot: (number) => { if (number !== curves?.snapshot) load(); },
  onCounts: follow,
  onEdits: followEdits,
});
