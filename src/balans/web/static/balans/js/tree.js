// The object tree opens in place. Without this script every node still leads to its own page.

for (const tree of document.querySelectorAll("ul.tree")) {
  show(tree);
  tree.addEventListener("click", (event) => {
    const button = event.target.closest("button.tree-toggle");
    if (button) toggle(button);
  });
}

function show(part) {
  for (const button of part.querySelectorAll("button.tree-toggle")) button.hidden = false;
}

async function toggle(button) {
  const item = button.closest("li");
  const open = button.getAttribute("aria-expanded") === "true";
  const level = item.querySelector(":scope > ul");
  if (level) level.hidden = open;
  else if (!await load(button, item)) return;
  button.setAttribute("aria-expanded", String(!open));
}

async function load(button, item) {
  if (button.getAttribute("aria-busy") === "true") return false;
  button.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(button.dataset.below, { headers: { "X-Requested-With": "fetch" } });
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    const template = document.createElement("template");
    template.innerHTML = await answer.text();
    const level = template.content.querySelector("ul");
    item.append(level);
    show(level);
    return true;
  } catch {
    location.assign(item.querySelector("a").href);
    return false;
  } finally {
    button.removeAttribute("aria-busy");
  }
}
