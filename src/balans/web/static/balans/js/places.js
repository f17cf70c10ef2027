// A field for a place becomes a combobox: what is typed is searched on the server, the name is
// shown, the code is sent. Without this script the field takes a code or a name as it is typed.

const WAIT_MS = 200;

for (const box of document.querySelectorAll("[data-place]")) upgrade(box);

function upgrade(box) {
  const input = box.querySelector("input");
  const told = box.querySelector("[data-place-path]");
  const code = Object.assign(document.createElement("input"), { type: "hidden", name: input.name, value: input.value });
  const list = Object.assign(document.createElement("ul"), { id: `${input.id}_hits`, className: "place-list" });
  const note = Object.assign(document.createElement("p"), { className: "place-note" });
  const popup = Object.assign(document.createElement("div"), { className: "place-hits", hidden: true });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", box.querySelector("label").textContent);
  note.setAttribute("role", "status");
  popup.append(list, note);
  input.removeAttribute("name");
  input.removeAttribute("list");
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", list.id]]) {
    input.setAttribute(name, value);
  }
  if (box.dataset.name) input.value = box.dataset.name;
  input.after(code, popup);

  let timer = null, latest = 0, active = -1;
  const options = () => [...list.querySelectorAll("[role=option]")];
  const isOpen = () => !popup.hidden;

  const close = () => {
    popup.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const open = () => {
    popup.hidden = false;
    input.setAttribute("aria-expanded", "true");
  };
  const point = (index) => {
    const all = options();
    if (!all.length) return;
    active = (index + all.length) % all.length;
    all.forEach((one, n) => one.setAttribute("aria-selected", String(n === active)));
    input.setAttribute("aria-activedescendant", all[active].id);
    all[active].scrollIntoView({ block: "nearest" });
  };
  const tell = (place) => {
    told.textContent = place ? [place.path, place.name].filter(Boolean).join(" / ") : "";
  };
  const choose = (place) => {
    clearTimeout(timer);
    latest += 1;
    code.value = place.code;
    input.value = place.name;
    input.removeAttribute("aria-invalid");
    tell(place);
    close();
  };

  const say = (text) => {
    note.textContent = text;
    note.hidden = !text;
    active = -1;
    open();
  };
  const show = (found) => {
    list.replaceChildren(...found.places.map((place, n) => {
      const item = document.createElement("li");
      item.id = `${list.id}_${n}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      const name = Object.assign(document.createElement("b"), { textContent: place.name });
      const path = Object.assign(document.createElement("span"), { textContent: [place.path, place.code].filter(Boolean).join(" · ") });
      item.append(name, path);
      item.addEventListener("mousedown", (event) => event.preventDefault());
      item.addEventListener("click", () => choose(place));
      return item;
    }));
    list.hidden = !found.places.length;
    say(list.hidden ? box.dataset.none : found.more ? box.dataset.more : "");
  };

  const search = async (text) => {
    const number = latest += 1;
    const asked = new URL(box.dataset.place, location.href);
    asked.searchParams.set("q", text);
    const programme = input.form?.elements.programme?.value;
    if (programme) asked.searchParams.set("programme", programme);
    try {
      const answer = await fetch(asked, { headers: { Accept: "application/json" } });
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      const found = await answer.json();
      if (number === latest && document.activeElement === input) show(found);
    } catch {
      if (number !== latest) return;
      list.replaceChildren();
      list.hidden = true;
      say(box.dataset.lost);
    }
  };
  const searchSoon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => search(input.value.trim()), WAIT_MS);
  };

  input.addEventListener("input", () => {
    code.value = input.value.trim();
    tell(null);
    searchSoon();
  });
  // What was typed and not chosen yet is searched; once a place is chosen, all are offered.
  const offer = () => search(code.value === input.value.trim() ? code.value : "");
  input.addEventListener("click", () => { if (!isOpen()) offer(); });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (isOpen()) point(active + (event.key === "ArrowDown" ? 1 : active < 0 ? 0 : -1));
      else offer();
    } else if (event.key === "Enter" && isOpen() && active >= 0) {
      event.preventDefault();
      options()[active].click();
    } else if (event.key === "Escape" && isOpen()) {
      event.preventDefault();
      close();
    }
  });
}
