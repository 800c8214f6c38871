// Growth curves to look into: groups with bands or wells, their fits, and all of it as files.
import { ask, clearProblem, element, floats, showProblem } from "/static/api.js";
import { ink } from "/static/chrome.js";
import { hours as inHours, number } from "/static/format.js";
import { BANDS, axesTrace, extentOf, keyOf, layoutOf, linesShown, plain, seriesOf, timeRange, tracesOf } from "/static/growth_figure.js";
import { makeCanvas } from "/static/growth_canvas.js";
import { csvOf, save, saveFigure } from "/static/growth_files.js";
import { inOrder, looksOf, swatch } from "/static/growth_looks.js";
import { GROUP_COLUMNS, WELL_COLUMNS, doublingInterval, makeTable } from "/static/growth_tables.js";
import { keepInAddress, readView } from "/static/growth_view.js";
import { makeWindow } from "/static/growth_window.js";
import { listen } from "/static/live.js";
import { joined } from "/static/wells.js";

const experiment = document.body.dataset.experiment;
const at = (id) => document.getElementById(id);
const figure = at("curves");
const CONFIG = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["sendChartToCloud", "toImage", "lasso2d", "select2d"] };
const MOST_APART = 48;
const LEAST_WAIT_MS = 1000;
const REFIT_COST = 4; // fits of new counts take at most a fifth of the server's one analyst

const view = readView();
let data = null;
let fits = { rows: [], lines: [], cost: 0, at: 0 };
let knownEvents = [];
let isDrawn = false;

const canvas = makeCanvas(at("lines-drawn"), figure);
const fitWindow = makeWindow(at("window"), figure, { onChange: setWindow });
const tables = { group: makeTable(at("group-rows"), GROUP_COLUMNS), well: makeTable(at("well-rows"), WELL_COLUMNS) };

// --- what is looked at

function keepView() {
  keepInAddress(view, data ? names() : null);
}

function names() {
  if (!data) return [];
  return isGrouped() ? data.groups.map((group) => group.name) : [...new Set(data.wells.map((well) => keyOf(data, well)))];
}

function isGrouped() {
  return data.level === "groups";
}

function isShown(name) {
  return !view.hidden.has(name);
}

// --- asking the server

let asked = 0;

async function load() {
  asked += 1;
  const mine = asked;
  const query = new URLSearchParams({ level: view.level, relative_to: view.relative, spread: view.spread });
  try {
    const found = await ask(`experiments/${experiment}/curves?${query}`);
    if (mine !== asked) return;
    take(found);
    clearProblem();
  } catch (problem) {
    if (mine !== asked) return;
    showProblem(problem);
    if (![401, 404, 422].includes(problem.status)) setTimeout(load, 3000);
  }
}

function take(found) {
  for (const group of found.groups) for (const part of ["hours", "values", "low", "high", "n"]) group[part] = floats(group[part]);
  for (const well of found.wells) for (const part of ["curve", "excluded"]) well[part] = unpacked(well[part]);
  found.groups = inOrder(found.groups);
  const groups = new Set(found.wells.map((well) => well.group));
  const rank = new Map(found.groups.map((group, i) => [group.name, i]));
  const last = found.groups.length;
  found.wells.sort((a, b) => (rank.get(a.group) ?? last) - (rank.get(b.group) ?? last) || a.number - b.number);
  found.apart = found.level === "wells" && groups.size < 2 && found.wells.length <= MOST_APART;
  data = found;
  if (view.only) {
    view.hidden = new Set(names().filter((name) => !view.only.has(name)));
    view.only = null;
  }
  draw();
}

function unpacked({ hours, values }) {
  return { hours: floats(hours), values: floats(values) };
}

let fitting = 0;

async function fit() {
  fitting += 1;
  const mine = fitting;
  const began = performance.now();
  at("fitting").textContent = "fitting…";
  const query = new URLSearchParams();
  if (view.start !== null) query.set("start_h", view.start);
  if (view.end !== null) query.set("end_h", view.end);
  try {
    const { rows } = await ask(`experiments/${experiment}/growth?${query}`);
    if (mine !== fitting) return;
    fits.rows = rows.filter((row) => row.level !== "position");
    fits.cost = performance.now() - began;
    showRows();
    await loadLines(query);
    if (mine === fitting) at("fitting").textContent = "";
  } catch (problem) {
    if (mine !== fitting) return;
    if (problem.status === 503 || problem.status === 0) { // the fits take long, or the server is away
      setTimeout(() => mine === fitting && fit(), 3000);
      return;
    }
    at("fitting").textContent = `not fitted: ${problem.message}`;
    fits.rows = [];
    fits.lines = [];
    showRows();
    draw();
  } finally {
    fits.at = performance.now();
  }
}

