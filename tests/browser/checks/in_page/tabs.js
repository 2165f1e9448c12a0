// Notes what has the focus just before each press of Tab: a held key then needs no question between two presses.
() => {
  const focused = FOCUSED;
  if (window.tabbed === undefined) document.addEventListener("keydown", (event) => event.key === "Tab" && window.tabbed.push(focused()), true);
  window.tabbed = [];
}
