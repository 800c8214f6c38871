// Growth curves to look into: wells and groups, with their fits.
import { ask, clearProblem, element, showProblem } from "/static/api.js";
import { ink } from "/static/chrome.js";
import { SERIES } from "/static/colours.js";
import { UNITS, number } from "/static/format.js";
import { followWells } from "/static/wells.js";

const experiment = document.body.dataset.experiment;
const figure = document.getElementById("curves");
let plate = null;

function groups() {
  const names = [...new Set(plate.wells.map((well) => well.group ?? well.well ?? ""))];
  return new Map(names.map((name, i) => [name, SERIES[i % SERIES.length]]));
}

function draw() {
  if (!plate) return;
  const colours = groups();
  const traces = plate.wells.map((well) => ({
    x: well.growth.hours, y: well.growth.values, mode: "lines", name: well.well ?? "",
    line: { color: colours.get(well.group ?? well.well ?? ""), width: 1.25 },
    hovertemplate: `${well.well ?? ""} ${well.group ?? ""}<br>%{x:.1f} h: %{y:.4g}<extra></extra>`,
    showlegend: false,
  }));
  const layout = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink("ink") }, height: 520,
    margin: { t: 10, r: 10, l: 70, b: 50 },
    xaxis: { title: { text: "Time, h" }, gridcolor: ink("line"), zeroline: false },
    yaxis: { title: { text: UNITS[plate.wells[0]?.metric ?? "count"] }, type: "log", gridcolor: ink("line") },
  };
  Plotly.react(figure, traces, layout, { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["sendChartToCloud", "lasso2d", "select2d"] });
  figure.removeAttribute("aria-busy");
}

async function drawRows() {
  const { rows } = await ask(`experiments/${experiment}/growth`);
  const shown = rows.filter((row) => row.level === "group");
  document.querySelector("#rows thead").replaceChildren(element("tr", {}, ...["group", "wells", "doubling time, h", "95 % interval", "remarks"].map((text) => element("th", { text }))));
  document.querySelector("#rows tbody").replaceChildren(...shown.map((row) => element("tr", {},
    element("td", { text: row.group ?? "" }), element("td", { text: row.n_wells }), element("td", { text: number(row.doubling_time_h) }),
    element("td", { text: row.doubling_time_low_h ? `${number(row.doubling_time_low_h)} to ${number(row.doubling_time_high_h)}` : "" }),
    element("td", { text: row.reason }))));
}

followWells(experiment, {
  onAll: (found) => { plate = found; clearProblem(); draw(); drawRows().catch(showProblem); },
  onTracks: draw,
  onProblem: showProblem,
});
addEventListener("livecount-theme", draw);
