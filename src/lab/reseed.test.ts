import { describe, expect, it } from 'vitest';
import { ControlChannel } from './control-channel.ts';
import { encodeFrame } from './guest-frames.ts';
import { reseeded } from './reseed.ts';

const [EXEC, PING, EXIT, HELLO] = [1, 3, 0x82, 0x83];
const u32 = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);

/** A machine that goes on, with an agent of that version; `end` ends its command. */
function guest(version: number) {
  const types: number[] = [];
  let end = () => {};
  const control = new ControlChannel((bytes) => {
    const [type, id] = [bytes[4] ?? 0, new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true)];
    types.push(type);
    if (type === PING) queueMicrotask(() => control.receive(encodeFrame(HELLO, id, u32(version))));
    if (type === EXEC) end = () => control.receive(encodeFrame(EXIT, id, u32(1)));
  });
  control.meetRunning();
  return { control, types, end: () => end() };
}

describe('a guest that goes on', () => {
  it('runs nothing for random numbers of its own', async () => {
    const { control, types } = guest(2);
    await reseeded(control);
    expect(types).toEqual([PING]);
  });

  it('runs a program where its agent is one that does not see to it, and goes on if that fails', async () => {
    const { control, types, end } = guest(1);
    let isDone = false;
    const done = reseeded(control).then(() => (isDone = true));
    await new Promise((resolve) => setTimeout(resolve));
    expect(types).toEqual([PING, EXEC]);
    expect(isDone).toBe(false);
    end();
    await done;
  });

  it('is not waited for when the machine is switched off', async () => {
    const { control } = guest(1);
    const done = reseeded(control);
    control.close('The machine is off.');
    await expect(done).rejects.toThrow('The machine is off.');
  });
});