async function loadLines(query) {
  const mine = fitting;
  const also = new URLSearchParams(query);
  also.set("level", view.level);
  also.set("relative_to", view.relative);
  const { lines } = await ask(`experiments/${experiment}/lines?${also}`);
  if (mine !== fitting) return;
  fits.lines = lines.map(({ of, curve }) => ({ of, curve: unpacked(curve) }));
  draw();
}

function showRows() {
  const groups = fits.rows.filter((row) => row.level === "group");
  tables.group.show(groups);
  tables.well.show(fits.rows.filter((row) => row.level === "well"));
  at("group-fits").hidden = groups.length === 0;
  if (data) drawKey();
}

// --- drawing

function dark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function shownRange() {
  const axis = figure._fullLayout?.xaxis;
  const span = timeRange(data);
  const whole = [span.first, Math.max(span.last, span.first + 0.1)];
  return axis && axis.autorange !== true && isDrawn ? [...axis.range] : whole;
}

function shownValues(extent) {
  const axis = figure._fullLayout?.yaxis;
  const range = axis && axis.autorange !== true && axis.type === view.scale ? axis.range.map((end) => (axis.type === "log" ? 10 ** end : end)) : extent.y;
  return range[0] > 0 ? range : [range[1] / 100, range[1]];
}

function parts(isDark) {
  const series = seriesOf(data, names()).filter((one) => isShown(one.name));
  const known = new Map(data.groups.map((group) => [group.name, group]));
  const order = names().map((name) => (data.apart ? null : known.get(name)) ?? { name, treatment: "", dose: null });
  const lines = view.lines ? linesShown(fits.lines, series) : [];
  return { data, series, looks: looksOf(order, isDark), lines, isLog: view.scale === "log" };
}

function draw() {
  if (!data) return;
  const began = performance.now();
  const span = timeRange(data);
  at("none").hidden = span !== null || data.not_drawn.length > 0;
  at("shown").hidden = span === null && data.not_drawn.length === 0;
  drawControls();
  drawMissing();
  keepView();
  figure.removeAttribute("aria-busy");
  if (span === null) return;
  const shared = { ...parts(dark()), ink: ink("ink"), soft: ink("soft") };
  const extent = extentOf(shared);
  const layout = layoutOf({
    ...shared, line: ink("line"), paper: ink("paper"), range: shownRange(), values: shownValues(extent), widthPx: Math.max(200, figure.clientWidth - 100),
    revision: { page: "page", values: [view.level, view.scale, view.relative].join() },
  });
  canvas.show({ ...shared, floor: extent.floor });
  Plotly.react(figure, axesTrace(extent), layout, CONFIG);
  canvas.draw();
  if (!isDrawn) follow();
  isDrawn = true;
  drawKey();
  drawEvents();
  fitWindow.span(Math.round(span.first * 20) / 20, Math.round(span.last * 20) / 20, span.step, { start: view.start, end: view.end });
  showWindow(span);
  figure.dataset.drawnMs = (performance.now() - began).toFixed(0);
}

// The handles stay on the axis, and names of events find new places, when people zoom.
function follow() {
  for (const name of ["plotly_afterplot", "plotly_relayouting"]) figure.on(name, () => { fitWindow.draw(); canvas.draw(); });
  figure.on("plotly_relayout", (changed) => {
    if (Object.keys(changed).some((name) => /^[xy]axis\.|^autosize$/.test(name))) draw();
  });
}

