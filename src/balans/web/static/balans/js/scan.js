// Reads QR codes and barcodes by the camera, where the browser can. Elsewhere people type or paste.

const SAME_MS = 2500;
const LOOK_MS = 120;

export const canScan = () => "BarcodeDetector" in window && Boolean(navigator.mediaDevices?.getUserMedia);

// Asks for one text after the other. `targets` are {prompt, take(text), known()}; `take` returns false
// for a text that does not belong there; what is known by the time its turn comes is passed over.
// Ends when all are taken, or when the person says so.
export async function scan(dialog, targets, blocked) {
  const video = dialog.querySelector("[data-video]");
  const prompt = dialog.querySelector("[data-prompt]");
  let at = 0;
  let last = { text: "", time: 0 };
  let going = true;
  const show = () => { prompt.textContent = targets[at]?.prompt ?? ""; };
  const stop = () => { going = false; };
  const skip = () => {
    do at += 1; while (at < targets.length && targets[at].known?.());
    if (at < targets.length) show(); else stop();
  };

  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    blocked();
    return;
  }
  dialog.querySelector("[data-done]").onclick = stop;
  dialog.querySelector("[data-skip]").onclick = skip;
  dialog.oncancel = stop;
  video.srcObject = stream;
  dialog.showModal();
  show();
  try {
    video.play().catch(() => {});
    const detector = new window.BarcodeDetector();
    while (going && dialog.open) {
      const found = await detector.detect(video).catch(() => []);
      const text = found[0]?.rawValue.trim() ?? "";
      const now = performance.now();
      const seen = text === last.text && now - last.time < SAME_MS;
      if (text) last = { text, time: now };
      if (going && text && !seen && targets[at].take(text)) {
        navigator.vibrate?.(60);
        skip();
      }
      await new Promise((resolve) => { setTimeout(resolve, LOOK_MS); });
    }
  } catch {
    blocked();
  } finally {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
    if (dialog.open) dialog.close();
  }
}
