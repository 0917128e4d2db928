// The worker: opens the model once, then restores each picture tile by tile, so that the page stays alive.

import { readMetadata } from "./metadata.js";
import { tilesOf } from "./tiles.js";

const MODEL = "model.onnx";
const LIBRARY = new URL("onnxruntime-web/", import.meta.url).href;
// What one tile may take, of the 4 GB that WebAssembly has.
const TILE_BYTES = 600e6;

let session, ort, facts;

async function open() {
  const reply = await fetch(MODEL);
  if (!reply.ok) throw new Error(`${MODEL} is missing; write it with 'unnoise export fast -o ${MODEL}'`);
  const bytes = new Uint8Array(await reply.arrayBuffer());
  facts = readMetadata(bytes);
  const adapter = self.navigator.gpu ? await self.navigator.gpu.requestAdapter().catch(() => null) : null;
  const kinds = adapter ? ["webgpu", "wasm"] : ["wasm"];
  for (const kind of kinds) {
    try {
      ort = await import(`${LIBRARY}ort.${kind}.min.mjs`);
      ort.env.wasm.wasmPaths = LIBRARY;
      ort.env.wasm.numThreads = self.crossOriginIsolated ? self.navigator.hardwareConcurrency : 1;
      ort.env.logLevel = "error";
      session = await ort.InferenceSession.create(bytes, { executionProviders: [kind] });
      return kind;
    } catch (error) {
      if (kind === kinds.at(-1)) throw error;
    }
  }
}

const opened = open().then(
  (runtime) => postMessage({ ready: `${facts.name} (${facts.licence.split(";")[0]})`, runtime }),
  (error) => postMessage({ error: `The model cannot be opened: ${error.message}.` }),
);

onmessage = async ({ data: pixels }) => {
  await opened;
  const began = performance.now();
  try {
    await restore(pixels);
    postMessage({ pixels, seconds: (performance.now() - began) / 1000 }, [pixels.data.buffer]);
  } catch (error) {
    postMessage({ error: `The picture cannot be denoised: ${error.message}.` });
  }
};

// Restores in place; alpha stays. Tiles are read from a copy, since they overlap.
async function restore(pixels) {
  const { width, height } = pixels;
  const noisy = pixels.data.slice();
  const [halo, step, perPixel] = ["halo", "size_multiple", "bytes_per_pixel"].map((key) => Number(facts[key]));
  const tiles = tilesOf(width, height, { halo, step, most: TILE_BYTES / perPixel });
  for (const [number, { from, inner }] of tiles.entries()) {
    const [rows, columns] = [from.bottom - from.top, from.right - from.left];
    const plane = rows * columns;
    const values = new Float32Array(3 * plane);
    for (let y = 0; y < rows; y++) {
      let at = 4 * ((from.top + y) * width + from.left);
      for (let x = 0; x < columns; x++, at += 4) {
        for (let c = 0; c < 3; c++) values[c * plane + y * columns + x] = noisy[at + c] / 255;
      }
    }
    const shown = new ort.Tensor("float32", values, [1, 3, rows, columns]);
    const { restored } = await session.run({ noisy: shown });
    const result = await restored.getData();
    for (let y = inner.top; y < inner.bottom; y++) {
      let at = 4 * (y * width + inner.left);
      for (let x = inner.left; x < inner.right; x++, at += 4) {
        const place = (y - from.top) * columns + x - from.left;
        // The array rounds to the nearest whole number and keeps within 0..255.
        for (let c = 0; c < 3; c++) pixels.data[at + c] = 255 * result[c * plane + place];
      }
    }
    restored.dispose();
    postMessage({ share: (number + 1) / tiles.length });
  }
}