function drawKey() {
  const { looks } = parts(dark());
  const found = rowsByName();
  const focused = document.activeElement?.dataset?.name;
  at("key").replaceChildren(...names().map((name) => {
    const told = keyText(name, found);
    return element("li", {}, element("button", { type: "button", "data-name": name, "aria-pressed": String(isShown(name)), title: "Click: show or hide. Shift and click: this one alone.", onclick: (event) => toggle(name, event.shiftKey) },
      swatch(looks.get(name)), element("span", { text: name }, told ? element("small", { text: told }) : null)));
  }));
  if (focused !== undefined) [...at("key").querySelectorAll("button")].find((button) => button.dataset.name === focused)?.focus();
  const meaning = isGrouped() ? [`Bands: ${BANDS[view.spread]}.`] : [];
  if (view.lines && fits.lines.length) meaning.push(isGrouped() ? "Dashed: mean of the lines fitted to the wells." : fits.lines.length > 40 ? "Thin dark lines: fitted to the wells." : "Dashed: lines fitted to the wells.");
  if (data.wells.some((well) => well.excluded.hours.length)) meaning.push("Hollow: excluded, not used.");
  at("meaning").textContent = meaning.join(" ");
}

function keyText(name, found) {
  const group = data.apart ? null : data.groups.find((one) => one.name === name);
  const wells = group ? (group.wells.length === 1 ? "1 well" : `${group.wells.length} wells`) : "";
  return [wells, doubling(found.get(name))].filter(Boolean).join(", ");
}

function rowsByName() {
  const label = (row) => (row.level === "group" ? row.group : [row.plate, row.well].filter(Boolean).join(" "));
  return new Map(fits.rows.map((row) => [label(row), row]));
}

function doubling(row) {
  if (!row || row.doubling_time_h === null) return row ? row.verdict : "";
  const interval = row.doubling_time_low_h === null || row.level === "well" ? "" : ` (${doublingInterval(row)})`;
  return `doubling ${number(row.doubling_time_h)} h${interval}`;
}

function drawEvents() {
  at("events").replaceChildren(...data.events.map((event, i) => element("p", { text: `${i + 1}: ${event.name}, ${inHours(event.at_h)}${event.wells.length ? ` (${event.wells.join(", ")})` : ""}` })));
}

function drawMissing() {
  const missing = at("missing");
  missing.hidden = data.not_drawn.length === 0;
  missing.querySelector("summary").textContent = data.not_drawn.length === 1 ? "1 well is not drawn" : `${data.not_drawn.length} wells are not drawn`;
  missing.querySelector("ul").replaceChildren(...data.not_drawn.map(({ well, reason }) => element("li", { text: `${well}: ${reason}` })));
}

function drawControls() {
  for (const name of ["level", "scale", "spread"]) at(name).value = view[name];
  at("lines").checked = view.lines;
  at("level").querySelector("option[value=groups]").disabled = !data.has_groups;
  if (!data.has_groups) at("level").value = "wells";
  at("spread-label").hidden = !isGrouped();
  knownEvents = data.events.map((event) => event.name);
  drawRelative();
}

function drawRelative() {
  const select = at("relative");
  const isHour = view.relative !== "" && view.relative !== "t0" && !knownEvents.includes(view.relative) && Number.isFinite(Number(view.relative));
  const options = [["", "as measured"], ["t0", "relative to t0"], ...[...new Set(knownEvents)].map((name) => [name, `relative to ${name}`]), ["hour", "relative to an hour"]];
  if (!isHour && !options.some(([value]) => value === view.relative)) options.push([view.relative, `relative to ${view.relative}`]);
  select.replaceChildren(...options.map(([value, text]) => element("option", { value, text })));
  select.selectedIndex = isHour ? options.findIndex(([value]) => value === "hour") : options.findIndex(([value]) => value === view.relative);
  at("hour-label").hidden = !isHour;
  if (isHour && document.activeElement !== at("hour")) at("hour").value = view.relative;
}

function showWindow(span) {
  for (const [id, value] of [["start", view.start ?? span.first], ["end", view.end ?? span.last]]) {
    if (document.activeElement !== at(id)) at(id).value = Math.round(value * 100) / 100;
  }
}

// --- what people do

function toggle(name, alone) {
  if (alone) view.hidden = new Set(names().filter((other) => other !== name));
  else if (!view.hidden.delete(name)) view.hidden.add(name);
  draw();
}

function setWindow({ start, end }) {
  if (start === view.start && end === view.end) return;
  if (start !== null && end !== null && start >= end) {
    at("fitting").textContent = "the window must end after it starts";
    return;
  }
  Object.assign(view, { start, end });
  draw();
  fit();
}

function reload() {
  keepView();
  load();
  fits.lines = [];
  if (fits.rows.length) fit();
}

