// The installer's page goes on without a network: what is saved waits in the browser, is sent as
// soon as that is possible, and sent again until the server has answered. The token of each form
// lets the server see that it came already. Without this script the form works as any other.

import { canScan, scan } from "./scan.js";

const facts = JSON.parse(document.getElementById("mount-facts").textContent);
const form = document.querySelector("form[data-mount]");
const list = document.querySelector("[data-entries]");
const pending = document.querySelector("[data-pending]");
const dialog = document.getElementById("scanner");
const NUMBERS = [1, 2, 3];
const SEND_MS = 20000, FIRST_RETRY_MS = 2000, LAST_RETRY_MS = 30000, TEST_MS = 3000, TESTS_MAX = 25;
const TONES = { waiting: "warn", sending: "quiet", saved: "good", faulty: "bad", login: "bad" };

// --- what is kept in this browser ---

let entries = [];
try { entries = JSON.parse(localStorage.getItem(facts.key) ?? "[]"); } catch { entries = []; }

const keep = () => {
  const open = entries.filter((entry) => entry.state !== "saved");
  try { localStorage.setItem(facts.key, JSON.stringify(open)); } catch { /* a private window: kept in memory */ }
  const count = open.filter((entry) => entry.state !== "faulty").length;
  pending.hidden = count === 0 || navigator.onLine && count === 1;
  pending.textContent = facts.words.pending.replace("%(count)s", count);
};

const newToken = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = bytes[6] & 0x0f | 0x40;
  bytes[8] = bytes[8] & 0x3f | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
};

const csrf = () => document.cookie.match(/(?:^|; )csrftoken=([^;]*)/)?.[1] ?? form.elements.csrfmiddlewaretoken.value;

// --- the form ---

const field = (name) => form.elements[name];
const isUsed = (number) => field(`resource-${number}`).value !== "";

const showInputs = () => {
  for (const number of NUMBERS) {
    const box = form.querySelector(`[data-input="${number}"]`);
    for (const part of box.querySelectorAll("[data-used]")) part.hidden = !isUsed(number);
    const unit = facts.units[field(`resource-${number}`).value];
    box.querySelector("[data-unit]").textContent = unit ? `, ${unit}` : "";
    box.querySelector("[data-weight-shown]").textContent = field(`weight-${number}`).value || "–";
  }
};

const showErrors = (errors) => {
  for (const place of form.querySelectorAll("[data-error]")) {
    const text = errors[place.dataset.error] ?? "";
    place.textContent = text;
    place.hidden = !text;
    const input = field(place.dataset.error);
    if (text) input.setAttribute("aria-invalid", "true"); else input.removeAttribute("aria-invalid");
    if (text) input.closest("details")?.setAttribute("open", "");
  }
};

const fill = (values) => {
  for (const [name, value] of Object.entries(values)) {
    const input = field(name);
    if (!input || name === "token" || name === "csrfmiddlewaretoken") continue;
    if (input.type === "checkbox") input.checked = value === "on"; else input.value = value;
  }
  showInputs();
};

// The text of a label may carry the place and the meters; what was prepared on the server, too.
const lookUp = (text) => {
  const [device, placed = ""] = text.trim().split("@", 2);
  const serial = device.split(":")[2] ?? device;
  const known = facts.prepared[Number(serial)];
  if (known) fill({ ...Object.fromEntries(NUMBERS.map((number) => [`resource-${number}`, ""])), ...known });
  const [place, ...meters] = placed.split(";");
  if (place) fill({ place });
  for (const meter of meters) {
    const [number, rest = ""] = meter.split("=", 2);
    const [resource, serialOf, weight, dial] = rest.split(",").map((part) => part.trim());
    if (!NUMBERS.includes(Number(number))) continue;
    const given = { resource, meter: serialOf, weight, dial };
    fill(Object.fromEntries(Object.entries(given).filter((pair) => pair[1]).map(([name, value]) => [`${name}-${Number(number)}`, value])));
  }
  if (/^BALANS:M:\d+:[12]A/i.test(device)) field("adapter").checked = true;
};

const emptyFields = () => [
  "module",
  ...NUMBERS.filter(isUsed).flatMap((number) => [`meter-${number}`, `dial-${number}`]),
].map(field).filter((input) => !input.value);

