// How often Tab has to be pressed from where the focus is now to the target, which is one of the numbered controls.
(target) => {
  const now = document.activeElement, all = [...document.querySelectorAll("[data-tab]")];
  const isPassed = (el) => el === now || (now !== document.body && el.compareDocumentPosition(now) & Node.DOCUMENT_POSITION_FOLLOWING);
  const from = all.filter(isPassed).length, to = all.indexOf(target) + 1;
  return Math.max(0, to - from);
}
