// How the run is, in full.
import { ask, clearProblem, element, showProblem } from "/static/api.js";
import { showHealth } from "/static/chrome.js";
import { ago, bytes, moment, number, sentence, whole } from "/static/format.js";

const PAGE = 50;
const at = (id) => document.getElementById(id);
const offsets = { incidents: 0, "set-aside": 0 };

function pairs(...entries) {
  return entries.filter(([, value]) => value !== null && value !== "").flatMap(([name, value]) => [element("dt", { text: name }), element("dd", {}, value)]);
}

// "onnxruntime 1.20 CPU, fp32 (why it was chosen)": what counts, and why.
function engineOf(words) {
  const [, engine, why] = /^(.*?)(?: \((.*)\).*)?$/s.exec(words);
  return [engine || "not started", why ?? ""];
}

function drawRun(health) {
  const frames = health.frames;
  const [engine, why] = engineOf(health.engine);
  at("health").replaceChildren(
    element("p", { class: `notice${health.is_well ? " plain" : ""}`, text: health.is_well ? "All is well." : `${sentence(health.reason)}.` }),
    element("dl", {}, ...pairs(
      ["Monitor", health.doing],
      ["Last heard of", ago(health.beat_age_s)],
      ["Last count", health.count_age_s === null ? "none since it was started" : ago(health.count_age_s)],
      ["Waiting", `${whole(frames.pending)} ${frames.pending === 1 ? "frame" : "frames"}`],
      ["Frames", `${whole(frames.seen)} seen: ${whole(frames.counted)} counted, ${whole(frames.pending)} waiting, ${whole(frames.ignored)} ignored, ${whole(frames.quarantined)} set aside, ${whole(frames.superseded)} superseded`],
      ["Engine", engine],
      ["Chosen because", why],
    )),
    element("h2", { text: "Watched folders" }),
    Object.keys(health.folders).length
      ? element("dl", {}, ...pairs(...Object.entries(health.folders)))
      : element("p", { class: "empty", text: "None at present." }),
  );
  at("health").removeAttribute("aria-busy");
}

function fill(id, heads, rows) {
  const head = element("thead", {}, element("tr", {}, ...heads.map((text) => element("th", { text, scope: "col" }))));
  at(id).replaceChildren(head, element("tbody", {}, ...rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))))));
  at(id).hidden = !rows.length;
  at(`no-${id}`).hidden = rows.length > 0;
}

function page(id, total, shown) {
  const pager = at(`${id}-pager`);
  pager.hidden = total <= PAGE;
  const turn = (by) => () => { offsets[id] = Math.max(0, offsets[id] + by); look(); };
  const before = element("button", { type: "button", text: "Previous", onclick: turn(-PAGE) });
  const after = element("button", { type: "button", text: "Next", onclick: turn(PAGE) });
  before.disabled = offsets[id] === 0;
  after.disabled = offsets[id] + shown >= total;
  const focused = pager.contains(document.activeElement) ? document.activeElement.textContent : "";
  pager.replaceChildren(before, `${offsets[id] + 1} to ${offsets[id] + shown} of ${total}`, after);
  if (focused) (focused === "Next" ? after : before).focus();
}

function times(n) {
  return n === 1 ? "once" : `${n} times`;
}

function toldWords(told) {
  const words = told.map((each) => {
    const what = each.part === "end" ? `${each.target} (its end)` : each.target;
    if (each.delivered_at) return what;
    return each.last_error ? `${what}: not yet, tried ${times(each.attempts)}: ${each.last_error}` : `${what}: not yet`;
  });
  return words.join("; ") || "nobody";
}

function drawIncidents({ incidents, total }) {
  fill("incidents", ["What", "Where", "Since", "Until", "Told"], incidents.map((one) => [
    one.text,
    [one.experiment, one.plate, one.well].filter(Boolean).join(", "),
    moment(one.since),
    one.until ? moment(one.until) : element("strong", { class: "late", text: "lasts" }),
    toldWords(one.told),
  ]));
  page("incidents", total, incidents.length);
}

function drawSetAside({ files, total }) {
  fill("set-aside", ["File", "Reason", "Tried", "Since"], files.map((one) => [
    element("span", { title: one.folder, text: one.page === null ? one.path : `${one.path}, page ${one.page}` }),
    one.reason, times(one.attempts), moment(one.since),
  ]));
  page("set-aside", total, files.length);
}

const named = (name) => name.replaceAll("_", " ");

// Settings inside settings are told in words too.
function plainly(value) {
  if (value === null || typeof value !== "object") return String(value);
  const parts = Array.isArray(value) ? value.map(plainly) : Object.entries(value).map(([name, inner]) => `${named(name)} ${plainly(inner)}`);
  return parts.join(", ");
}

function drawAnalyses(analyses) {
  fill("analyses", ["Experiment", "Analysis", "Model", "h", "Cell diameter", "Channel", "Plane", "More"], analyses.map((one) => [
    one.experiment,
    element("span", {}, element("code", { text: one.analysis_id }), one.is_primary ? " shown" : ""),
    element("span", { title: `SHA-256 ${one.model_sha256}`, text: one.model }),
    number(one.h),
    `${number(one.cell_diameter)} ${one.cell_diameter_unit === "um" ? "µm" : "px"}${one.cell_diameter_origin ? `, ${one.cell_diameter_origin}` : ""}`,
    one.channel || "any", one.z || "any",
    Object.entries(one.further).map(([name, value]) => `${named(name)}: ${plainly(value)}`).join("; "),
  ]));
}

function drawMachine(one) {
  const { free_bytes: free, total_bytes: total, database_bytes: used } = one.disk;
  at("machine").replaceChildren(...pairs(
    ["Database", `${one.database} (${bytes(used)})`],
    ["Free on its disk", `${bytes(free)} of ${bytes(total)} (${Math.round((100 * free) / total)} %)`],
    ["Versions", `livecount ${one.livecount}, Python ${one.python}, SQLite ${one.sqlite}`],
    ["System", one.system],
    ["Monitor", one.monitor_pid === null ? null : element("span", {}, `livecount ${one.monitor_livecount}, process ${one.monitor_pid} on ${one.monitor_host}, since `, moment(one.monitor_started_at))],
  ));
}

async function look() {
  try {
    const [health, incidents, setAside, analyses, machine] = await Promise.all([
      ask("health"),
      ask(`incidents?limit=${PAGE}&offset=${offsets.incidents}`),
      ask(`set-aside?limit=${PAGE}&offset=${offsets["set-aside"]}`),
      ask("analyses"),
      ask("machine"),
    ]);
    showHealth(health);
    drawRun(health);
    drawIncidents(incidents);
    drawSetAside(setAside);
    drawAnalyses(analyses);
    drawMachine(machine);
    clearProblem();
  } catch (problem) {
    showProblem(problem);
  }
}

look();
setInterval(() => document.hidden || look(), 5000);
