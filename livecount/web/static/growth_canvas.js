// The curves on a canvas over plotly's axes: hundreds of wells are redrawn in milliseconds, which
// lines in SVG are not. Files are drawn by plotly from the same series.
import { element } from "/static/api.js";
import { number } from "/static/format.js";
import { faded, strokeOf } from "/static/growth_looks.js";

const NEAR_PX = 28;
const MANY = 40;

export function makeCanvas(place, figure) {
  const canvas = element("canvas", { "aria-hidden": "true" });
  const tip = element("div", { class: "tip", hidden: "", role: "presentation" });
  place.append(canvas, tip);
  let scene = null;
  let near = null;
  let isDue = false;

  function frame() {
    const layout = figure._fullLayout;
    if (!layout?.xaxis || !scene) return null;
    const { xaxis, yaxis } = layout;
    const line = (axis) => [axis.l2p(1) - axis.l2p(0), axis.l2p(0)];
    const [mx, bx] = line(xaxis);
    const [my, by] = line(yaxis);
    const rise = scene.isLog ? (value) => my * Math.log10(Math.max(value, scene.floor)) + by : (value) => my * value + by;
    return { left: xaxis._offset, top: yaxis._offset, width: xaxis._length, height: yaxis._length, x: (hour) => mx * hour + bx, y: rise };
  }

  function draw() {
    const at = frame();
    if (!at) return;
    const scale = devicePixelRatio || 1;
    canvas.width = Math.round(at.width * scale);
    canvas.height = Math.round(at.height * scale);
    Object.assign(canvas.style, { left: `${at.left}px`, top: `${at.top}px`, width: `${at.width}px`, height: `${at.height}px` });
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.lineJoin = "round";
    const alpha = scene.series.length > 8 ? 0.1 : 0.2;
    for (const { name, group } of scene.series) if (group) drawBand(pen, at, group, faded(scene.looks.get(name).colour, alpha));
    const many = scene.series.reduce((sum, one) => sum + one.wells.length, 0) > MANY;
    for (const { name, group, wells } of scene.series) {
      const look = scene.looks.get(name);
      Object.assign(pen, { strokeStyle: look.colour, lineWidth: group ? 2 : many ? 1 : 1.4, globalAlpha: many ? 0.7 : 1 });
      pen.setLineDash(many ? [] : strokeOf(look.dash));
      pen.beginPath();
      for (const curve of group ? [group] : wells.map((well) => well.curve)) trace(pen, at, curve.hours, curve.values);
      pen.stroke();
    }
    drawFits(pen, at);
    drawMarks(pen, at);
    if (near) highlight(pen, at);
  }

  function trace(pen, at, hours, values) {
    let isOpen = false;
    for (let i = 0; i < hours.length; i += 1) {
      if (!Number.isFinite(values[i])) { isOpen = false; continue; }
      if (isOpen) pen.lineTo(at.x(hours[i]), at.y(values[i]));
      else pen.moveTo(at.x(hours[i]), at.y(values[i]));
      isOpen = true;
    }
  }

  function drawBand(pen, at, { hours, low, high }, colour) {
    pen.fillStyle = colour;
    for (let i = 0; i < hours.length; ) {
      let end = i;
      while (end < hours.length && Number.isFinite(low[end])) end += 1;
      pen.beginPath();
      for (let k = i; k < end; k += 1) pen.lineTo(at.x(hours[k]), at.y(high[k]));
      for (let k = end - 1; k >= i; k -= 1) pen.lineTo(at.x(hours[k]), at.y(low[k]));
      pen.fill();
      i = Math.max(end, i) + 1;
    }
  }

  function drawFits(pen, at) {
    const many = scene.lines.length > MANY;
    Object.assign(pen, { strokeStyle: scene.ink, lineWidth: many ? 0.6 : 1.3, globalAlpha: many ? 0.25 : 1 });
    pen.setLineDash(many ? [] : [4, 3]);
    pen.beginPath();
    for (const { curve } of scene.lines) trace(pen, at, curve.hours, curve.values);
    pen.stroke();
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  }

  // Excluded points are hollow; on a logarithmic axis counts of 0 are triangles on its floor.
  function drawMarks(pen, at) {
    Object.assign(pen, { strokeStyle: scene.soft, fillStyle: scene.soft, lineWidth: 1.2 });
    for (const { group, wells } of scene.series) {
      for (const { excluded } of wells) {
        for (let i = 0; i < excluded.hours.length; i += 1) {
          pen.beginPath();
          pen.arc(at.x(excluded.hours[i]), at.y(excluded.values[i]), 3.5, 0, 7);
          pen.stroke();
        }
      }
      if (!scene.isLog) continue;
      for (const { hours, values } of group ? [group] : wells.map((well) => well.curve)) {
        for (let i = 0; i < hours.length; i += 1) {
          if (values[i] > 0) continue;
          const [x, y] = [at.x(hours[i]), at.y(values[i])];
          pen.beginPath();
          pen.moveTo(x - 4, y - 4); pen.lineTo(x + 4, y - 4); pen.lineTo(x, y + 3);
          pen.fill();
        }
      }
    }
  }

  function highlight(pen, at) {
    const { curve, look, i } = near;
    Object.assign(pen, { strokeStyle: look.colour, fillStyle: look.colour, lineWidth: 3.5 });
    pen.beginPath();
    trace(pen, at, curve.hours, curve.values);
    pen.stroke();
    pen.beginPath();
    pen.arc(at.x(curve.hours[i]), at.y(curve.values[i]), 5, 0, 7);
    pen.fill();
  }

  function find(at, px, py) {
    let least = NEAR_PX ** 2;
    let found = null;
    const look = (name, curve, words) => {
      for (let i = 0; i < curve.hours.length; i += 1) {
        const dx = at.x(curve.hours[i]) - px;
        if (dx > NEAR_PX || dx < -NEAR_PX) continue;
        const dy = at.y(curve.values[i]) - py;
        if (dx * dx + dy * dy < least) {
          least = dx * dx + dy * dy;
          found = { curve, i, words, look: scene.looks.get(name) };
        }
      }
    };
    for (const { name, group, wells } of scene.series) {
      if (group) look(name, group, () => [name, bandText(group, found.i)]);
      for (const well of wells) {
        look(name, well.curve, () => [[well.label, well.group].filter(Boolean).join(", ")]);
        if (well.excluded.hours.length) look(name, well.excluded, () => [`${well.label}, excluded`]);
      }
    }
    return found;
  }

  function bandText({ low, high, n }, i) {
    return Number.isFinite(low[i]) ? `${number(low[i])} to ${number(high[i])}, ${n[i]} wells` : "1 well: no band";
  }

  function point(event) {
    const at = frame();
    if (!at || isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      const box = figure.getBoundingClientRect();
      const [px, py] = [event.clientX - box.left - at.left, event.clientY - box.top - at.top];
      const isInside = px >= 0 && py >= 0 && px <= at.width && py <= at.height;
      const found = isInside ? find(at, px, py) : null;
      if (found === null && near === null) return;
      near = found;
      draw();
      tip.hidden = !found;
      if (!found) return;
      const { curve, i, words } = found;
      const [head, more] = words();
      tip.textContent = [head, `${curve.hours[i].toFixed(1)} h: ${number(curve.values[i])}`, more].filter(Boolean).join("\n");
      const [x, y] = [at.left + at.x(curve.hours[i]), at.top + at.y(curve.values[i])];
      Object.assign(tip.style, { top: `${Math.max(0, y - 20)}px`, ...(px > at.width / 2 ? { left: "auto", right: `${box.width - x + 14}px` } : { right: "auto", left: `${x + 14}px` }) });
    });
  }

  figure.addEventListener("pointermove", point);
  figure.addEventListener("pointerleave", () => { near = null; tip.hidden = true; draw(); });
  return {
    draw,
    show(wanted) { scene = wanted; near = null; tip.hidden = true; },
  };
}
