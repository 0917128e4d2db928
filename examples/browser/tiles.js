// How a picture is cut into tiles that give what the whole picture would.

// Returns for each tile what is read (`from`) and what of it counts (`inner`), in pixels of the picture. `halo`: how far a
// restored pixel sees. `step`: tiles begin at its multiples. `most`: pixels that a tile may read.
export function tilesOf(width, height, { halo, step, most }) {
  const widest = Math.max(step, Math.floor((Math.sqrt(most) - 2 * (halo + step)) / step) * step);
  const lengths = width * height <= most ? [height, width] : [widest, widest];
  const tiles = [];
  for (let top = 0; top < height; top += lengths[0]) {
    for (let left = 0; left < width; left += lengths[1]) {
      const inner = {
        top,
        left,
        bottom: Math.min(height, top + lengths[0]),
        right: Math.min(width, left + lengths[1]),
      };
      tiles.push({ inner, from: around(inner, width, height, halo, step) });
    }
  }
  return tiles;
}

function around(inner, width, height, halo, step) {
  const start = (value) => Math.max(0, Math.floor((value - halo) / step) * step);
  return {
    top: start(inner.top),
    left: start(inner.left),
    bottom: Math.min(height, inner.bottom + halo),
    right: Math.min(width, inner.right + halo),
  };
}
