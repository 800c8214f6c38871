// What is looked at, kept in the page's address so that it can be passed on or come back to.

export function readView() {
  const given = new URLSearchParams(location.search);
  const oneOf = (name, values) => (values.includes(given.get(name)) ? given.get(name) : values[0]);
  const hour = (name) => (given.get(name) && Number.isFinite(Number(given.get(name))) ? Number(given.get(name)) : null);
  return {
    level: oneOf("level", ["groups", "wells"]), scale: oneOf("scale", ["log", "linear"]),
    spread: oneOf("spread", ["interval", "sd", "sem"]), relative: given.get("relative_to") ?? "",
    lines: given.get("lines") !== "no", start: hour("start_h"), end: hour("end_h"),
    hidden: new Set(given.getAll("hide")), only: given.has("show") ? new Set(given.getAll("show")) : null,
  };
}

// Names of all curves, or null as long as they are not known: the shorter list of them is kept.
export function keepInAddress(view, names) {
  const told = new URLSearchParams();
  if (view.level !== "groups") told.set("level", view.level);
  if (view.scale !== "log") told.set("scale", view.scale);
  if (view.spread !== "interval") told.set("spread", view.spread);
  if (view.relative) told.set("relative_to", view.relative);
  if (!view.lines) told.set("lines", "no");
  if (view.start !== null) told.set("start_h", view.start);
  if (view.end !== null) told.set("end_h", view.end);
  const shown = names?.filter((name) => !view.hidden.has(name));
  if (shown && view.hidden.size > shown.length) for (const name of shown.length ? shown : [""]) told.append("show", name);
  else if (view.only) for (const name of view.only) told.append("show", name);
  else for (const name of view.hidden) told.append("hide", name);
  history.replaceState(null, "", told.size ? `?${told}` : location.pathname);
}
