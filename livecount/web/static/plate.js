// The vessel as it stands on the stage: each well its colour and its curve, on one canvas.
import { ask, clearProblem, element, showProblem } from "/static/api.js";
import { ink } from "/static/chrome.js";
import { css, heat, isLight } from "/static/colours.js";
import { UNITS, hours, number } from "/static/format.js";
import { followWells } from "/static/wells.js";

const experiment = document.body.dataset.experiment;
const place = document.getElementById("plates");
const panel = document.getElementById("well");
const colourBy = document.getElementById("colour");
const scale = document.getElementById("scale");
const arrange = document.getElementById("arrange");
const series = document.getElementById("series");
const GROUP_NAME_PX = 230;
const ROW_NAME_PX = 34;
const COLUMN_NAME_PX = 26;
const WORDS_PX = { width: 62, height: 40, line: 15 };
const AGAIN_MS = 5000;
const TALL_PX = 56;
const SIZES = [[1, 1], [2, 2], [2, 3], [3, 4], [4, 6], [6, 8], [8, 12], [16, 24], [32, 48]];

let plate = null;
let wells = [];
let rates = new Map();
let areRatesThere = false;
let views = [];
let chosen = null;
let isDue = false;

function positionOf(name) {
  const found = /^([A-Z]{1,2})(\d{1,2})$/.exec(name ?? "");
  if (!found) return null;
  const row = [...found[1]].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1;
  return { row, column: Number(found[2]) - 1 };
}

function rowName(row) {
  return row < 26 ? String.fromCharCode(65 + row) : `A${String.fromCharCode(39 + row)}`;
}

function last(values) {
  return values.length ? values[values.length - 1] : NaN;
}

function valueOf(well) {
  if (colourBy.value === "growth") return last(well.growth.values);
  if (colourBy.value === "confluence") return last(well.confluence.values);
  if (colourBy.value === "rate") return rates.get(keyOf(well))?.rate_per_h ?? NaN;
  return well.n_frames ? (100 * well.n_flagged) / well.n_frames : NaN;
}

function unit() {
  const metric = wells[0]?.metric ?? "count";
  return { growth: UNITS[metric], confluence: "% confluent", rate: "1/h", quality: "% of frames flagged" }[colourBy.value];
}

const seriesOf = (well) => JSON.stringify([well.channel, well.z]);

// Where wells were seen in several channels or planes, one at a time is shown.
function offerSeries(all) {
  const ofPlaces = new Set(all.map((well) => JSON.stringify([well.plate, well.well])));
  const found = new Map(all.map((well) => [seriesOf(well), [well.channel, well.z && `z ${well.z}`].filter(Boolean).join(", ") || "no channel"]));
  const kept = series.value;
  series.replaceChildren(...[...found].map(([value, text]) => element("option", { value, text })));
  if (found.has(kept)) series.value = kept;
  series.parentElement.hidden = found.size < 2 || all.length === ofPlaces.size;
}

function ofSeries(all) {
  return series.parentElement.hidden ? all : all.filter((well) => seriesOf(well) === series.value);
}

const keyOf = (well) => JSON.stringify([well.plate, well.well, well.channel, well.z]);

function placeOf(well) {
  return new URLSearchParams({ plate: well.plate ?? "", well: well.well ?? "", channel: well.channel ?? "", z: well.z ?? "" });
}

function layOut() {
  if (arrange.value === "group") {
    views = wells.length ? [viewOfGroups()] : [];
  } else {
    const plates = Map.groupBy(wells, (well) => well.plate ?? "");
    views = [...plates].map(([name, wells]) => viewOfPlate(name, wells));
  }
  place.replaceChildren(...views.map((view) => view.root));
  place.removeAttribute("aria-busy");
  document.getElementById("none").hidden = wells.length > 0;
}

function viewOfPlate(name, wells) {
  const spots = wells.map((well) => positionOf(well.well));
  const isPlate = spots.every((spot) => spot !== null);
  const side = Math.ceil(Math.sqrt(wells.length));
  if (!isPlate) wells.forEach((_, i) => { spots[i] = { row: Math.floor(i / side), column: i % side }; });
  const needed = [Math.max(...spots.map((spot) => spot.row)) + 1, Math.max(...spots.map((spot) => spot.column)) + 1];
  const size = isPlate ? SIZES.find(([rows, columns]) => rows >= needed[0] && columns >= needed[1]) ?? needed : needed;
  const names = {
    rows: Array.from({ length: size[0] }, (_, row) => (isPlate ? rowName(row) : "")),
    columns: Array.from({ length: size[1] }, (_, column) => (isPlate ? String(column + 1) : "")),
  };
  const view = viewOf(name ? `Plate ${name}` : "Wells", names, new Map(wells.map((well, i) => [well, spots[i]])));
  return { ...view, root: name ? withTitle(name, view.box) : view.box };
}

