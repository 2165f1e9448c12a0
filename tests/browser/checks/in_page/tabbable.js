// Numbers every control that Tab must reach, in the order of the page; answers how many.
() => {
  const all = document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']");
  const groups = new Set();
  let qty = 0;
  for (const el of all) {
    delete el.dataset.tab;
    // A control that was taken out of the order (tabindex -1) is missed all the same.
    if (el.disabled || el.type === "hidden" || el.closest("template")) continue;
    if (!el.checkVisibility({ visibilityProperty: true })) continue;
    if (el.type === "radio") {
      const group = [...document.querySelectorAll(`input[type=radio][name="${CSS.escape(el.name)}"]`)];
      const chosen = group.find((one) => one.checked);
      if (chosen ? el !== chosen : groups.has(el.name)) continue;
      groups.add(el.name);
    }
    el.dataset.tab = String(qty);
    qty += 1;
  }
  return qty;
}
