// What is shown, as files: figures on white ground whatever the theme, and the numbers behind them.

export function csvOf({ data, series, lines, range, spread }) {
  const [from, to] = range;
  const unit = data.relative_to === null ? data.metric : "ratio";
  const rows = [["time_h", "value", "low", "high", "group", "well", "n_wells", "kind", "unit", "relative_to", "band"]];
  const add = (hour, cells) => hour >= from && hour <= to && rows.push([figure(hour), ...cells]);
  const also = [unit, data.relative_to ?? ""];
  for (const one of series) {
    if (one.group) {
      const { name, hours, values, low, high, n } = one.group;
      hours.forEach((hour, i) => add(hour, [figure(values[i]), figure(low[i]), figure(high[i]), name, "", String(n[i]), "mean", ...also, spread]));
    }
    for (const well of one.wells) {
      for (const [kind, curve] of [["well", well.curve], ["excluded", well.excluded]]) {
        curve.hours.forEach((hour, i) => add(hour, [figure(curve.values[i]), "", "", well.group ?? "", well.label, "1", kind, ...also, ""]));
      }
    }
  }
  const groups = new Set(series.filter((one) => one.group).map((one) => one.name));
  const wells = new Map(series.flatMap((one) => one.wells.map((well) => [well.label, well.group ?? ""])));
  for (const { of, curve } of lines) {
    if (!groups.has(of) && !wells.has(of)) continue;
    const whose = groups.has(of) ? [of, ""] : [wells.get(of), of];
    curve.hours.forEach((hour, i) => add(hour, [figure(curve.values[i]), "", "", ...whose, "", "fitted line", ...also, ""]));
  }
  return `${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

// Float32 holds seven digits; an unknown is empty.
function figure(value) {
  return Number.isFinite(value) ? Number(value.toPrecision(7)) : "";
}

// A spreadsheet would take such a text for a formula.
function cell(value) {
  if (typeof value === "number") return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name.replace(/[^\p{L}\p{N} ._-]+/gu, "_").slice(-120);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

export async function saveFigure(figure, format, size, name) {
  const url = await Plotly.toImage(figure, { format, ...size, scale: format === "png" ? 3 : 1 });
  const content = url.slice(url.indexOf(",") + 1);
  const bytes = format === "svg"
    ? decodeURIComponent(content)
    : Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  save(new Blob([bytes], { type: format === "svg" ? "image/svg+xml" : "image/png" }), name);
}
