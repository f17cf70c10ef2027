// An import that shows how far it is. Without this module the form is sent in the plain way.

const form = document.getElementById("import-form");
const steps = JSON.parse(document.getElementById("import-steps").textContent);
const box = document.getElementById("progress");
const bar = box.querySelector("progress");
const text = box.querySelector("span");
const fault = document.getElementById("fault");
const count = new Intl.NumberFormat(document.documentElement.lang);

function show(step, done, total) {
  box.hidden = false;
  const word = steps[step] ?? steps[""];
  const share = total ? done / total : 0;
  if (share > 0) bar.value = share; else bar.removeAttribute("value");
  text.textContent = total ? `${word} (${count.format(total)})` : word;
}

function fail(message) {
  box.hidden = true;
  fault.textContent = message;
  fault.hidden = false;
  form.querySelector("button[type=submit]").disabled = false;
  fault.scrollIntoView({ block: "nearest" });
}

function take(line) {
  if (line.url) window.location.assign(line.url);
  else if (line.fault !== undefined) fail(line.fault);
  else show(line.step, line.done, line.total);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  fault.hidden = true;
  form.querySelector("button[type=submit]").disabled = true;
  const request = new XMLHttpRequest();
  let read = 0;
  const lines = () => {
    const whole = request.responseText.lastIndexOf("\n") + 1;
    for (const line of request.responseText.slice(read, whole).split("\n")) {
      if (line.startsWith("{")) take(JSON.parse(line));
    }
    read = Math.max(read, whole);
  };
  const plain = () => { form.submit(); }; // the way that needs no script tells what is wrong
  request.upload.addEventListener("progress", (e) => {
    if (e.lengthComputable && e.loaded < e.total) show("upload", e.loaded, e.total);
  });
  request.addEventListener("progress", lines);
  request.addEventListener("load", () => {
    const type = request.getResponseHeader("Content-Type") ?? "";
    if (type.startsWith("application/x-ndjson")) lines(); else plain();
  });
  request.addEventListener("error", plain);
  request.open("POST", form.dataset.run);
  request.send(new FormData(form));
  show("upload", 0, 0);
});
