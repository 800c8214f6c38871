// How the run is, in full.
import { ask, clearProblem, element, showProblem } from "/static/api.js";
import { showHealth } from "/static/chrome.js";
import { ago } from "/static/format.js";

const place = document.getElementById("health");

function pair(name, value) {
  return [element("dt", { text: name }), element("dd", {}, value)];
}

function draw(health) {
  const frames = health.frames;
  place.replaceChildren(
    element("p", { class: `notice${health.is_well ? " plain" : ""}`, text: health.is_well ? "All is well." : `${health.reason}.` }),
    element(
      "dl", {},
      ...pair("Monitor", health.doing),
      ...pair("Last heard of", ago(health.beat_age_s)),
      ...pair("Last count", ago(health.count_age_s)),
      ...pair("Engine", health.engine || "not started"),
      ...pair("Frames", `${frames.seen} seen = ${frames.counted} counted + ${frames.pending} waiting + ${frames.ignored} ignored + ${frames.quarantined} set aside + ${frames.superseded} superseded`),
      ...Object.entries(health.folders).flatMap(([folder, state]) => pair(folder, state)),
    ),
    element("h2", { text: "To be known now" }),
    health.notices.length
      ? element("ul", {}, ...health.notices.map((text) => element("li", { text })))
      : element("p", { class: "empty", text: "Nothing." }),
  );
  place.removeAttribute("aria-busy");
}

async function look() {
  try {
    const health = await ask("health");
    showHealth(health);
    draw(health);
    clearProblem();
  } catch (problem) {
    showProblem(problem);
  }
}

look();
setInterval(() => document.hidden || look(), 5000);
