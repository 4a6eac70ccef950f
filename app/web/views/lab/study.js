/** The trials of a study of cells, as `recap-train lab odyssey` writes them to trials.csv. */

/** @typedef {{task: string, cell: string, number: number, size: number, rate: number, momentum: number, noise: number, optimizer: string, dev: number, held: number, epoch: number, epochs: number, parameters: number, seconds: number}} Trial */

/** The trials of a file; one that is none throws an Error that says so. */
export function readTrials(/** @type {string} */ text) {
  const [head, ...lines] = text.trim().split(/\r?\n/);
  const names = head.split(",");
  for (const name of ["task", "cell", "dev", "held"]) if (!names.includes(name)) throw new Error(`its first line names no column '${name}'; trials.csv of a study has one`);
  return lines.map((line) => {
    const values = line.split(",");
    return /** @type {Trial} */ (Object.fromEntries(names.map((name, place) => [name, ["task", "cell", "optimizer"].includes(name) ? values[place] : Number(values[place])])));
  });
}

/** The tenth of a cell's trials on a task that is best on dev, two at least: they are what is compared. */
export function bestTenth(/** @type {Trial[]} */ trials) {
  return [...trials].sort((one, other) => one.dev - other.dev).slice(0, Math.max(2, Math.ceil(trials.length / 10)));
}

/** The value below which a share of some sorted values lies, between neighbours by the distance to them. */
export function quantile(/** @type {number[]} */ sorted, /** @type {number} */ share) {
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  return sorted[low] + (place - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}
