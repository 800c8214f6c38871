// Cividis, sampled: even in lightness and the same to colour-blind eyes (Nuñez et al. 2018).
const STOPS = [
  [0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115], [138, 134, 120],
  [165, 157, 118], [195, 181, 109], [225, 207, 92], [254, 232, 56],
];

export function heat(share) {
  const at = Math.min(Math.max(share, 0), 1) * (STOPS.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, STOPS.length - 1);
  const mixed = STOPS[low].map((value, i) => value + (STOPS[high][i] - value) * (at - low));
  return mixed;
}

export function css([red, green, blue]) {
  return `rgb(${Math.round(red)} ${Math.round(green)} ${Math.round(blue)})`;
}

// Relative luminance of sRGB (WCAG 2), to choose a line that shows on it.
export function isLight([red, green, blue]) {
  const [r, g, b] = [red, green, blue].map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.25;
}

// Wong's colours (Nature Methods 2011), as in the printed figures; the last shows on both grounds.
export const SERIES = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D1F", "#7a7a7a"];