const goOn = (from) => {
  const open = Array.from(form.querySelectorAll("input:not([type=hidden], [type=checkbox])")).filter((input) => input.offsetParent && !input.closest("details"));
  const next = open.slice(open.indexOf(from) + 1).find((input) => !input.value) ?? emptyFields()[0];
  if (next) next.focus(); else form.requestSubmit();
};

form.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.target.tagName !== "INPUT" || event.target.type === "checkbox") return;
  event.preventDefault();
  goOn(event.target);
});
form.addEventListener("change", (event) => {
  if (event.target.name === "module") lookUp(event.target.value);
  showInputs();
});

// --- scanning ---

const isLabel = (text) => /^balans:/i.test(text);

const scanFrom = async (first) => {
  const names = ["module", ...NUMBERS.filter(isUsed).map((number) => `meter-${number}`)];
  const wanted = [first, ...names.slice(names.indexOf(first) + 1).filter((name) => !field(name).value)];
  const targets = wanted.map((name) => ({
    prompt: facts.words.scan.replace("%(field)s", form.querySelector(`label[for="id_${name}"]`).textContent + (name === "module" ? "" : ` ${name.at(-1)}`)),
    take(text) {
      if (name !== "module" && isLabel(text)) return false;
      field(name).value = text;
      if (name === "module") lookUp(text);
      return true;
    },
    known: () => Boolean(field(name).value) || !isUsed(Number(name.at(-1))),
  }));
  await scan(dialog, targets, () => showErrors({ [first]: facts.words.blocked }));
  emptyFields()[0]?.focus();
};

if (canScan()) {
  for (const button of form.querySelectorAll("[data-scan]")) {
    button.hidden = false;
    button.addEventListener("click", () => scanFrom(button.dataset.scan));
  }
}

// --- saving ---

const placeName = (code) => Array.from(field("place").options).find((option) => option.value === code)?.textContent.replace(/ ✓$/, "") ?? code;

const check = (values) => {
  const errors = {};
  for (const name of ["place", "module"]) if (!values[name].trim()) errors[name] = facts.words[name];
  for (const number of NUMBERS.filter(isUsed)) {
    const name = `meter-${number}`;
    if (!values[name].trim()) errors[name] = facts.words.meter;
  }
  return errors;
};

const nextPlace = (code) => {
  const options = Array.from(field("place").options).filter((option) => option.value);
  const start = options.findIndex((option) => option.value === code) + 1;
  const order = [...options.slice(start), ...options.slice(0, start)];
  return (order.find((option) => !("done" in option.dataset) && option.dataset.leaf !== undefined) ?? order[0]).value;
};

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const values = Object.fromEntries(new FormData(form));
  const errors = check(values);
  showErrors(errors);
  if (Object.keys(errors).length) {
    field(Object.keys(errors)[0]).focus();
    return;
  }
  entries.unshift({ token: values.token, values, state: "waiting" });
  for (const option of field("place").options) {
    if (option.value !== values.place || "done" in option.dataset) continue;
    option.dataset.done = "";
    option.textContent += " ✓";
  }
  const empty = Object.fromEntries(NUMBERS.flatMap((number) => [[`meter-${number}`, ""], [`dial-${number}`, ""]]));
  fill({ ...empty, module: "", place: nextPlace(values.place) });
  field("token").value = newToken();
  keep();
  draw();
  (pending.hidden ? form : pending).scrollIntoView({ block: "start" });
  field("module").focus({ preventScroll: true });
  pump();
});

// --- sending ---

let busy = false;
let timer = 0;
let pauseMs = FIRST_RETRY_MS;

const send = async (entry) => {
  const body = new URLSearchParams(entry.values);
  body.delete("csrfmiddlewaretoken");
  const answer = await fetch(form.action, {
    method: "POST",
    body,
    headers: { Accept: "application/json", "X-CSRFToken": csrf() },
    credentials: "same-origin",
    signal: AbortSignal.timeout(SEND_MS),
  });
  const isJson = answer.headers.get("Content-Type")?.startsWith("application/json") ?? false;
  if (answer.status >= 500 || answer.status === 408 || answer.status === 429) throw new Error("later");
  if (answer.redirected || answer.status === 401 || answer.status === 403 || !isJson) return { state: "login" };
  const told = await answer.json();
  return answer.ok ? { state: "saved", done: told.done } : { state: "faulty", errors: told.errors };
};

