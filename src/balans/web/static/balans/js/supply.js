// A page of disconnecting: while something is under way its state is looked at, and the parts that
// show it are put in anew. What the reader is filling in stays as it is.

const RETRY_MS = 5000;
const USED_MS = 2000;
const said = document.querySelector("main > .notice[role=status]"); // of the state before

function isInUse(part) {
  const fields = part.querySelectorAll("input:not([type=hidden]), textarea");
  return part.contains(document.activeElement)
    || [...fields].some((field) => (field.type === "checkbox" ? field.checked : field.value));
}

function isSame(part, fresh) {
  return fresh.textContent === part.textContent && fresh.dataset.of === part.dataset.of;
}

function waitMs() {
  return Number(document.querySelector("[data-under-way]")?.dataset.underWay ?? 0);
}

async function look() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return wait(RETRY_MS);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    let inUse = false;
    for (const part of document.querySelectorAll("[data-refresh]")) {
      const fresh = page.querySelector(`[data-refresh="${part.dataset.refresh}"]`);
      if (!fresh || isSame(part, fresh)) continue;
      if (isInUse(part)) inUse = true;
      else {
        part.replaceChildren(...fresh.childNodes);
        if (fresh.dataset.of) part.dataset.of = fresh.dataset.of;
        if (part.dataset.refresh === "state") said?.remove();
      }
    }
    return wait(waitMs() || (inUse ? USED_MS : 0));
  } catch {
    return wait(RETRY_MS);
  }
}

function wait(ms) {
  if (ms) setTimeout(look, ms);
}

wait(waitMs());
