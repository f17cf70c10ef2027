// "Read now" without leaving the page: the request is sent, and its state is looked at until it ends.

const LOOK_MS = 1000;
const RETRY_MS = 3000;
const place = document.getElementById("read-now");
let timer = null;

function show(html) {
  const hadFocus = place.contains(document.activeElement);
  place.innerHTML = html;
  if (hadFocus) place.querySelector("button:enabled, [role=status]")?.focus();
  wait(LOOK_MS);
}

function wait(ms) {
  clearTimeout(timer);
  timer = place.querySelector("[data-open]") ? setTimeout(look, ms) : null;
}

async function look() {
  try {
    const answer = await fetch(place.dataset.url, { headers: { Accept: "text/html" } });
    if (answer.ok && !answer.redirected) show(await answer.text());
    else wait(RETRY_MS);
  } catch {
    wait(RETRY_MS);
  }
}

place.addEventListener("submit", async (event) => {
  const form = event.target;
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    await fetch(form.action, { method: "POST", body: new FormData(form), redirect: "manual" });
    await look();
  } catch {
    button.disabled = false;
    form.submit();  // offline, or blocked: the browser says so itself
  }
});
wait(LOOK_MS);
