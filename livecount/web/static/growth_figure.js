// What is drawn of growth curves: lines, bands, fits and events as plotly takes them.
import { ink } from "/static/chrome.js";
import { SERIES, css, heat } from "/static/colours.js";
import { UNITS, number } from "/static/format.js";

const GREY = "#7a7a7a";
const PAPER = { ink: "#16202a", soft: "#52606d", line: "#d5dce2" };
const NARROW_PX = 820;
const LEGEND_LETTERS = 30;
const LEGEND_LINES = 3;
const LETTER_PX = 6.6;
const EVENT_LETTERS = 44;
const EVENT_ROWS = 4;
const LEFT_PX = 70;

const nameOf = (line) => line.group || line.label;

// Up to eight groups get colours that are told apart; more, as of a dose series, an ordered scale.
export function looks({ curves }, forPaper = false) {
  const isDark = !forPaper && isDarkGround(ink("paper"));
  const [lowest, reach] = isDark ? [0.3, 0.7] : [0.05, 0.8];
  const groups = [...new Set(curves.lines.map(nameOf))];
  if (groups.length <= SERIES.length) return new Map(groups.map((name, i) => [name, { color: SERIES[i] }]));
  return new Map(groups.map((name, i) => [name, { color: css(heat(lowest + (reach * i) / (groups.length - 1))) }]));
}

export function bandOf(line, kind) {
  if (kind === "none" || !line.low.length) return null;
  if (kind === "interval") return [line.low, line.high];
  return [line.values.map((value, i) => value - line[kind][i]), line.values.map((value, i) => value + line[kind][i])];
}

export function unit(curves) {
  const measured = UNITS[curves.metric] ?? "cells";
  return curves.relative_to_h === null ? measured : `relative to ${number(curves.relative_to_h) || 0} h`;
}

// `shown`: the curves, events and fits, the choices of the page, the width in px, and what `Find` asks for.
export function traces(shown, forPaper = false) {
  const { curves, sought } = shown;
  const styles = looks(shown, forPaper);
  const byWells = curves.by === "wells";
  const width = byWells ? (curves.lines.length > 60 ? 1 : 1.5) : 2.25;
  const named = new Set();
  const made = [];
  for (const line of curves.lines) {
    const name = nameOf(line);
    const { color } = styles.get(name);
    const isAside = sought && !sought(line);
    const first = !named.has(name);
    named.add(name);
    const band = byWells || isAside ? null : bandOf(line, shown.spread);
    if (band) made.push(bandTrace(shown, line, band, faint(color, styles.size > SERIES.length ? 0.09 : 0.2), name));
    made.push({
      x: line.hours, y: line.values, mode: "lines", name: wrapped(name), legendgroup: name, showlegend: first,
      line: { color: isAside ? GREY : color, width: sought && !isAside ? 2.5 : width }, opacity: isAside ? 0.2 : 1,
      hovertemplate: `${escaped(line.label)}<br>%{x:.1f} h: %{y:.4g}<extra></extra>`,
    });
    if (line.excluded_hours.length && !isAside) {
      made.push({
        x: line.excluded_hours, y: line.excluded_values, mode: "markers", legendgroup: name, showlegend: false,
        marker: { symbol: "circle-open", color: GREY, size: 6 },
        hovertemplate: `${escaped(line.label)}, not used<br>%{x:.1f} h: %{y:.4g}<extra></extra>`,
      });
    }
  }
  return [...made, ...fitTraces(shown)];
}

function isDarkGround(colour) {
  return parseInt(colour.slice(1, 3), 16) < 128;
}

// plotly reads some HTML in names.
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("%{", "% {");
}

// A long name takes several lines of the legend; the end of it, where the dose stands, is never cut.
function wrapped(name) {
  const most = LEGEND_LETTERS * LEGEND_LINES;
  const whole = name.length <= most ? name : `${name.slice(0, most - 26)} … ${name.slice(-20)}`;
  const lines = [""];
  for (const word of whole.split(" ")) {
    for (let at = 0; at < word.length; at += LEGEND_LETTERS) {
      const piece = word.slice(at, at + LEGEND_LETTERS);
      if (lines.at(-1) && lines.at(-1).length + piece.length >= LEGEND_LETTERS) lines.push(piece);
      else lines[lines.length - 1] += (lines.at(-1) ? " " : "") + piece;
    }
  }
  return lines.map(escaped).join("<br>");
}

function bandTrace({ axis }, line, [low, high], fillcolor, name) {
  const x = [], y = [];
  const floor = axis === "log" ? Math.min(...line.values.filter((value) => value > 0)) / 10 : -Infinity;
  for (let i = 0; i < low.length; i++) if (Number.isFinite(high[i])) { x.push(line.hours[i]); y.push(high[i]); }
  for (let i = low.length - 1; i >= 0; i--) if (Number.isFinite(low[i])) { x.push(line.hours[i]); y.push(Math.max(low[i], floor)); }
  return { x, y, fill: "toself", fillcolor, line: { width: 0 }, mode: "lines", hoverinfo: "skip", legendgroup: name, showlegend: false };
}

function faint(color, share) {
  const [red, green, blue] = color.startsWith("#") ? [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16)) : color.match(/\d+/g).map(Number);
  return `rgba(${red},${green},${blue},${share})`;
}

