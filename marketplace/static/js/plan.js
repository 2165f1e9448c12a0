// The plan works without this file. With it, the pin moves without a new page, and a device that knows where it is
// can put the pin there. (htmx does not send the spot of a picture that was pressed.)
const show = () => {
  const box = document.querySelector("[data-here]");
  if (box) box.hidden = !(window.isSecureContext && "geolocation" in navigator);
};
show();

// One press after the other: each starts from where the last one has put the pin.
let isMoving = false;

const move = async (form, sent) => {
  isMoving = true;
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(sent) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("#plan");
    if (!answer.ok || !fresh) throw new Error(answer.statusText);
    const focused = document.activeElement?.id;
    document.querySelector("#plan").replaceWith(document.adoptNode(fresh));
    show();
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    document.querySelector("#annonce").textContent = document.querySelector("#pin").textContent.trim();
  } catch {
    window.location.assign(form.action); // what is true now, or why there is no answer
  } finally {
    isMoving = false;
  }
};

const locate = (form, button) => {
  const waits = form.querySelector("[data-here-waits]"), fails = form.querySelector("[data-here-fails]");
  waits.hidden = false;
  fails.hidden = true;
  navigator.geolocation.getCurrentPosition(
    ({ coords }) => {
      form.elements.here_lat.value = coords.latitude.toFixed(6);
      form.elements.here_lon.value = coords.longitude.toFixed(6);
      form.requestSubmit(button);
    },
    () => {
      waits.hidden = true;
      fails.hidden = false;
    },
    { enableHighAccuracy: true, timeout: 15000, maximumAge: 60000 },
  );
};

document.addEventListener("submit", (event) => {
  const form = event.target, button = event.submitter;
  if (!button || !form.matches("[data-in-place]")) return;
  if (button.id === "here" && !form.elements.here_lat.value) {
    event.preventDefault();
    locate(form, button);
    return;
  }
  const sent = new FormData(form, button);
  if (button.type === "image" && !sent.has(`${button.name}.x`)) return; // an older browser: a page of its own, then
  event.preventDefault();
  if (!isMoving) move(form, sent);
});
