// Runs before anything is drawn, so that nothing flashes: sets the theme that was chosen, else leaves the system's.
(() => {
  /** @type {string | null} */
  let chosen = null;
  try {
    chosen = localStorage.getItem("recap-theme");
  } catch {
    // Storage is off: the system's theme stays.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