async function pump() {
  clearTimeout(timer);
  if (busy) return;
  busy = true;
  let entry;
  while ((entry = entries.findLast((one) => one.state === "waiting" || one.state === "login"))) {
    const before = entry.state;
    entry.state = "sending";
    draw();
    try {
      Object.assign(entry, await send(entry));
      pauseMs = FIRST_RETRY_MS;
      keep();
      draw();
      if (entry.state === "saved") watch(entry);
      if (entry.state === "login") throw new Error("later");
    } catch {
      if (entry.state === "sending") entry.state = before === "login" ? "login" : "waiting";
      timer = setTimeout(pump, pauseMs);
      pauseMs = Math.min(2 * pauseMs, LAST_RETRY_MS);
      break;
    }
  }
  busy = false;
  keep();
  draw();
}

window.addEventListener("online", () => { pauseMs = FIRST_RETRY_MS; pump(); });
window.addEventListener("offline", keep);
window.addEventListener("beforeunload", (event) => {
  if (entries.some((entry) => ["waiting", "sending"].includes(entry.state))) event.preventDefault();
});

// --- the test reading ---

const ask = async (serial) => {
  const answer = await fetch(facts.test, {
    method: "POST",
    body: new URLSearchParams({ module: serial }),
    headers: { Accept: "application/json", "X-CSRFToken": csrf() },
    credentials: "same-origin",
    signal: AbortSignal.timeout(SEND_MS),
  });
  if (!answer.ok || answer.redirected) throw new Error("no answer");
  return answer.json();
};

async function watch(entry, show = (inputs) => { entry.tested = inputs; draw(); }) {
  for (let asked = 0; asked < TESTS_MAX; asked += 1) {
    try {
      const told = await ask(entry.done.serial);
      show(told.inputs);
      if (told.over) return;
    } catch { return; }
    await new Promise((resolve) => { setTimeout(resolve, TEST_MS); });
  }
}

const chips = (inputs) => inputs.map((one) => {
  const chip = document.createElement("span");
  chip.className = "chip";
  chip.dataset.tone = one.tone;
  chip.textContent = one.text;
  return chip;
});

for (const button of document.querySelectorAll("form[data-test]")) {
  button.addEventListener("submit", (event) => {
    event.preventDefault();
    const place = button.parentElement.querySelector("[data-tested]");
    watch({ done: { serial: button.elements.module.value } }, (inputs) => place.replaceChildren(...chips(inputs)));
  });
}

// --- the list ---

const paragraph = (text, kind = "small") => {
  const line = document.createElement("p");
  line.className = kind;
  line.textContent = text;
  return line;
};

const lines = (entry) => {
  if (entry.state === "faulty") return Object.values(entry.errors).map((text) => paragraph(text, "small bad"));
  if (entry.done) return [...entry.done.lines.map((text) => paragraph(text)), ...entry.done.note ? [paragraph(entry.done.note, "small muted")] : []];
  return [];
};

const mend = (entry) => {
  fill(entry.values);
  field("token").value = newToken();
  showErrors(entry.errors ?? {});
  drop(entry);
  form.scrollIntoView({ block: "start" });
  field(Object.keys(entry.errors ?? {})[0] ?? "module").focus({ preventScroll: true });
};

const drop = (entry) => {
  entries = entries.filter((one) => one !== entry);
  keep();
  draw();
};

function draw() {
  for (const item of list.querySelectorAll("[data-own]")) item.remove();
  const items = entries.map((entry) => {
    const item = document.getElementById("entry").content.firstElementChild.cloneNode(true);
    item.dataset.own = "";
    item.querySelector("[data-title]").textContent = entry.done?.title ?? placeName(entry.values.place);
    item.querySelector("[data-module]").textContent = entry.values.module.split("@")[0];
    const chip = item.querySelector("[data-state]");
    chip.textContent = facts.words[entry.state];
    chip.dataset.tone = TONES[entry.state];
    item.querySelector("[data-lines]").replaceChildren(...lines(entry));
    item.querySelector("[data-actions]").hidden = entry.state !== "faulty";
    item.querySelector("[data-mend]").addEventListener("click", () => mend(entry));
    item.querySelector("[data-drop]").addEventListener("click", () => { if (window.confirm(facts.words.sure)) drop(entry); });
    item.querySelector("[data-tested]").replaceChildren(...chips(entry.tested ?? []));
    return item;
  });
  list.prepend(...items);
  if (items.length) document.querySelector("[data-none]").hidden = true;
}

for (const entry of entries) if (entry.state === "sending") entry.state = "waiting";
showInputs();
keep();
draw();
pump();