for (const name of ["level", "spread"]) at(name).addEventListener("change", () => { view[name] = at(name).value; reload(); });
at("scale").addEventListener("change", () => { view.scale = at("scale").value; draw(); });
at("lines").addEventListener("change", () => { view.lines = at("lines").checked; draw(); });
at("relative").addEventListener("change", () => {
  const { value, selectedIndex, options } = at("relative");
  view.relative = selectedIndex === [...options].findLastIndex((option) => option.textContent === "relative to an hour") ? String(Number(at("hour").value) || 0) : value;
  at("hour-label").hidden = true;
  if (!data) drawRelative();
  reload();
});
at("hour").addEventListener("change", () => { view.relative = String(Number(at("hour").value) || 0); reload(); });
at("all").addEventListener("click", () => { view.hidden = new Set(); draw(); });
at("nothing").addEventListener("click", () => { view.hidden = new Set(names()); draw(); });
at("whole").addEventListener("click", () => setWindow({ start: null, end: null }));
for (const id of ["start", "end"]) {
  at(id).addEventListener("change", () => setWindow({ start: view.start, end: view.end, [id]: at(id).value === "" ? null : Number(at(id).value) }));
}
at("search").addEventListener("input", () => { for (const table of Object.values(tables)) table.search(at("search").value); });
addEventListener("livecount-theme", draw);
addEventListener("resize", () => fitWindow.draw());

// --- files

function titled() {
  return `${document.querySelector(".experiment").textContent} growth`;
}

async function saveAs(format) {
  if (!data || !isDrawn) return;
  const light = { ink: "#111111", soft: "#555555", line: "#d9d9d9", paper: "#ffffff" };
  const shared = { ...parts(false), ...light };
  const found = rowsByName();
  const labels = new Map(shared.series.map(({ name }) => [name, [name, keyText(name, found)].filter(Boolean).join(": ")]));
  const range = shownRange();
  const keyPx = Math.min(560, 120 + 8.2 * Math.max(0, ...[...labels.values()].map((text) => text.length)));
  const size = { width: Math.round(820 + keyPx), height: Math.max(600, 150 + 24 * (shared.series.length + 4)) };
  const layout = layoutOf({ ...shared, range, values: shownValues(extentOf(shared)), widthPx: 700, fontPx: 16, revision: { page: 1, values: 1 } });
  layout.xaxis.range = [...figure._fullLayout.xaxis.range];
  layout.yaxis.range = [...figure._fullLayout.yaxis.range];
  layout.showlegend = true;
  layout.legend = { tracegroupgap: 0, font: { size: 14 }, title: { text: isGrouped() ? plain(`Bands: ${BANDS[view.spread]}`) : "", font: { size: 14 } } };
  layout.margin.b = 72;
  layout.autosize = false;
  await saveFigure({ data: tracesOf({ ...shared, withKey: true, labels }), layout: { ...layout, ...size } }, format, size, `${titled()}.${format}`);
}

for (const format of ["svg", "png"]) at(`save-${format}`).addEventListener("click", () => saveAs(format).catch(showProblem));
at("save-csv").addEventListener("click", () => {
  if (!data || !isDrawn) return;
  const text = csvOf({ ...parts(false), range: figure._fullLayout.xaxis.range, spread: view.spread });
  save(new Blob(["\ufeff", text], { type: "text/csv" }), `${titled()}.csv`);
});

// --- live

let isDue = false;

function loadSoon() {
  if (isDue) return;
  isDue = true;
  setTimeout(() => { isDue = false; load(); }, LEAST_WAIT_MS);
}

function refitSoon() {
  if (performance.now() - fits.at > REFIT_COST * fits.cost && at("fitting").textContent === "") fit();
}

function putOn({ snapshot, tracks }) {
  if (!data || snapshot !== data.snapshot || isGrouped()) return loadSoon();
  const wells = new Map(data.wells.map((well) => [String(well.number), well]));
  for (const [key, end] of Object.entries(tracks)) {
    const well = wells.get(key);
    if (!well || well.divisor === null) return loadSoon();
    const { hours, values } = well.curve;
    if (hours.length < end.keep) return loadSoon();
    well.curve = { hours: joined(hours, end.keep, end.hours), values: joined(values, end.keep, end.values.map((value) => value / well.divisor)) };
  }
  draw();
}

await load();
fit();
listen(experiment, {
  onCounts: putOn,
  onSnapshot: (number) => {
    if (data && number === data.snapshot) return;
    loadSoon();
    refitSoon();
  },
});
