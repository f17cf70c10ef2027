// Small comforts of every page; without them everything still works.

// A menu closes by Escape and by a click elsewhere.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// A date that was picked is shown at once.
for (const input of document.querySelectorAll("input[data-submit]")) {
  input.addEventListener("change", () => {
    if (input.value && input.validity.valid) input.form.requestSubmit();
  });
}

// A field that only one choice needs is put away while another is chosen.
for (const field of document.querySelectorAll("[data-only-for]")) {
  const [name, value] = field.dataset.onlyFor.split("=");
  const choice = document.getElementById(name);
  const apply = () => { field.hidden = choice.value !== value && !field.querySelector(".errors"); };
  choice.addEventListener("change", apply);
  apply();
}

// A demo account fills in the form.
for (const button of document.querySelectorAll("[data-account]")) {
  button.addEventListener("click", () => {
    const form = document.getElementById(button.dataset.form);
    form.elements.username.value = button.dataset.account;
    form.elements.password.value = button.dataset.password;
    form.requestSubmit();
  });
}

// Rows that do not matter now can be hidden.
for (const box of document.querySelectorAll("[data-filter]")) {
  const table = document.getElementById(box.dataset.filter);
  const apply = () => table.classList.toggle("filter-on", box.checked);
  box.addEventListener("change", apply);
  apply();
}
