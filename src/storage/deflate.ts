/** Raw deflate (RFC 1951) of one part at a time, by what browsers and Node have built in. */
import { joined } from './joined.ts';

/** The bytes made smaller; undefined where that is not possible here or not worth it. */
export async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array | undefined> {
  const stream = made(() => new CompressionStream('deflate-raw'));
  if (stream === undefined) return undefined;
  const parts: Uint8Array[] = [];
  let length = 0;
  await pass(bytes, stream, (part) => {
    parts.push(part);
    length += part.length;
    // Longer than what it stands for: no need to go on.
    return length < bytes.length;
  });
  return length < bytes.length ? joined(parts, length) : undefined;
}

/** Inflated bytes are not those that were promised; the message says what the packed ones do. */
export class InflateError extends Error {
  override readonly name = 'InflateError';
}

/**
 * The bytes made large again: exactly `length` of them. Stops at the first byte too many, so that a part cannot
 * unpack to more than it says. Rejects with {@link InflateError}.
 */
export async function inflate(bytes: Uint8Array<ArrayBuffer>, length: number): Promise<Uint8Array> {
  const stream = made(() => new DecompressionStream('deflate-raw'));
  if (stream === undefined) throw new InflateError('needs a newer browser to be unpacked');
  const whole = new Uint8Array(length);
  let at = 0;
  let tooLong = false;
  try {
    await pass(bytes, stream, (part) => {
      tooLong = at + part.length > length;
      if (tooLong) return false;
      whole.set(part, at);
      at += part.length;
      return true;
    });
  } catch {
    throw new InflateError('cannot be unpacked');
  }
  if (tooLong) throw new InflateError('unpacks to more than it says');
  if (at < length) throw new InflateError('unpacks to less than it says');
  return whole;
}

/** Undefined where the platform does not know the format. */
function made<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

/** Sends bytes through a stream; `take` gets what comes out, and says whether more is wanted. */
async function pass(
  bytes: Uint8Array<ArrayBuffer>,
  stream: GenericTransformStream,
  take: (part: Uint8Array) => boolean,
): Promise<void> {
  const writer = (stream.writable as WritableStream<Uint8Array<ArrayBuffer>>).getWriter();
  const reader = (stream.readable as ReadableStream<Uint8Array>).getReader();
  // Rejections come by way of the reader; these are only not to be unhandled.
  writer.write(bytes).catch(() => undefined);
  writer.close().catch(() => undefined);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    if (take(value)) continue;
    await reader.cancel().catch(() => undefined);
    return;
  }
}
