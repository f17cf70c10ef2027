// Forms with a field for the text of a label: the camera fills it in where the browser can.

import { canScan, scan } from "./scan.js";

const dialog = document.getElementById("scanner");
for (const button of canScan() ? document.querySelectorAll("[data-scan]") : []) {
  const field = button.closest("form").elements[button.dataset.scan];
  const take = (text) => { field.value = text; return true; };
  button.hidden = false;
  button.addEventListener("click", () => {
    const { scanPrompt: prompt, scanBlocked } = dialog.dataset;
    scan(dialog, [{ prompt, take }], () => { field.placeholder = scanBlocked; field.focus(); });
  });
}
