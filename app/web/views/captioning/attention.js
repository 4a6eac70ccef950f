/** Attention as light on a picture: parts that got no more of it than they would on average are dimmed. */

const SIDE = 64; // of the mask, which the browser scales up smoothly
const DIM = 0.8; // of parts below the average
const BLUR = 0.62; // standard deviation of a cell's light, in cells
const FADE = 200; // milliseconds
const EVEN = 1.5; // times the average: below that, it looked everywhere

const still = matchMedia("(prefers-reduced-motion: reduce)");

/** A canvas over a picture. */
export class Light {
  /** @type {CanvasRenderingContext2D} */
  #pen;
  /** @type {Float32Array | null} */
  #shown = null; // brightness by pixel, 0 to 1; null: nothing is dimmed
  #frame = 0;

  constructor(/** @type {HTMLCanvasElement} */ canvas) {
    canvas.width = canvas.height = SIDE;
    this.canvas = canvas;
    this.#pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  }

  /** Lights a picture by a grid of attention, rows by columns; null puts the light out. */
  show(/** @type {number[][] | null} */ grid) {
    cancelAnimationFrame(this.#frame);
    const from = this.#shown ?? new Float32Array(SIDE * SIDE).fill(1);
    const to = grid ? brightness(grid) : new Float32Array(SIDE * SIDE).fill(1);
    if (still.matches) {
      this.#draw(to);
      return;
    }
    const began = performance.now();
    const step = (/** @type {number} */ now) => {
      const share = Math.min(1, Math.max(0, (now - began) / FADE));
      const eased = 1 - (1 - share) ** 3;
      this.#draw(from.map((value, place) => value + (to[place] - value) * eased));
      if (share < 1) this.#frame = requestAnimationFrame(step);
    };
    this.#frame = requestAnimationFrame(step);
  }

  #draw(/** @type {Float32Array} */ light) {
    this.#shown = light;
    const image = this.#pen.createImageData(SIDE, SIDE);
    light.forEach((value, place) => {
      image.data[4 * place + 3] = 255 * DIM * (1 - value); // black, more or less opaque
    });
    this.#pen.putImageData(image, 0, 0);
  }
}

/** Says in words where most of the attention went: "3.1 × average, left of the middle". */
export function whereabouts(/** @type {number[][]} */ grid) {
  const cells = grid.flat();
  const top = Math.max(...cells);
  const times = top / average(grid);
  if (times < EVEN) return "looked everywhere";
  const place = cells.indexOf(top);
  const down = third(Math.floor(place / grid[0].length), grid.length, ["top", "", "bottom"]);
  const across = third(place % grid[0].length, grid[0].length, ["left", "", "right"]);
  return `${times.toFixed(1)} × average, ${down || across ? [down, across].filter(Boolean).join(" ") : "in the middle"}`;
}

function third(/** @type {number} */ place, /** @type {number} */ count, /** @type {string[]} */ names) {
  return names[Math.min(2, Math.floor((3 * (place + 0.5)) / count))];
}

function average(/** @type {number[][]} */ grid) {
  return grid.flat().reduce((sum, value) => sum + value, 0) / grid.flat().length;
}

/**
 * A grid of any size to SIDE x SIDE, each cell a soft spot around its middle: 0 up to the average, the brightest 1. All is
 * bright where it looked everywhere.
 */
function brightness(/** @type {number[][]} */ grid) {
  const rows = spots(grid.length);
  const columns = spots(grid[0].length);
  const light = new Float32Array(SIDE * SIDE);
  const across = new Float32Array(SIDE);
  for (let row = 0; row < grid.length; row++) {
    for (let x = 0; x < SIDE; x++) across[x] = grid[row].reduce((sum, value, column) => sum + value * columns[column][x], 0);
    for (let y = 0; y < SIDE; y++) for (let x = 0; x < SIDE; x++) light[y * SIDE + x] += rows[row][y] * across[x];
  }
  const mean = average(grid);
  if (Math.max(...grid.flat()) < EVEN * mean) return light.fill(1);
  const top = light.reduce((most, value) => Math.max(most, value), mean);
  return light.map((value) => Math.max(0, value - mean) / (top - mean || 1));
}

/** Each cell's share of the light at each pixel along a side; at a pixel, the shares add up to 1. */
function spots(/** @type {number} */ cells) {
  const weights = Array.from({ length: cells }, (_, cell) =>
    Float32Array.from({ length: SIDE }, (_, pixel) => Math.exp(-0.5 * ((((pixel + 0.5) / SIDE) * cells - cell - 0.5) / BLUR) ** 2)),
  );
  for (let pixel = 0; pixel < SIDE; pixel++) {
    const sum = weights.reduce((total, weight) => total + weight[pixel], 0);
    for (const weight of weights) weight[pixel] /= sum;
  }
  return weights;
}
