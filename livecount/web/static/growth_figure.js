// The figure as plotly takes it, for the screen and for files alike: data in, traces and layout out.
import { faded } from "/static/growth_looks.js";
import { UNITS, number } from "/static/format.js";

export const BANDS = { interval: "95 % interval of the mean across wells", sd: "± 1 SD across wells", sem: "± 1 SEM across wells" };

// Plotly reads names as a kind of HTML; names here are text.
export function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

export function shorten(text, most) {
  const letters = [...String(text)];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : letters.join("");
}

export function axisName(data) {
  return data.relative_to === null ? UNITS[data.metric] ?? "cells" : `relative to ${shorten(data.relative_to, 24)}`;
}

// All series that are drawn: a group, or the wells that share a colour.
export function seriesOf(data, names) {
  if (data.level === "groups") return data.groups.map((group) => ({ name: group.name, group, wells: [] }));
  const gathered = new Map(names.map((name) => [name, []]));
  for (const well of data.wells) gathered.get(keyOf(data, well)).push(well);
  return [...gathered].map(([name, wells]) => ({ name, group: null, wells }));
}

// The few wells of one group, or of none, have a colour each.
export function keyOf(data, well) {
  return data.apart ? well.label : well.group ?? "in no group";
}

// First and last hour, and the usual interval; null without a single point.
export function timeRange(data) {
  let first = Infinity, last = -Infinity, step = Infinity;
  const curves = data.level === "groups" ? data.groups : data.wells.map((well) => well.curve);
  for (const { hours } of curves) {
    if (!hours.length) continue;
    first = Math.min(first, hours[0]);
    last = Math.max(last, hours[hours.length - 1]);
    if (hours.length > 1) step = Math.min(step, (hours[hours.length - 1] - hours[0]) / (hours.length - 1));
  }
  return Number.isFinite(first) ? { first, last, step: Number.isFinite(step) ? step : 1 } : null;
}

// Where zeros lie on a logarithmic axis, and what the axes span.
export function extentOf({ series, lines, isLog }) {
  const floor = isLog ? floorOf(series) : 0; // a band below 0 cells is cut off, not made room for
  const span = { x: [Infinity, -Infinity], y: [Infinity, -Infinity], floor };
  const widen = (range, values, least) => {
    for (const value of values) {
      if (!Number.isFinite(value)) continue;
      const placed = Math.max(value, least);
      if (placed < range[0]) range[0] = placed;
      if (placed > range[1]) range[1] = placed;
    }
  };
  for (const { group, wells } of series) {
    for (const { hours, values } of group ? [group, { hours: [], values: group.low }, { hours: [], values: group.high }] : wells.flatMap((well) => [well.curve, well.excluded])) {
      widen(span.x, hours, -Infinity);
      widen(span.y, values, floor);
    }
  }
  const most = span.y[1] * 2; // a line that runs away from its points does not squeeze them
  for (const { curve } of lines) widen(span.y, curve.values.filter((value) => value < most), floor);
  return Number.isFinite(span.x[0]) ? span : { ...span, x: [0, 1], y: isLog ? [1, 10] : [0, 1] };
}

export function floorOf(series) {
  let least = Infinity;
  for (const one of series) {
    const parts = one.group ? [one.group.values, one.group.low] : one.wells.map((well) => well.curve.values);
    for (const values of parts) for (const value of values) if (value > 0 && value < least) least = value;
  }
  return Number.isFinite(least) ? least / 1.2 : 0.5;
}

// On the screen the curves are on a canvas; plotly draws the axes that hold them.
export function axesTrace({ x, y }) {
  return [{ type: "scatter", mode: "lines", x, y, line: { color: "rgba(0,0,0,0)" }, hoverinfo: "skip", showlegend: false }];
}

// The lines of what is shown.
export function linesShown(lines, series) {
  const names = new Set(series.flatMap((one) => (one.group ? [one.name] : one.wells.map((well) => well.label))));
  return lines.filter((line) => names.has(line.of));
}