// Fits are those of wells as measured: they are drawn where the curves are.
function fitTraces({ curves, fits }) {
  if (curves.by !== "wells" || curves.relative_to_h !== null) return [];
  const drawn = fits.rows.filter((row) => row.level === "well" && row.line);
  if (drawn.length > 12) return [];
  return drawn.map((row) => ({
    x: row.line.hours, y: row.line.values, mode: "lines", showlegend: false, hoverinfo: "skip",
    line: { color: GREY, dash: "dash", width: 1.5 },
  }));
}

// Ticks of each decade, written in full: the fewer decades, the more of them. The axis reaches over a
// factor of two at least, that noise does not look like growth.
function logarithmic({ lines }) {
  const values = lines.flatMap((line) => [...line.values]).filter((value) => value > 0);
  if (!values.length) return {};
  let [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const widen = Math.sqrt(Math.max(1, (2 * low) / high));
  [low, high] = [low / widen, high * widen];
  const range = widen > 1 ? { range: [Math.log10(low), Math.log10(high)] } : {};
  const decades = Math.log10(high / low);
  const digits = decades < 0.5 ? Array.from({ length: 18 }, (_, i) => 1 + i / 2)
      : decades < 1.2 ? [1, 1.5, 2, 3, 4, 5, 6, 8] : [1, 2, 5];
  const ticks = [];
  for (let decade = Math.floor(Math.log10(low)) - 1; decade <= Math.ceil(Math.log10(high)); decade++) {
    for (const digit of digits) ticks.push(digit * 10 ** decade);
  }
  return { tickmode: "array", tickvals: ticks, ticktext: ticks.map((tick) => number(tick)), ...range };
}

export function spanOf({ lines }) {
  let [from, to] = [Infinity, -Infinity];
  for (const line of lines) {
    if (!line.hours.length) continue;
    from = Math.min(from, line.hours[0]);
    to = Math.max(to, line.hours[line.hours.length - 1]);
  }
  return [from, to];
}

// The names of events in as few rows as hold them side by side; one that would leave the figure stands left of its line.
function eventNotes({ curves, events }, plotPx, colour) {
  const [from, to] = spanOf(curves);
  const ends = [];
  const inOrder = [...events].sort((a, b) => a.at_h - b.at_h);
  return inOrder.map((event) => {
    const text = event.name.length > EVENT_LETTERS ? `${event.name.slice(0, EVENT_LETTERS - 1)}…` : event.name;
    const at = to > from ? ((event.at_h - from) / (to - from)) * plotPx : 0;
    const long = text.length * LETTER_PX;
    const isLeft = at + long > plotPx && at > long;
    const begin = isLeft ? at - long : at;
    let row = ends.findIndex((end) => end + 8 < begin);
    if (row < 0) row = Math.min(ends.length, EVENT_ROWS - 1);
    ends[row] = Math.max(ends[row] ?? 0, begin + long);
    return {
      x: event.at_h, yref: "paper", y: 1, yanchor: "bottom", xanchor: isLeft ? "right" : "left", showarrow: false,
      text: escaped(text), hovertext: escaped(event.name), font: { size: 12, color: colour }, yshift: 2 + 15 * row,
    };
  });
}

// Beside the curves where there is room, else below them.
function legendOf({ width }, names) {
  const longest = Math.max(0, ...names.map((name) => Math.min(name.length, LEGEND_LETTERS)));
  const legend = { font: { size: 12 }, itemclick: "toggle", itemdoubleclick: "toggleothers" };
  if (width >= NARROW_PX) return { legend, taken: 60 + longest * LETTER_PX };
  return { legend: { ...legend, orientation: "h", x: 0, xanchor: "left", yref: "container", y: 0, yanchor: "bottom" }, taken: 0 };
}

export function layoutFor(shown, forPaper = false) {
  const { curves, events, axis: scale } = shown;
  const colours = forPaper ? PAPER : { ink: ink("ink"), soft: ink("soft"), line: ink("line") };
  const { legend, taken } = legendOf(shown, [...new Set(curves.lines.map(nameOf))]);
  const notes = eventNotes(shown, Math.max(100, shown.width - LEFT_PX - 12 - taken), colours.soft);
  const shapes = events.map((event) => ({
    type: "line", x0: event.at_h, x1: event.at_h, yref: "paper", y0: 0, y1: 1, line: { color: colours.soft, dash: "dot", width: 1.5 },
  }));
  const axis = { gridcolor: colours.line, zeroline: false, automargin: true, linecolor: colours.soft };
  const top = notes.length ? 25 + Math.max(...notes.map((note) => note.yshift)) : 12;
  return {
    uirevision: `${curves.by} ${scale} ${shown.relative}`,
    paper_bgcolor: forPaper ? "#ffffff" : "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colours.ink, size: 14, family: "system-ui, sans-serif" },
    margin: { t: top, r: 12, l: LEFT_PX, b: 52 },
    xaxis: { ...axis, title: { text: "Time, h" }, rangemode: "normal" },
    yaxis: { ...axis, title: { text: unit(curves) }, type: scale, ...(scale === "log" ? logarithmic(curves) : { rangemode: "tozero" }) },
    shapes, annotations: notes, legend, hovermode: "closest",
  };
}
