// What does not fit: sideways scrolling, clipped text, boxes on top of each other.
() => {
  const said = [];
  const named = (el) => `${el.tagName.toLowerCase()}${el.id ? "#" + el.id : ""}${typeof el.className === "string" && el.className ? "." + el.className.trim().split(/\s+/).join(".") : ""}`;
  // What is only heard is cut down to a pixel on purpose.
  const isHeard = (el) => getComputedStyle(el).clipPath === "inset(50%)";
  const isSeen = (el) => el.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !el.closest("template") && !isHeard(el) && !el.closest(".hidden");
  const known = new Map();
  const seen = (el) => {
    if (!known.has(el)) known.set(el, isSeen(el));
    return known.get(el);
  };
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) {
    const wide = [...document.body.querySelectorAll("*")].filter((el) => seen(el) && el.getBoundingClientRect().right > width + 1 && !el.closest(".table-box"));
    const inner = wide.filter((el) => !wide.some((other) => other !== el && el.contains(other)));
    said.push(`scrolls sideways, ${document.documentElement.scrollWidth} in ${width} px: ${inner.slice(0, 2).map(named).join(", ") || "?"}`);
  }
  let cases = 1;
  for (const el of document.body.querySelectorAll("*")) {
    if (!seen(el) || el.closest("svg")) continue;
    const style = getComputedStyle(el);
    const clips = (axis) => ["hidden", "clip"].includes(style[axis]);
    if ((clips("overflowX") || clips("overflowY")) && el.innerText && el.innerText.trim()) {
      cases += 1;
      if (clips("overflowX") && el.scrollWidth > el.clientWidth + 1) said.push(`${named(el)} cuts its text off at the side`);
      if (clips("overflowY") && el.scrollHeight > el.clientHeight + 1) said.push(`${named(el)} cuts its text off below`);
    }
  }
  const overlap = (a, b) => Math.min(Math.min(a.right, b.right) - Math.max(a.left, b.left), Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));
  for (const parent of document.querySelectorAll("main, main *, header, header *, footer, footer *")) {
    if (!seen(parent) || parent.closest("svg, .choice")) continue;
    const boxes = [...parent.children].filter((el) => {
      const style = getComputedStyle(el);
      return seen(el) && style.position !== "absolute" && style.position !== "fixed" && style.display !== "inline" && el.getAttribute("aria-hidden") !== "true" && el.textContent.trim();
    });
    for (let i = 1; i < boxes.length; i += 1) {
      cases += 1;
      const by = overlap(boxes[i - 1].getBoundingClientRect(), boxes[i].getBoundingClientRect());
      if (by > 3) said.push(`${named(boxes[i])} lies over ${named(boxes[i - 1])}`);
    }
  }
  return { cases, said: [...new Set(said)] };
}