export function tracesOf({ data, series, looks, lines, isLog, ink, soft, withKey = false, labels = new Map() }) {
  const floor = isLog ? floorOf(series) : -Infinity;
  const bands = [], curves = [], fits = [], zeros = { x: [], y: [] }, excluded = { x: [], y: [] };
  for (const one of series) {
    const look = looks.get(one.name);
    const shared = { mode: "lines", type: "scatter", name: plain(labels.get(one.name) ?? one.name), showlegend: withKey, legendgroup: one.name };
    if (one.group) {
      bands.push(bandOf(one.group, look, floor, series.length > 8 ? 0.1 : 0.2));
      curves.push({ ...shared, ...groupCurve(one, floor, zeros, isLog), line: { color: look.colour, dash: look.dash, width: 2 } });
    } else {
      curves.push({ ...shared, ...wellCurves(one, floor, zeros, isLog), line: { color: look.colour, dash: one.wells.length > 40 || series.length > 8 ? "solid" : look.dash, width: 1.1 }, opacity: one.wells.length > 40 ? 0.6 : 0.9 });
      for (const well of one.wells) addExcluded(excluded, well, floor);
    }
  }
  fits.push(...lines);
  const traces = [...bands, ...curves];
  traces.push({ type: "scatter", mode: "lines", ...joined(fits, floor), line: { color: ink, width: fits.length > 40 ? 0.6 : 1.3, dash: fits.length > 40 ? "solid" : "4px,3px" }, opacity: fits.length > 40 ? 0.35 : 1, name: "fitted", showlegend: withKey && fits.length > 0, hoverinfo: "skip", connectgaps: false });
  traces.push({ type: "scatter", mode: "markers", ...excluded, marker: { symbol: "circle-open", color: soft, size: 7, line: { width: 1.2 } }, name: "excluded, not used", showlegend: withKey && excluded.x.length > 0 });
  traces.push({ type: "scatter", mode: "markers", ...zeros, marker: { symbol: "triangle-down", color: soft, size: 7 }, name: "0 cells", showlegend: withKey && zeros.x.length > 0, hoverinfo: "skip" });
  return traces;
}

// A band is one outline for each stretch of visits with two wells or more.
function bandOf(group, look, floor, alpha) {
  const x = [], y = [];
  const { hours, low, high } = group;
  for (let i = 0; i < hours.length; ) {
    if (!Number.isFinite(low[i])) { i += 1; continue; }
    let end = i;
    while (end < hours.length && Number.isFinite(low[end])) end += 1;
    if (x.length) { x.push(null); y.push(null); }
    for (let k = i; k < end; k += 1) { x.push(hours[k]); y.push(Math.max(high[k], floor)); }
    for (let k = end - 1; k >= i; k -= 1) { x.push(hours[k]); y.push(Math.max(low[k], floor)); }
    i = end;
  }
  return { type: "scatter", mode: "none", x, y, fill: "toself", fillcolor: faded(look.colour, alpha), showlegend: false, legendgroup: group.name };
}

function groupCurve(one, floor, zeros, isLog) {
  const { hours, values } = one.group;
  return { x: hours, y: Array.from(values, (value, i) => placed(value, hours[i], floor, zeros, isLog)) };
}

function wellCurves(one, floor, zeros, isLog) {
  const x = [], y = [];
  for (const well of one.wells) {
    const { hours, values } = well.curve;
    for (let i = 0; i < hours.length; i += 1) {
      x.push(hours[i]);
      y.push(placed(values[i], hours[i], floor, zeros, isLog));
    }
    x.push(null); y.push(null);
  }
  return { x, y, connectgaps: false };
}

function placed(value, hour, floor, zeros, isLog) {
  if (!isLog || value > 0) return value;
  if (value <= 0) { zeros.x.push(hour); zeros.y.push(floor); return floor; }
  return null;
}

