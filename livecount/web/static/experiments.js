// All experiments of the database at a glance.
import { ask, clearProblem, element, showProblem } from "/static/api.js";
import "/static/chrome.js";
import { away, moment, sentence, whole } from "/static/format.js";

const list = document.getElementById("experiments");

function card(one) {
  const { seen, counted, pending, quarantined } = one.frames;
  const told = [`${whole(counted)} of ${whole(seen)} frames counted`];
  if (pending) told.push(`${whole(pending)} waiting`);
  if (quarantined) told.push(`${whole(quarantined)} set aside`);
  const share = element("span");
  share.style.width = `${seen ? (100 * counted) / seen : 0}%`;
  return element(
    "li", { class: "card" },
    element("h2", {}, element("a", { href: `/experiments/${one.id}`, text: one.name })),
    element("div", { class: "meter", "aria-hidden": "true" }, share),
    element("p", { text: told.join(", ") }),
    one.last_count_at ? element("p", { text: "Last count " }, moment(one.last_count_at), `, ${away(one.last_count_at)}`) : null,
    due(one),
    one.zero ? element("p", { text: "Began " }, moment(one.zero)) : null,
    ...one.folders.map((folder) => element("p", { text: folder })),
    element("p", {}, element("a", { href: `/experiments/${one.id}/growth`, text: "Growth curves" }), " ", element("a", { href: `/experiments/${one.id}/review`, text: "Review" })),
  );
}

function due(one) {
  if (!one.is_watched) return element("p", { text: "Not watched at present" });
  if (!one.next_due_at) return element("p", { text: "When the next frame is due is not known yet" });
  const made = element("p", { text: "Next frame due " }, moment(one.next_due_at));
  const late = Date.now() > new Date(one.next_due_at).getTime() + 60000;
  made.append(`, ${late ? "late by " + away(one.next_due_at).replace(" ago", "") : away(one.next_due_at)}`);
  if (late) made.classList.add("late");
  return made;
}

function drawHealth(health) {
  const place = document.getElementById("run");
  const told = health.notices.length ? `${health.notices.length} to be known now: ${health.notices.join("; ")}.` : "";
  place.replaceChildren(`${health.is_well ? "The run is well." : `${sentence(health.reason)}.`} ${told} `, element("a", { href: "/health", text: "Health" }));
  place.className = `notice${health.is_well ? " plain" : ""}`;
  place.hidden = false;
}

async function draw() {
  try {
    const [found, health] = await Promise.all([ask("experiments"), ask("health")]);
    drawHealth(health);
    list.replaceChildren(...found.reverse().map(card));
    list.removeAttribute("aria-busy");
    document.getElementById("none").hidden = found.length > 0;
    clearProblem();
  } catch (problem) {
    showProblem(problem);
  }
}

draw();
setInterval(() => document.hidden || draw(), 5000);
