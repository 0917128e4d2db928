// The page: takes a picture, hands its pixels to the worker, and shows what comes back.

const drop = document.getElementById("drop");
const file = document.getElementById("file");
const state = document.getElementById("state");
const progress = document.getElementById("progress");
const save = document.getElementById("save");
const canvases = ["before", "after"].map((name) => document.getElementById(name));
// Values as the file has them: no conversion of colors, no copy on the graphics card.
const SETTINGS = { willReadFrequently: true, colorSpace: "srgb" };
const AS_STORED = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
// Browsers draw no larger canvas.
const MOST_PIXELS_A_SIDE = 16384;

const worker = new Worker("worker.js", { type: "module" });
let name = "picture";
let isReady = false;

worker.onmessage = ({ data }) => {
  if (data.error) return say(data.error);
  if (data.ready) {
    isReady = true;
    return say(`Ready: ${data.ready}, by ${data.runtime}.`);
  }
  if (data.share !== undefined) {
    progress.value = data.share;
    return say(`${Math.round(100 * data.share)} %`);
  }
  show(canvases[1], data.pixels);
  progress.hidden = true;
  offer();
  say(`Done in ${data.seconds.toFixed(1)} s.`);
};
worker.onerror = (event) => say(`The worker stopped: ${event.message || "it could not be loaded"}; reload the page.`);

function say(words) {
  state.textContent = words;
}

function show(canvas, pixels) {
  canvas.width = pixels.width;
  canvas.height = pixels.height;
  canvas.getContext("2d", SETTINGS).putImageData(pixels, 0, 0);
}

function offer() {
  canvases[1].toBlob((blob) => {
    URL.revokeObjectURL(save.href);
    save.href = URL.createObjectURL(blob);
    save.download = `${name}_denoised.png`;
    save.hidden = false;
  }, "image/png");
}

async function take(picture) {
  if (!picture) return;
  if (!isReady) return say("The model is not loaded yet; drop the picture again in a moment.");
  let bitmap;
  try {
    bitmap = await createImageBitmap(picture, AS_STORED);
  } catch {
    return say(`${picture.name} is no picture that this browser can read; give a JPEG, PNG or WebP.`);
  }
  const { width, height } = bitmap;
  if (Math.max(width, height) > MOST_PIXELS_A_SIDE) {
    return say(`${picture.name} has ${width}×${height} pixels; a browser takes at most ${MOST_PIXELS_A_SIDE} on a side.`);
  }
  const sheet = new OffscreenCanvas(width, height).getContext("2d", SETTINGS);
  sheet.drawImage(bitmap, 0, 0);
  const pixels = sheet.getImageData(0, 0, width, height);
  name = picture.name.replace(/\.[^.]*$/, "");
  show(canvases[0], pixels);
  document.getElementById("pictures").hidden = false;
  save.hidden = true;
  progress.value = 0;
  progress.hidden = false;
  say("0 %");
  worker.postMessage(pixels, [pixels.data.buffer]);
}

file.addEventListener("change", () => take(file.files[0]));
for (const kind of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files[0]);
  });
}