function addExcluded(excluded, well, floor) {
  const { hours, values } = well.excluded;
  for (let i = 0; i < hours.length; i += 1) {
    excluded.x.push(hours[i]);
    excluded.y.push(Math.max(values[i], floor));
  }
}

function joined(lines, floor) {
  const x = [], y = [];
  for (const { curve } of lines) {
    for (let i = 0; i < curve.hours.length; i += 1) { x.push(curve.hours[i]); y.push(Math.max(curve.values[i], floor)); }
    x.push(null); y.push(null);
  }
  return { x, y };
}

const ROW_PX = 17;
const MOST_ROWS = 5;

// Names of events in rows above the axes, each in the first row where it overlaps no other.
function eventRows(events, [from, to], widthPx, fontPx) {
  const rows = [];
  const placed = [];
  events.forEach((event, i) => {
    if (event.at_h < from || event.at_h > to) return;
    const left = ((event.at_h - from) / (to - from)) * widthPx;
    for (const text of [shorten(event.name, 26), String(i + 1)]) {
      const width = text.length * fontPx * 0.62 + 10;
      const flip = left + width > widthPx;
      const [start, end] = flip ? [left - width, left] : [left, left + width];
      let row = rows.findIndex((taken) => taken.every(([a, b]) => end <= a || start >= b));
      if (row < 0 && rows.length < MOST_ROWS) row = rows.push([]) - 1;
      if (row < 0) continue;
      rows[row].push([start, end]);
      placed.push({ event, text, row, flip });
      break;
    }
  });
  return { placed, n: rows.length };
}

// 1, 2, 5 in full on a logarithmic axis; where less than half a decade shows, plotly's own ticks.
function logTicks([low, high]) {
  if (high / low < 4) return {};
  const steps = high / low > 2000 ? [1] : high / low > 100 ? [1, 3] : [1, 2, 5];
  const tickvals = [];
  for (let power = -9; power <= 12; power += 1) for (const step of steps) tickvals.push(step * 10 ** power);
  return { tickmode: "array", tickvals, ticktext: tickvals.map((value) => number(value)) };
}

export function layoutOf({ data, isLog, ink, line, paper, soft, range, values, widthPx, fontPx = 13, revision }) {
  const { placed, n } = eventRows(data.events, range, widthPx, fontPx);
  const axis = { color: ink, gridcolor: line, linecolor: soft, zeroline: false, ticks: "outside", tickcolor: soft, automargin: true };
  return {
    paper_bgcolor: paper, plot_bgcolor: paper, font: { color: ink, size: fontPx, family: "system-ui, 'Segoe UI', Roboto, 'Noto Sans', Arial, sans-serif" },
    margin: { t: 14 + n * ROW_PX * (fontPx / 13), r: 16, l: 70, b: 54 }, autosize: true, showlegend: false, hovermode: false, dragmode: "zoom",
    uirevision: revision.page,
    xaxis: { ...axis, title: { text: "time, h" }, uirevision: "time" },
    yaxis: { ...axis, title: { text: plain(axisName(data)) }, type: isLog ? "log" : "linear", rangemode: isLog ? "normal" : "tozero", exponentformat: "none", uirevision: revision.values, ...(isLog ? logTicks(values) : {}) },
    shapes: data.events.map((event) => ({ type: "line", x0: event.at_h, x1: event.at_h, yref: "paper", y0: 0, y1: 1, line: { color: soft, width: 1.2, dash: "dash" }, layer: "below" })),
    annotations: placed.map(({ event, text, row, flip }) => ({
      x: event.at_h, y: 1, yref: "paper", xanchor: flip ? "right" : "left", yanchor: "bottom", showarrow: false, text: plain(text),
      yshift: 2 + row * ROW_PX * (fontPx / 13), font: { size: fontPx - 1, color: soft }, bgcolor: "rgba(0,0,0,0)",
    })),
  };
}
