// The cells above the picture: shapes that differ without colour, on light and on dark ground.
const KINDS = {
  cell: { colour: "#ffb000", trace: circle },
  added: { colour: "#35e0b0", trace: square },
  moved: { colour: "#7ec8ff", trace: diamond },
  removed: { colour: "#ff6f61", trace: cross },
};

// One path a kind: two thousand centres take a few milliseconds.
export function drawMarks(paint, picture, marks) {
  const radius = Math.min(9, Math.max(2.5, 5 * picture.scale + 1.5));
  const line = Math.min(1.75, 0.9 + picture.scale);
  const { clientWidth, clientHeight } = picture.canvas;
  for (const [kind, { colour, trace }] of Object.entries(KINDS)) {
    paint.beginPath();
    for (const mark of marks) {
      if (mark.kind !== kind) continue;
      const [x, y] = picture.toScreen(mark.y, mark.x);
      if (x < -9 || y < -9 || x > clientWidth + 9 || y > clientHeight + 9) continue;
      trace(paint, x, y, radius);
    }
    paint.strokeStyle = "rgb(0 0 0 / .75)";
    paint.lineWidth = 2 * line;
    paint.stroke();
    paint.strokeStyle = colour;
    paint.lineWidth = line;
    paint.stroke();
  }
}

// A finger's or a pointer's reach, on the screen.
export const REACH_PX = 10;

export function markAt(picture, marks, at) {
  let [best, nearest] = [null, REACH_PX];
  for (const mark of marks) {
    const [x, y] = picture.toScreen(mark.y, mark.x);
    const distance = Math.hypot(x - at.x, y - at.y);
    if (distance <= nearest) [best, nearest] = [mark, distance];
  }
  return best;
}

export function drawScaleBar(paint, picture, pixelSize) {
  if (!pixelSize) return;
  const perMicrometre = picture.scale / pixelSize;
  const wanted = (picture.canvas.clientWidth / 5) / perMicrometre;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const length = [5, 2, 1].map((step) => step * power).find((step) => step <= wanted);
  const [width, left, bottom] = [length * perMicrometre, 16, picture.canvas.clientHeight - 16];
  const words = length >= 1000 ? `${length / 1000} mm` : `${length} µm`;
  paint.font = "600 13px system-ui, sans-serif";
  const wide = Math.max(width, paint.measureText(words).width);
  paint.fillStyle = "rgb(0 0 0 / .6)";
  paint.fillRect(left - 8, bottom - 28, wide + 16, 36);
  paint.fillStyle = "#ffffff";
  paint.fillRect(left, bottom - 4, width, 4);
  paint.fillText(words, left, bottom - 10);
}

function circle(paint, x, y, radius) {
  paint.moveTo(x + radius, y);
  paint.arc(x, y, radius, 0, 2 * Math.PI);
}

function square(paint, x, y, radius) {
  paint.rect(x - radius, y - radius, 2 * radius, 2 * radius);
}

function diamond(paint, x, y, radius) {
  const reach = radius * 1.3;
  paint.moveTo(x, y - reach);
  paint.lineTo(x + reach, y);
  paint.lineTo(x, y + reach);
  paint.lineTo(x - reach, y);
  paint.closePath();
}

function cross(paint, x, y, radius) {
  paint.moveTo(x - radius, y - radius);
  paint.lineTo(x + radius, y + radius);
  paint.moveTo(x + radius, y - radius);
  paint.lineTo(x - radius, y + radius);
}
