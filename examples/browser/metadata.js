// Reading the texts that `unnoise export` writes into an ONNX file, which onnxruntime-web does not give.

const METADATA_PROPS = 14; // the field of ModelProto in onnx.proto: pairs of key and value
const BYTES = 2; // the wire type of texts and messages

// Returns an object of texts, from the bytes of an .onnx file.
export function readMetadata(bytes) {
  const found = {};
  for (const [field, content] of messages(bytes)) {
    if (field !== METADATA_PROPS) continue;
    const pair = [...messages(content)].map(([, text]) => new TextDecoder().decode(text));
    found[pair[0]] = pair[1] ?? "";
  }
  if (!found.halo || !found.size_multiple) throw new Error("it is no file that 'unnoise export' wrote, or it sees without bound");
  return found;
}

// The fields of a protobuf message that hold bytes, with their numbers.
function* messages(bytes) {
  let at = 0;
  const number = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = number();
    const kind = key % 8;
    if (kind === BYTES) {
      const length = number();
      yield [Math.floor(key / 8), bytes.subarray(at, at + length)];
      at += length;
    } else if (kind === 0) number();
    else at += kind === 1 ? 8 : 4;
  }
}