// Replicates side by side, a row a group; groups in the order in which they first stand on the plate.
function viewOfGroups() {
  const groups = Map.groupBy(wells, (well) => well.group ?? "no group");
  const columns = Math.max(...[...groups.values()].map((wells) => wells.length));
  const spots = new Map();
  [...groups.values()].forEach((wells, row) => wells.forEach((well, column) => spots.set(well, { row, column })));
  const names = { rows: [...groups.keys()], columns: Array(columns).fill("") };
  return viewOf("Wells by group", names, spots, GROUP_NAME_PX);
}

function viewOf(label, names, spots, headerPx = ROW_NAME_PX) {
  const canvas = element("canvas", { "aria-hidden": "true" });
  const buttons = new Map();
  const byPlace = new Map([...spots].map(([well, spot]) => [spot.row * names.columns.length + spot.column, well]));
  const table = element("table", { role: "grid", "aria-label": label });
  const corner = element("td");
  const isByGroup = headerPx === GROUP_NAME_PX;
  corner.style.width = `${headerPx}px`;
  table.append(element("tr", {}, corner, ...names.columns.map((text) => element("th", { scope: "col", text }))));
  names.rows.forEach((name, row) => {
    const line = element("tr", {}, element("th", { scope: "row", class: isByGroup ? "name" : null, title: isByGroup ? name : null, text: name }));
    names.columns.forEach((_, column) => {
      const well = byPlace.get(row * names.columns.length + column);
      const cell = element("td", { role: "gridcell" });
      if (well) {
        const key = keyOf(well);
        const button = element("button", { type: "button", tabindex: "-1", onclick: () => choose(key) });
        button.dataset.row = row;
        button.dataset.column = column;
        buttons.set(well, button);
        cell.append(button);
      }
      line.append(cell);
    });
    table.append(line);
  });
  buttons.values().next().value.tabIndex = 0;
  table.addEventListener("keydown", (event) => walk(event, table));
  const box = element("section", { class: "plate" }, canvas, table);
  const [rows, columns] = [names.rows.length, names.columns.length];
  return { root: box, box, canvas, buttons, spots, rows, columns, headerPx, isByGroup, wells: [...spots.keys()] };
}

function withTitle(name, root) {
  return element("div", {}, element("h2", { text: `Plate ${name}` }), root);
}

function walk(event, table) {
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const step = steps[event.key];
  const from = event.target.closest("button");
  if (!step || !from) return;
  event.preventDefault();
  let [row, column] = [Number(from.dataset.row), Number(from.dataset.column)];
  for (let i = 0; i < 50; i++) {
    row += step[0];
    column += step[1];
    const next = table.querySelector(`button[data-row="${row}"][data-column="${column}"]`);
    if (next) {
      from.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
      return;
    }
  }
}

// Over a factor of two at least: what hardly differs is not drawn far apart.
function apart(low, high) {
  const widen = low > 0 ? Math.sqrt(Math.max(1, (2 * low) / high)) : 1;
  return [low / widen, high * widen];
}

function ranges() {
  const known = wells.map(valueOf).filter(Number.isFinite);
  const isShare = colourBy.value === "quality" || colourBy.value === "confluence";
  const colour = isShare ? [0, 100] : [Math.min(...known, colourBy.value === "rate" ? 0 : Infinity), Math.max(...known)];
  if (colourBy.value === "growth") colour.splice(0, 2, ...apart(...colour));
  let [low, high, from, to] = [Infinity, 0, Infinity, -Infinity];
  for (const well of wells) {
    for (const value of well.growth.values) {
      if (value > high) high = value;
      if (value > 0 && value < low) low = value;
    }
    if (well.growth.hours.length) {
      from = Math.min(from, well.growth.hours[0]);
      to = Math.max(to, last(well.growth.hours));
    }
  }
  return { colour, value: scale.value === "log" ? apart(low, high).map(Math.log) : [0, high], time: [from, Math.max(to, from + 1e-6)], any: known.length > 0 };
}

function draw() {
  isDue = false;
  if (!plate) return;
  const range = ranges();
  for (const view of views) drawPlate(view, range);
  drawLegend(range);
  if (chosen) drawPanel();
}

function soon() {
  if (!isDue) {
    isDue = true;
    requestAnimationFrame(draw);
  }
}

