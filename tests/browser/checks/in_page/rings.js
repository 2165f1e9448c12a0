// The ring of every numbered control in turn, and whether something lies over it, as the page looks now.
() => {
  const focused = FOCUSED;
  return [...document.querySelectorAll("[data-tab]")].map((el) => { el.focus(); return focused(); });
}
