// Before anything is drawn: the reader's own choice of light or dark, if there is one.
// A classic script in the head, so that the page never flashes in the other scheme.
(() => {
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage is off: the system's scheme it is.
  }
})();
