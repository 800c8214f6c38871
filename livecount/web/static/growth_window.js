// Two handles on the time axis that say over which hours growth is fitted.
import { element } from "/static/api.js";
import { hours } from "/static/format.js";

const SETTLED_MS = 500;

export function makeWindow(place, figure, { onChange }) {
  const state = { start: 0, end: 1, first: 0, last: 1, step: 1 };
  let due = null;
  let held = null;
  const before = element("div", { class: "outside" });
  const after = element("div", { class: "outside" });
  const handles = { start: handle("start", "Start of the fit"), end: handle("end", "End of the fit") };
  place.append(before, after, handles.start, handles.end);

  function handle(side, label) {
    return element("div", {
      class: `handle ${side}`, role: "slider", tabindex: "0", "aria-label": label, "aria-orientation": "horizontal",
      onpointerdown: (event) => take(event, side), onpointermove: (event) => held === side && drag(event, side),
      onpointerup: () => release(side), onpointercancel: () => release(side), onkeydown: (event) => press(event, side),
    }, element("output", { "aria-hidden": "true" }));
  }

  function axis() {
    return figure._fullLayout?.xaxis;
  }

  function move(side, hour) {
    const rounded = Math.round(hour * 20) / 20;
    const [low, high] = side === "start" ? [state.first, state.end - state.step] : [state.start + state.step, state.last];
    state[side] = Math.min(Math.max(rounded, low), Math.max(low, high));
    draw();
  }

  function take(event, side) {
    held = side;
    handles[side].classList.add("moving");
    handles[side].setPointerCapture(event.pointerId);
    event.preventDefault();
    handles[side].focus({ preventScroll: true });
  }

  function drag(event, side) {
    const found = axis();
    move(side, found.p2l(event.clientX - figure.getBoundingClientRect().left - found._offset));
  }

  function release(side) {
    if (held !== side) return;
    held = null;
    handles[side].classList.remove("moving");
    settle(0);
  }

  function press(event, side) {
    const far = event.shiftKey ? 10 : 1;
    const by = { ArrowLeft: -far, ArrowDown: -far, ArrowRight: far, ArrowUp: far, PageDown: -10, PageUp: 10 }[event.key];
    const at = { Home: state.first, End: state.last }[event.key];
    if (by === undefined && at === undefined) return;
    event.preventDefault();
    move(side, at ?? state[side] + by * state.step);
    settle(SETTLED_MS);
  }

  function settle(wait) {
    clearTimeout(due);
    due = setTimeout(() => onChange(chosen()), wait);
  }

  // A handle at the end of the run leaves that side open, so that new frames are fitted too.
  function chosen() {
    return { start: state.start <= state.first ? null : state.start, end: state.end >= state.last ? null : state.end };
  }

  function draw() {
    const found = axis();
    if (!found) return;
    const { _offset: left, _length: width } = found;
    const { _offset: top, _length: height } = figure._fullLayout.yaxis;
    const at = (hour) => Math.min(Math.max(found.l2p(hour), 0), width);
    for (const [side, one] of Object.entries(handles)) {
      Object.assign(one.style, { left: `${left + at(state[side])}px`, top: `${top}px`, height: `${height}px` });
      one.setAttribute("aria-valuemin", side === "start" ? state.first : state.start);
      one.setAttribute("aria-valuemax", side === "start" ? state.end : state.last);
      one.setAttribute("aria-valuenow", state[side]);
      one.setAttribute("aria-valuetext", hours(state[side]));
      one.querySelector("output").textContent = hours(state[side]);
    }
    Object.assign(before.style, { left: `${left}px`, width: `${at(state.start)}px`, top: `${top}px`, height: `${height}px` });
    Object.assign(after.style, { left: `${left + at(state.end)}px`, width: `${width - at(state.end)}px`, top: `${top}px`, height: `${height}px` });
  }

  return {
    draw,
    // The run's first and last hour and its usual interval; an open side follows them.
    span(first, last, step, window) {
      Object.assign(state, { first, last, step });
      if (held) return;
      state.start = window.start ?? first;
      state.end = window.end ?? last;
      draw();
    },
  };
}
