// Brings the live part up to date. Without it the page is loaded again now and then.

const PAUSE_MS = 2000;
const live = document.getElementById("live");
const main = document.getElementById("main");
let shown = "";

/* What a person is at must outlive the new content: the button in focus, what is unfolded. */
function place() {
  const form = document.activeElement?.closest?.("#live form");
  return {
    load: form?.elements.load?.value,
    open: [...live.querySelectorAll("details[open]")].map((one) => one.id),
    scrolls: [...live.querySelectorAll(".scroll")].map((one) => [one.scrollTop, one.scrollLeft]),
  };
}

function restore(before) {
  for (const id of before.open) document.getElementById(id)?.setAttribute("open", "");
  live.querySelectorAll(".scroll").forEach((one, i) => {
    [one.scrollTop, one.scrollLeft] = before.scrolls[i] ?? [0, 0];
  });
  if (before.load === undefined) return;
  for (const form of live.querySelectorAll("form")) {
    if (form.elements.load?.value === before.load) form.querySelector("button").focus();
  }
}

function mark(isLost) {
  let notice = document.getElementById("lost");
  if (!isLost) return notice?.remove();
  if (notice) return;
  notice = document.createElement("p");
  notice.id = "lost";
  notice.className = "notice";
  notice.dataset.tone = "bad";
  notice.setAttribute("role", "alert");
  notice.textContent = document.body.dataset.lost;
  main.insertBefore(notice, live);
}

async function update() {
  const answer = await fetch("/part", { redirect: "manual", cache: "no-store" });
  if (answer.type === "opaqueredirect") return location.assign("/login");
  if (!answer.ok) throw new Error(String(answer.status));
  const html = await answer.text();
  mark(false);
  if (html === shown) return;
  shown = html;
  const before = place();
  live.innerHTML = html;
  restore(before);
}

async function go() {
  try {
    if (!document.hidden) await update();
  } catch {
    mark(true);
  }
  setTimeout(go, PAUSE_MS);
}

setTimeout(go, PAUSE_MS);
