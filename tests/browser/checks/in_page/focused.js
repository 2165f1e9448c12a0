// What has the focus now: its number, its ring, and whether something lies over it.
() => {
  const el = document.activeElement;
  if (!el || el === document.body || el === document.documentElement) return null;
  const rgb = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const light = (c) => c.slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const ground = (from) => {
    for (let node = from; node; node = node.parentElement) {
      const c = rgb(getComputedStyle(node).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const carrier = el.closest(".choice") || el;
  const style = getComputedStyle(carrier);
  const width = style.outlineStyle === "none" ? 0 : Number.parseFloat(style.outlineWidth);
  const inside = Number.parseFloat(style.outlineOffset) < 0;
  const ring = contrast(rgb(style.outlineColor), ground(inside ? carrier : carrier.parentElement));
  const box = [...el.getClientRects()].find((r) => r.width > 1 && r.height > 1) || el.getBoundingClientRect();
  const inset = Math.min(4, box.width / 4, box.height / 4);
  const points = [[box.left + inset, box.top + inset], [box.right - inset, box.bottom - inset], [box.left + box.width / 2, box.top + box.height / 2]];
  const covered = points.some(([x, y]) => {
    const hit = document.elementFromPoint(x, y);
    // No hit: that corner of a large box lies outside of the window.
    if (!hit || hit === el || el.contains(hit) || hit.contains(el)) return false;
    return hit.closest("label")?.control !== el;
  });
  return {
    tab: el.dataset.tab ?? null,
    parted: el.type === "date" || el.type === "time",
    group: el.type === "radio" ? el.name : "",
    name: `${el.tagName.toLowerCase()} ${JSON.stringify((el.getAttribute("aria-label") || el.innerText || el.name || el.id || "").trim().slice(0, 40))}`,
    width, ring: Math.round(ring * 100) / 100, covered,
  };
}
