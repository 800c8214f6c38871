// Mouse, finger and pen on the picture: pan, pinch, wheel; a click, or a mark that is dragged.
const CLICK_PX = 5;

export function followPointers(picture, { grab, onClick, onDrag, onDrop }) {
  const { canvas } = picture;
  const pointers = new Map();
  let start = null;
  let grabbed = null;

  const placeOf = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    const at = placeOf(event);
    pointers.set(event.pointerId, at);
    start = pointers.size === 1 ? at : null;
    grabbed = pointers.size === 1 ? grab(at) : null;
  });

  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const at = placeOf(event);
    if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const factor = Math.hypot(at.x - other.x, at.y - other.y) / (Math.hypot(before.x - other.x, before.y - other.y) || 1);
      picture.zoom(factor, (at.x + other.x) / 2, (at.y + other.y) / 2);
      picture.pan((at.x - before.x) / 2, (at.y - before.y) / 2);
    } else if (start && Math.hypot(at.x - start.x, at.y - start.y) <= CLICK_PX) {
      return;
    } else if (grabbed) {
      onDrag(grabbed, at);
    } else {
      const from = start ?? before;
      picture.pan(at.x - from.x, at.y - from.y);
    }
    start = null;
    pointers.set(event.pointerId, at);
  });

  const end = (event) => {
    const at = placeOf(event);
    if (!pointers.delete(event.pointerId)) return;
    if (event.type === "pointerup" && start) onClick(at);
    else if (grabbed && !start) onDrop(grabbed, event.type === "pointerup" ? at : null);
    start = null;
    grabbed = null;
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const at = placeOf(event);
    const step = event.deltaMode === 1 ? 16 : 1;
    picture.zoom(Math.exp(-event.deltaY * step * 0.0015), at.x, at.y);
  }, { passive: false });
}
