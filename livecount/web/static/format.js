// Numbers and times as people read them.

export function number(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "";
  if (value !== 0 && (Math.abs(value) >= 10 ** 6 || Math.abs(value) < 10 ** -3)) return value.toPrecision(digits);
  const rounded = Number(value.toPrecision(digits));
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en").replaceAll(",", "\u202f") : String(rounded);
}

export function whole(value) {
  return value.toLocaleString("en").replaceAll(",", "\u202f");
}

export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function hours(value) {
  if (value === null || !Number.isFinite(value)) return "";
  return value < 100 ? `${value.toFixed(1)} h` : `${Math.round(value)} h`;
}

export function ago(seconds) {
  if (seconds === null || seconds === undefined) return "never";
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

// How far a moment lies from now, in words.
export function away(text) {
  const seconds = (new Date(text) - Date.now()) / 1000;
  return seconds < 0 ? ago(-seconds) : `in ${ago(seconds).replace(" ago", "")}`;
}

export function bytes(value) {
  const power = value < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(value) / 3));
  return `${Number((value / 1000 ** power).toPrecision(3))} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}

// A moment in the viewer's zone; its title holds UTC.
export function moment(text) {
  const at = new Date(text);
  const made = document.createElement("time");
  made.dateTime = text;
  made.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  made.title = `${at.toISOString().replace("T", " ").slice(0, 19)} UTC`;
  return made;
}

export const UNITS = {
  count: "cells per field",
  density_per_mm2: "cells / mm²",
  count_inside: "cells per field, edges left out",
  density_inside_per_mm2: "cells / mm², edges left out",
};
