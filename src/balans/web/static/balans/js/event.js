// The page of an event: whenever the server tells of a change, the parts that show it are fetched
// anew. What the reader has unfolded, or is using right now, stays as it is.

const LOST_MS = 4_000;
const RETRY_MS = 5_000;
const REFRESH_MS = 2_000;
const root = document.querySelector("[data-event-stream]");
const offline = document.querySelector("[data-offline]");

let lostTimer = null;
let refreshTimer = null;
let refreshAt = -REFRESH_MS;

function refresh() {
  if (refreshTimer !== null) return;
  const wait = Math.max(0, refreshAt + REFRESH_MS - performance.now());
  refreshTimer = setTimeout(fetchParts, wait);
}

async function fetchParts() {
  refreshTimer = null;
  refreshAt = performance.now();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    let inUse = false;
    for (const part of document.querySelectorAll("[data-refresh]")) {
      const fresh = page.querySelector(`[data-refresh="${part.dataset.refresh}"]`);
      if (part.contains(document.activeElement)) inUse = true;
      else if (fresh && fresh.innerHTML !== part.dataset.shown) replace(part, fresh);
    }
    if (inUse) refreshTimer = setTimeout(fetchParts, 5 * REFRESH_MS);
  } catch {
    // The stream tells of the next change, and of a lost connection.
  }
}

function replace(part, fresh) {
  const unfolded = [...part.querySelectorAll("details")].map((details) => details.open);
  part.dataset.shown = fresh.innerHTML;
  part.replaceChildren(...fresh.childNodes);
  part.querySelectorAll("details").forEach((details, index) => {
    if (unfolded[index] !== undefined) details.open = unfolded[index];
  });
  document.dispatchEvent(new CustomEvent("balans:refreshed", { detail: part }));
}

function lost() {
  lostTimer ??= setTimeout(() => { offline.hidden = false; }, LOST_MS);
}

function found() {
  clearTimeout(lostTimer);
  lostTimer = null;
  if (!offline.hidden) refresh();
  offline.hidden = true;
}

function connect() {
  const source = new EventSource(root.dataset.eventStream);
  source.addEventListener("changed", refresh);
  source.addEventListener("open", found);
  source.addEventListener("error", () => {
    lost();
    // The browser reconnects by itself, except after an answer that was no stream.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
  });
  addEventListener("pagehide", () => source.close(), { once: true });
}

addEventListener("pageshow", (event) => {
  if (event.persisted) connect();
});

connect();
