// The live page. Every text comes from the server in the reader's language; this only puts it
// where it belongs: [data-live] names the key of a text, [data-live-attrs] "attribute:key …".

const ANNOUNCE_MS = 10_000;
const LOST_MS = 4_000;
const RETRY_MS = 5_000;
const SILENT_S = 10;
const REFRESH_MS = 10_000;
const root = document.querySelector("[data-stream]");
const offline = document.querySelector("[data-offline]");
const announcer = document.querySelector("[data-announce]");
const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { style: "short" });
const state = JSON.parse(document.getElementById("live-state").textContent);

let seen = performance.now();
let announcedAt = -ANNOUNCE_MS;
let lostTimer = null;
let lastId = root.dataset.from;

function put(changes) {
  Object.assign(state, changes);
  for (const element of root.querySelectorAll("[data-live]")) {
    const text = changes[element.dataset.live];
    if (text !== undefined && element.textContent !== text) element.textContent = text;
  }
  for (const element of root.querySelectorAll("[data-live-attrs]")) {
    for (const pair of element.dataset.liveAttrs.split(" ")) {
      const at = pair.indexOf(":");
      const value = changes[pair.slice(at + 1)];
      if (value !== undefined) attribute(element, pair.slice(0, at), value);
    }
  }
  arrange();
  seen = performance.now();
  announce();
}

// What is off stands first; within both parts the order of the page holds.
function arrange() {
  const body = root.querySelector("#loads tbody");
  if (!body) return;
  const rank = (row) => (row.dataset.on === "false" ? 0 : 1e6) + Number(row.dataset.order);
  const rows = [...body.rows];
  const sorted = rows.toSorted((a, b) => rank(a) - rank(b));
  if (sorted.some((row, index) => row !== rows[index])) body.append(...sorted);
}

function attribute(element, name, value) {
  if (name === "hidden") element.hidden = value === "";
  else element.setAttribute(name, value);
}

function announce() {
  const now = performance.now();
  if (!announcer || now - announcedAt < ANNOUNCE_MS || announcer.textContent === state.announce) return;
  announcedAt = now;
  announcer.textContent = state.announce;
}

// Between two states the seconds run on by themselves.
function tick() {
  const elapsed_s = (performance.now() - seen) / 1000;
  for (const element of root.querySelectorAll("[data-left-s]")) {
    const left = Number.parseFloat(element.dataset.leftS);
    if (Number.isNaN(left)) continue;
    element.textContent = duration(Math.max(0, Math.round(left - elapsed_s * Number(state.speed))));
  }
  for (const element of root.querySelectorAll("[data-age-s]")) {
    const age = Number.parseFloat(element.dataset.ageS);
    if (!Number.isNaN(age)) element.textContent = ago(age + elapsed_s);
  }
  // The server says when a state grows old; if even that does not come, nothing does.
  const limit_s = Number(state["site.stale_s"]) + SILENT_S;
  const silent = state["site.freshness"] === "fresh" && Number(state["site.age_s"]) + elapsed_s > limit_s;
  mark(silent || !offline.hidden);
}

function duration(seconds) {
  const parts = {
    hours: Math.floor(seconds / 3600), minutes: Math.floor(seconds / 60) % 60, seconds: seconds % 60,
  };
  const size = seconds < 60 ? "seconds" : seconds < 3600 ? "minutes" : "hours";
  return state[`form.${size}`].replace(/%\((\w+)\)d/g, (_, part) => parts[part]);
}

function ago(age_s) {
  if (age_s < 90) return relative.format(-Math.round(age_s), "second");
  if (age_s < 5400) return relative.format(-Math.round(age_s / 60), "minute");
  if (age_s < 129_600) return relative.format(-Math.round(age_s / 3600), "hour");
  return relative.format(-Math.round(age_s / 86_400), "day");
}

// Parts that change seldom, such as the plan, are fetched with the page they stand on. What the
// reader has unfolded, or is using right now, stays as it is.
let refreshAt = -REFRESH_MS;
let refreshTimer = null;
function refresh() {
  if (refreshTimer !== null || !root.querySelector("[data-refresh]")) return;
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
    for (const part of root.querySelectorAll("[data-refresh]")) {
      const fresh = page.querySelector(`[data-refresh="${part.dataset.refresh}"]`);
      if (part.contains(document.activeElement)) inUse = true;
      else if (fresh) replace(part, fresh);
    }
    if (inUse) refresh();
    else root.dataset.parts = page.querySelector("[data-stream]").dataset.parts;
  } catch {
    // The stream tells of the next change, and of a lost connection.
  }
}

function replace(part, fresh) {
  const unfolded = [...part.querySelectorAll("details")].map((details) => details.open);
  part.replaceChildren(...fresh.childNodes);
  part.querySelectorAll("details").forEach((details, index) => {
    if (unfolded[index] !== undefined) details.open = unfolded[index];
  });
  document.dispatchEvent(new CustomEvent("balans:refreshed", { detail: part }));
}

// While nothing is heard, the page shows no state as the present one.
function mark(isLost) {
  root.toggleAttribute("data-lost", isLost);
}

function lost() {
  if (lostTimer !== null) return;
  lostTimer = setTimeout(() => {
    offline.hidden = false;
    mark(true);
  }, LOST_MS);
}

function found() {
  clearTimeout(lostTimer);
  lostTimer = null;
  offline.hidden = true;
  mark(false);
}

function connect() {
  const url = lastId ? `${root.dataset.stream}?from=${lastId}` : root.dataset.stream;
  const source = new EventSource(url);
  const on = (name, act) => source.addEventListener(name, (event) => {
    if (event.lastEventId) lastId = event.lastEventId;
    act(JSON.parse(event.data));
  });
  on("state", put);
  on("samples", (detail) => document.dispatchEvent(new CustomEvent("balans:samples", { detail })));
  on("twin", ({ html }) => {
    const twin = document.getElementById("live-twin");
    if (twin) twin.innerHTML = html;
  });
  on("log", ({ html }) => {
    const log = document.getElementById("log");
    if (log) log.innerHTML = html;
  });
  on("parts", ({ version }) => {
    if (version !== root.dataset.parts) refresh();
  });
  source.addEventListener("open", found);
  source.addEventListener("error", () => {
    lost();
    // The browser reconnects by itself, except after an answer that was no stream.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
  });
  addEventListener("pagehide", () => source.close(), { once: true });
}

// A page that the browser had put aside has lost its stream and comes back with an old state.
addEventListener("pageshow", (event) => {
  if (event.persisted) connect();
});

setInterval(tick, 1000);
tick();
connect();
