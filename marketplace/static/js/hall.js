// Small moves only: every page works without this file.

// A quantity field gets its two buttons unless the server drew them; changing it never submits by itself.
const step = (field, by) => {
  const least = Number(field.dataset.least), most = Number(field.dataset.most || Infinity);
  const now = Number.parseInt(field.value, 10);
  field.value = Math.min(most, Math.max(least, (Number.isNaN(now) ? least : now) + by));
  field.dispatchEvent(new Event("change", { bubbles: true }));
};

const addSteps = (root) => {
  for (const stepper of root.querySelectorAll("[data-stepper]:not([data-ready])")) {
    stepper.dataset.ready = "";
    const field = stepper.querySelector("input");
    for (const template of stepper.querySelectorAll("template")) {
      const button = template.content.firstElementChild.cloneNode(true);
      button.addEventListener("click", () => step(field, Number(button.dataset.by)));
      template.replaceWith(button);
    }
  }
};
addSteps(document);
document.addEventListener("htmx:after:swap", () => addSteps(document));

// A second press of a button that orders or pays is ignored for a while; the server would ignore it too.
const sentAt = new WeakMap();
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-once]")) return;
  const now = Date.now();
  if (now - (sentAt.get(event.target) ?? -Infinity) < 3000) event.preventDefault();
  else sentAt.set(event.target, now);
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});
