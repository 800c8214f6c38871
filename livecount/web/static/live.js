// The live connection of a page to one experiment: reconnects by itself, then asks for all anew.
import { element, worded } from "/static/api.js";
import { showHealth } from "/static/chrome.js";

const SOONEST_MS = 500;
const LATEST_MS = 10000;

export function listen(experiment, { onCounts, onSnapshot, onEdits = () => {} }) {
  function anew() {
    onSnapshot(-1);
    onEdits();
  }

  let wait = SOONEST_MS;
  let wasOpen = false;
  function connect() {
    const socket = new WebSocket(`ws${location.protocol === "https:" ? "s" : ""}://${location.host}/api/v1/live?experiment=${experiment}`);
    socket.addEventListener("open", () => {
      wait = SOONEST_MS;
      showStale("");
      if (wasOpen) anew();
      wasOpen = true;
    });
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      if (message.kind === "health") showHealth(message);
      else if (message.kind === "counts") onCounts(message);
      else if (message.kind === "edits") onEdits();
      else if (message.kind === "stale") showStale(message.reason);
      else if (message.kind === "snapshot" && message.number < 0) anew();
      else if (message.kind === "snapshot") onSnapshot(message.number);
    });
    socket.addEventListener("close", () => {
      showHealth({ is_well: false, reason: "livecount's server does not answer; trying again" });
      setTimeout(connect, wait);
      wait = Math.min(LATEST_MS, wait * 2);
    });
  }
  connect();
}

// What stands on the page may be old: said until it is not any more.
function showStale(reason) {
  document.getElementById("stale")?.remove();
  if (!reason) return;
  const said = element("p", { id: "stale", class: "notice", role: "alert" }, "What is shown may be old; livecount tries again. ", ...worded(reason));
  document.getElementById("main").prepend(said);
}
