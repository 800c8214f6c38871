// How the curves look: colours, dashes, and the order of the key.
import { css, heat, SERIES } from "/static/colours.js";

const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
const MOST_COLOURS = 8;

// Controls first, then treatment by treatment with rising dose; what has neither stays in its order.
export function inOrder(groups) {
  const rank = (group) => (group.treatment ? 1 : 0);
  return groups
    .map((group, i) => ({ group, i }))
    .sort((a, b) =>
      rank(a.group) - rank(b.group) ||
      a.group.treatment.localeCompare(b.group.treatment) ||
      (a.group.dose ?? -1) - (b.group.dose ?? -1) ||
      a.i - b.i)
    .map(({ group }) => group);
}

// One treatment over more doses than colours can tell apart: an ordered scale by dose.
function doseScale(groups) {
  const dosed = groups.filter((group) => group.treatment);
  const one = new Set(dosed.map((group) => group.treatment)).size === 1 && dosed.every((group) => group.dose !== null);
  return groups.length > MOST_COLOURS && one && groups.length - dosed.length <= 2 ? dosed : null;
}

export function looksOf(groups, isDark) {
  const dosed = doseScale(groups);
  if (!dosed) {
    return new Map(groups.map((group, i) => [group.name, {
      colour: SERIES[i % MOST_COLOURS], dash: DASHES[Math.floor(i / MOST_COLOURS) % DASHES.length],
    }]));
  }
  const doses = [...new Set(dosed.map((group) => group.dose))].sort((a, b) => a - b);
  const [from, to] = isDark ? [0.22, 1] : [0, 0.86]; // the ends would vanish in their ground
  let others = 0;
  return new Map(groups.map((group) => {
    if (!group.treatment) return [group.name, { colour: "#D55E00", dash: DASHES[others++] }];
    const share = doses.indexOf(group.dose) / Math.max(1, doses.length - 1);
    return [group.name, { colour: css(heat(from + share * (to - from))), dash: "solid" }];
  }));
}

export function faded(colour, alpha) {
  const hex = /^#(..)(..)(..)$/.exec(colour);
  const parts = hex ? hex.slice(1).map((part) => parseInt(part, 16)) : colour.match(/\d+/g).slice(0, 3);
  return `rgba(${parts.join(",")},${alpha})`;
}

const STROKES = { solid: "", dash: "9 6", dot: "2 4", dashdot: "9 4 2 4", longdash: "14 6", longdashdot: "14 4 2 4" };

export function strokeOf(dash) {
  return STROKES[dash].split(" ").filter(Boolean).map(Number);
}

export function swatch({ colour, dash }) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 35 12");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  for (const [name, value] of Object.entries({ x1: 0, x2: 35, y1: 6, y2: 6, stroke: colour, "stroke-width": 3.5, "stroke-dasharray": STROKES[dash] })) line.setAttribute(name, value);
  svg.append(line);
  return svg;
}