function drawPlate(view, range) {
  const width = view.box.clientWidth;
  const left = view.headerPx;
  const cell = (width - left) / view.columns;
  const cellHeight = Math.min(cell * 0.8, Math.max(22, (innerHeight - 170) / view.rows), 160);
  const height = COLUMN_NAME_PX + cellHeight * view.rows;
  const ratio = devicePixelRatio || 1;
  const { canvas } = view;
  view.box.style.setProperty("--row", `${cellHeight}px`);
  view.box.classList.toggle("tall", cellHeight >= TALL_PX);
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
  }
  const paint = canvas.getContext("2d");
  paint.setTransform(ratio, 0, 0, ratio, 0, 0);
  paint.clearRect(0, 0, width, height);
  paint.strokeStyle = ink("line");
  for (let row = 0; row < view.rows && !view.isByGroup; row++) {
    for (let column = 0; column < view.columns; column++) {
      paint.strokeRect(left + column * cell + 1.5, COLUMN_NAME_PX + row * cellHeight + 1.5, cell - 3, cellHeight - 3);
    }
  }
  for (const well of view.wells) drawWell(paint, view, well, range, { left, cell, cellHeight });
}

function drawWell(paint, view, well, range, { left: from, cell, cellHeight }) {
  const spot = view.spots.get(well);
  const [left, top] = [from + spot.column * cell + 1.5, COLUMN_NAME_PX + spot.row * cellHeight + 1.5];
  const [width, height] = [cell - 3, cellHeight - 3];
  const value = valueOf(well);
  const share = (value - range.colour[0]) / (range.colour[1] - range.colour[0] || 1);
  const colour = Number.isFinite(share) ? heat(share) : null;
  paint.fillStyle = colour ? css(colour) : ink("band");
  paint.fillRect(left, top, width, height);
  paint.strokeStyle = colour ? (isLight(colour) ? "#10161b" : "#ffffff") : ink("soft");
  paint.lineWidth = 1.25;
  const words = width >= WORDS_PX.width && height >= WORDS_PX.height ? WORDS_PX.line : 0;
  if (words) drawWords(paint, well, value, left + 5, top + 14, width - 10);
  drawTrace(paint, well.growth, range, left + 3, top + 4 + words, width - 6, height - 8 - words);
  if (well === chosen) {
    paint.strokeStyle = ink("accent");
    paint.lineWidth = 3;
    paint.strokeRect(left, top, width, height);
  }
  paint.lineWidth = 1;
  const name = well.well ?? "one place";
  const shown = Number.isFinite(value) ? `${number(value)} ${unit()}` : "nothing yet";
  const told = [`${name}: ${shown}`, well.contents, well.n_flagged ? `${well.n_flagged} of ${well.n_frames} frames flagged` : "", well.n_excluded ? `${well.n_excluded} not used` : ""];
  const button = view.buttons.get(well);
  const label = told.filter(Boolean).join("\n");
  if (button.title !== label) {
    button.title = label;
    button.setAttribute("aria-label", label.replaceAll("\n", ", "));
  }
}

// The well's name and its value, where both have room.
function drawWords(paint, well, value, left, base, most) {
  paint.fillStyle = paint.strokeStyle;
  paint.font = "12px system-ui, sans-serif";
  const shown = Number.isFinite(value) ? number(value) : "";
  const name = well.well ?? "";
  if (name && paint.measureText(`${name}   ${shown}`).width <= most) paint.fillText(name, left, base);
  paint.textAlign = "right";
  paint.fillText(shown, left + most, base);
  paint.textAlign = "left";
}

function drawTrace(paint, trace, range, left, top, width, height) {
  const isLog = scale.value === "log";
  const [low, high] = range.value;
  const [from, to] = range.time;
  let isOpen = false;
  paint.beginPath();
  for (let i = 0; i < trace.hours.length; i++) {
    const raw = isLog ? Math.log(trace.values[i]) : trace.values[i];
    if (!Number.isFinite(raw)) continue;
    const x = left + (width * (trace.hours[i] - from)) / (to - from);
    const y = top + height * (1 - (raw - low) / (high - low || 1));
    if (isOpen) paint.lineTo(x, y);
    else paint.moveTo(x, y);
    isOpen = true;
  }
  paint.stroke();
}

function drawLegend(range) {
  const legend = document.getElementById("legend");
  if (!range.any) {
    const isComing = colourBy.value === "rate" && !areRatesThere;
    legend.replaceChildren(isComing ? "growth is being fitted …" : colourBy.value === "confluence" ? "not segmented" : "");
    return;
  }
  const canvas = element("canvas", { width: 120, height: 12 });
  const paint = canvas.getContext("2d");
  for (let x = 0; x < 120; x++) {
    paint.fillStyle = css(heat(x / 119));
    paint.fillRect(x, 0, 1, 12);
  }
  legend.replaceChildren(number(range.colour[0]), canvas, number(range.colour[1]), ` ${unit()}`);
}

