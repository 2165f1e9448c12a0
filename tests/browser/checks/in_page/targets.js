// Targets of main that are smaller than `least` px or, where that is 44, nearer than 8 px to the next one; targets of
// header and footer under 24 px. Links in a sentence are exempt.
(least) => {
  const said = [];
  const seen = (el) => el.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !el.closest(".hidden, template");
  const isInSentence = (el) => {
    if (el.tagName !== "A" || getComputedStyle(el).display !== "inline") return false;
    const around = el.parentElement.closest("p, li, dd, td, label, div");
    return around !== null && around.textContent.trim().length > el.textContent.trim().length + 3;
  };
  const box = (el) => {
    const whole = el.closest(".choice") || (el.closest("article.product, article.stall") && el.tagName === "A" && el.closest("h2, h3") ? el.closest("article") : null);
    return (whole || el).getBoundingClientRect();
  };
  const found = [...document.querySelectorAll("main a[href], main button, main input, main select, main textarea, main summary")].filter((el) => seen(el) && el.type !== "hidden" && !isInSentence(el));
  const targets = found.map((el) => ({ el, at: box(el) }));
  const named = (el) => `${el.tagName.toLowerCase()} ${JSON.stringify((el.getAttribute("aria-label") || el.innerText || el.name || "").trim().slice(0, 40))}`;
  for (const { el, at: { width, height } } of targets) {
    if (width < least - 0.5 || height < least - 0.5) said.push(`${named(el)} is ${Math.round(width)} by ${Math.round(height)} px`);
  }
  const place = (el) => `${el.tagName}.${el.className}<${el.parentElement.tagName}.${el.parentElement.className}<${el.parentElement.parentElement.className}`;
  for (const el of document.querySelectorAll("body > header a[href], body > header button, body > header input, body > footer a[href], body > footer button, .skip")) {
    if (!seen(el) || el.type === "hidden" || el.matches(".skip:not(:focus)")) continue;
    const { width, height } = el.getBoundingClientRect();
    if (width < 23.5 || height < 23.5) said.push(`${named(el)} of the frame is ${Math.round(width)} by ${Math.round(height)} px`);
  }
  const close = new Map();
  const near = (a, b) => Math.max(Math.max(a.left, b.left) - Math.min(a.right, b.right), Math.max(a.top, b.top) - Math.min(a.bottom, b.bottom));
  for (let i = 0; i < targets.length; i += 1) {
    for (let j = i + 1; j < targets.length; j += 1) {
      const [a, b] = [targets[i].at, targets[j].at];
      const inside = (x, y) => x.left >= y.left - 1 && x.right <= y.right + 1 && x.top >= y.top - 1 && x.bottom <= y.bottom + 1;
      if (inside(a, b) || inside(b, a)) continue;
      // One fault per kind of neighbours: a list of sixty shops would say it sixty times.
      if (least >= 44 && near(a, b) < 7.5) close.set(`${place(targets[i].el)} ${place(targets[j].el)}`, `${named(targets[i].el)} is ${Math.round(near(a, b))} px from ${named(targets[j].el)}`);
    }
  }
  return { cases: targets.length, said: [...new Set(said), ...close.values()] };
}
