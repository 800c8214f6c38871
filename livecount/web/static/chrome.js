// What every page has: the theme's button, the chip that says how the run is.
import { ask } from "/static/api.js";

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("livecount-theme", root.dataset.theme);
  dispatchEvent(new CustomEvent("livecount-theme"));
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dispatchEvent(new CustomEvent("livecount-theme")));

export function showHealth(health) {
  const chip = document.getElementById("health-chip");
  chip.textContent = health.is_well ? health.doing || "well" : health.reason;
  chip.title = chip.textContent;
  chip.className = `chip ${health.is_well ? "good" : "bad"}`;
}

export function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

async function look() {
  try {
    showHealth(await ask("health"));
  } catch (problem) {
    showHealth({ is_well: false, reason: problem.message });
  }
}

// Pages with a live connection are told; the others ask.
if (!document.body.dataset.experiment) {
  look();
  setInterval(() => document.hidden || look(), 5000);
}