function choose(key) {
  chosen = wells.find((well) => keyOf(well) === key);
  panel.hidden = false;
  soon();
}

function closePanel() {
  const button = views.flatMap((view) => [...view.buttons]).find(([well]) => keyOf(well) === keyOf(chosen))?.[1];
  chosen = null;
  panel.hidden = true;
  button?.focus();
  soon();
}

function drawPanel() {
  const well = wells.find((one) => keyOf(one) === keyOf(chosen));
  if (!well) return;
  chosen = well;
  const growth = rates.get(keyOf(well));
  const none = growth?.reason ? `no doubling time: ${growth.reason}` : "";
  const doubling = growth?.doubling_time_h ? `doubles in ${number(growth.doubling_time_h)} h` : none;
  const title = well.well ? `Well ${well.well}` : "One place";
  const latest = well.growth.values.length ? `${number(last(well.growth.values))} ${UNITS[well.metric]} at ${hours(last(well.growth.hours))}` : "nothing counted yet";
  const flagged = well.n_flagged ? `${well.n_flagged} of ${well.n_frames} frames flagged` : "";
  const words = [latest, doubling, flagged].filter(Boolean).join("; ");
  const told = [keyOf(well), well.contents, words].join();
  if (panel.dataset.told === told) return;
  const focused = [...panel.querySelectorAll("a, button")].indexOf(document.activeElement);
  panel.dataset.told = told;
  const its = well.well ? `?${new URLSearchParams({ by: "wells", find: well.well })}` : "";
  panel.replaceChildren(
    element("h2", { text: title }), element("span", { text: well.contents }), element("span", { text: words }),
    element("span", { class: "spacer" }),
    element("a", { href: `/experiments/${experiment}/frames?${placeOf(well)}`, text: "Latest frame" }),
    element("a", { href: `/experiments/${experiment}/growth${its}`, text: "Growth" }),
    element("button", { type: "button", text: "Close", onclick: closePanel }),
  );
  if (focused >= 0) panel.querySelectorAll("a, button")[focused]?.focus();
}

async function loadRates() {
  try {
    const found = await ask(`experiments/${experiment}/growth`);
    areRatesThere = true;
    rates = new Map(found.rows.filter((row) => row.level === "well").map((row) => [keyOf(row), row]));
    soon();
    if (found.snapshot < plate.snapshot) askRates(); // those of before, until the new are made
  } catch (problem) {
    // The curves stand without their rates; the growth page says what is wrong with them.
    if (problem.status === 503) setTimeout(loadRates, AGAIN_MS);
  }
}

// At most every 20 s, and once more for what came meanwhile.
let ratesAt = -Infinity;
let ratesDue = 0;
function askRates() {
  ratesDue ||= setTimeout(() => {
    ratesDue = 0;
    ratesAt = performance.now();
    loadRates();
  }, Math.max(0, ratesAt + 20000 - performance.now()));
}

const standing = (wells) => wells.map((well) => [keyOf(well), well.group].join()).join();
followWells(experiment, {
  onAll: (found) => {
    const before = plate && standing(wells);
    plate = found;
    offerSeries(found.wells);
    wells = ofSeries(found.wells);
    const isSame = before === standing(wells);
    clearProblem();
    if (isSame) views.forEach((view) => rekey(view));
    else layOut();
    draw();
    if (wells.length) askRates();
  },
  onTracks: soon,
  onProblem: showProblem,
});

// After a new snapshot the wells are new objects at the old places.
function rekey(view) {
  const fresh = new Map(wells.map((well) => [keyOf(well), well]));
  for (const name of ["buttons", "spots"]) {
    view[name] = new Map([...view[name]].map(([well, value]) => [fresh.get(keyOf(well)), value]));
  }
  view.wells = [...view.buttons.keys()];
}

colourBy.addEventListener("change", soon);
series.addEventListener("change", () => {
  wells = ofSeries(plate.wells);
  const same = chosen && wells.find((well) => well.plate === chosen.plate && well.well === chosen.well);
  if (same) chosen = same;
  else if (chosen) closePanel();
  layOut();
  draw();
});
arrange.addEventListener("change", () => {
  if (!plate) return;
  layOut();
  draw();
});
scale.addEventListener("change", soon);
addEventListener("keydown", (event) => event.key === "Escape" && chosen && closePanel());
addEventListener("resize", soon);
addEventListener("livecount-theme", soon);
