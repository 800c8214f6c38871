// All experiments of the database at a glance.
import { ask, clearProblem, element, showProblem } from "/static/api.js";
import "/static/chrome.js";
import { moment } from "/static/format.js";

const list = document.getElementById("experiments");

function card(one) {
  const { seen, counted, pending, quarantined } = one.frames;
  const told = [`${counted} of ${seen} frames counted`];
  if (pending) told.push(`${pending} waiting`);
  if (quarantined) told.push(`${quarantined} set aside`);
  const share = element("span");
  share.style.width = `${seen ? (100 * counted) / seen : 0}%`;
  return element(
    "li", { class: "card" },
    element("h2", {}, element("a", { href: `/experiments/${one.id}`, text: one.name })),
    element("div", { class: "meter", "aria-hidden": "true" }, share),
    element("p", { text: told.join(", ") }),
    one.zero ? element("p", { text: "Began " }, moment(one.zero)) : null,
    ...one.folders.map((folder) => element("p", { text: folder })),
    element("p", {}, element("a", { href: `/experiments/${one.id}/growth`, text: "Growth curves" })),
  );
}

async function draw() {
  try {
    const found = await ask("experiments");
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
