// Before anything is drawn, so that nothing flashes: the theme that was chosen, else the system's.
(() => {
  /** @type {string | null} */
  let chosen = null;
  try {
    chosen = localStorage.getItem("recap-theme");
  } catch {
    // Storage is off: the system's.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
