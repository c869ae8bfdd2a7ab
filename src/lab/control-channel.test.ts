import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ControlChannel, MAX_OUTPUT_BYTES } from './control-channel.ts';

afterEach(() => vi.useRealTimers());

interface Frame {
  type: number;
  id: number;
  payload: Uint8Array;
}

function frame(
  type: number,
  id: number,
  payload: Uint8Array | string | number = new Uint8Array(0),
): Uint8Array {
  const bytes =
    typeof payload === 'string'
      ? new TextEncoder().encode(payload)
      : typeof payload === 'number'
        ? new Uint8Array(Int32Array.of(payload).buffer)
        : payload;
  const whole = new Uint8Array(16 + bytes.length);
  const view = new DataView(whole.buffer);
  view.setUint32(0, 0x4d564e4c, true);
  view.setUint8(4, type);
  view.setUint32(8, id, true);
  view.setUint32(12, bytes.length, true);
  whole.set(bytes, 16);
  return whole;
}

const HELLO = frame(0x83, 0, 2);

function channel() {
  const sent: Frame[] = [];
  const control = new ControlChannel((bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    expect(new TextDecoder().decode(bytes.subarray(0, 4))).toBe('LNVM');
    expect([...bytes.subarray(5, 8)]).toEqual([0, 0, 0]);
    expect(view.getUint32(12, true)).toBe(bytes.length - 16);
    sent.push({ type: view.getUint8(4), id: view.getUint32(8, true), payload: bytes.slice(16) });
  });
  return { control, sent, id: () => sent.at(-1)?.id ?? -1 };
}

describe('exec', () => {
  it('resolves with the status and the output, whatever the pieces', async () => {
    const { control, sent, id } = channel();
    const result = control.exec('echo ä');
    expect(sent).toMatchObject([{ type: 1, payload: new TextEncoder().encode('echo ä') }]);
    const answer = [...frame(0x81, id(), 'one '), ...frame(0x81, id(), 'zwä'), ...frame(0x82, id(), 3)];
    for (const byte of answer) control.receive(Uint8Array.of(byte));
    expect(await result).toEqual({ status: 3, output: 'one zwä' });
  });

  it('keeps commands apart, and streams', async () => {
    const { control, sent } = channel();
    const streamed: string[] = [];
    const a = control.exec('a', { onoutput: (bytes) => streamed.push(new TextDecoder().decode(bytes)) });
    const b = control.exec('b');
    const [first, second] = sent.map(({ id }) => id);
    control.receive(frame(0x81, second ?? 0, 'B'));
    control.receive(frame(0x81, first ?? 0, 'A'));
    control.receive(frame(0x82, second ?? 0, -1));
    control.receive(frame(0x82, first ?? 0, 0));
    expect(await a).toEqual({ status: 0, output: 'A' });
    expect(await b).toEqual({ status: -1, output: 'B' });
    expect(streamed).toEqual(['A']);
  });

  it('kills a command that takes too long, and forgets it', async () => {
    vi.useFakeTimers();
    const { control, sent, id } = channel();
    const result = control.exec('sleep\n 100', { timeoutMs: 500 });
    const rejected = expect(result).rejects.toThrow(
      'The command "sleep 100" was ended because it took longer than 500 ms.',
    );
    vi.advanceTimersByTime(501);
    await rejected;
    expect(sent.at(-1)).toMatchObject({ type: 2, id: sent[0]?.id });
    control.receive(frame(0x82, id(), 137));
  });

  it('rejects with what the guest says', async () => {
    const { control, id } = channel();
    const result = control.exec('x');
    control.receive(frame(0x84, id(), 'too many\r\n\x1b[2Jcommands.'));
    await expect(result).rejects.toThrow('The guest refused a command: too many [2Jcommands.');
  });

  it('refuses what the guest would', async () => {
    const { control, sent } = channel();
    await expect(control.exec('a\0b')).rejects.toThrow('The command holds a NUL character.');
    await expect(control.exec('a'.repeat(1024 * 1024 + 1))).rejects.toThrow(
      'The command is longer than 1 MiB.',
    );
    expect(sent).toEqual([]);
  });

  it('keeps 16 MiB of output and says what it dropped', async () => {
    const { control, id } = channel();
    let streamed = 0;
    const result = control.exec('yes', { onoutput: (bytes) => (streamed += bytes.length) });
    const piece = frame(0x81, id(), new Uint8Array(1024 * 1024 - 1).fill(0x61));
    for (let i = 0; i < 17; i++) control.receive(piece);
    control.receive(frame(0x82, id(), 0));
    const { output } = await result;
    const dropped = 17 * (1024 * 1024 - 1) - MAX_OUTPUT_BYTES;
    expect(streamed).toBe(17 * (1024 * 1024 - 1));
    expect(output.slice(MAX_OUTPUT_BYTES - 1)).toBe(`a\n[${dropped} more bytes of output were dropped]\n`);
  });

  it('rejects when its bytes cannot be sent', async () => {
    const control = new ControlChannel(() => {
      throw new Error('The machine is off.');
    });
    await expect(control.exec('x')).rejects.toThrow('The machine is off.');
    expect(() => control.ping()).not.toThrow();
  });
});

describe('wake', () => {
  it.each([
    [0, true],
    [1, false],
  ])('resolves at status %i with %s', async (status, isThere) => {
    const { control, sent, id } = channel();
    const woken = control.wake(256);
    expect(sent.map(({ type, payload }) => [type, [...payload]])).toEqual([[7, [0, 1]]]);
    // What is asked meanwhile has another number.
    void control.exec('x');
    control.receive(frame(0x82, id(), 5));
    control.receive(frame(0x82, sent[0]?.id ?? 0, status));
    expect(await woken).toBe(isThere);
  });

  it('rejects with what the guest says, when the agent starts anew, and when the channel is closed', async () => {
    const { control, id } = channel();
    const refused = control.wake(1);
    control.receive(frame(0x84, id(), 'unknown frame type'));
    await expect(refused).rejects.toThrow('The guest refused a command: unknown frame type.');
    control.meetRunning();
    const lost = control.wake(1);
    control.receive(HELLO);
    await expect(lost).rejects.toThrow('was restarted');
    const waiting = control.wake(1);
    control.close('The machine is off.');
    await expect(waiting).rejects.toThrow('The machine is off.');
    await expect(control.wake(1)).rejects.toThrow('The machine is off.');
  });
});

describe('ready', () => {
  it.each([1, 2])('resolves at the first hello of version %i', async (version) => {
    const { control } = channel();
    control.receive(frame(0x83, 0, version));
    expect(await control.ready).toBe(version);
  });

  it('comes with an answer from an agent that was there before the channel', async () => {
    const { control, sent, id } = channel();
    const begun: string[] = [];
    control.onagentstart = () => {
      begun.push('start');
      control.addEntropy(Uint8Array.of(7));
    };
    control.meetRunning();
    // What the agent has to be told comes before the question.
    expect(sent.map(({ type }) => type)).toEqual([6, 3]);
    control.receive(frame(0x83, id(), 2));
    expect(await control.ready).toBe(2);
    expect(begun).toEqual(['start']);
    // It starts anew: what it was doing is lost.
    const result = control.exec('x');
    control.receive(HELLO);
    await expect(result).rejects.toThrow('was restarted');
    expect(begun).toEqual(['start', 'start']);
    expect(sent.map(({ type }) => type)).toEqual([6, 3, 1, 6]);
  });

  it('comes with no other answer, as only this one says that the agent was told', async () => {
    const { control, sent, id } = channel();
    let isReady = false;
    void control.ready.then(() => (isReady = true));
    control.onagentstart = () => control.addEntropy(Uint8Array.of(7));
    const before = 41;
    control.meetRunning(before);
    const [asked, beat] = [id(), control.ping()];
    // What another channel asked; another sign of life; an agent that starts, and knows nothing yet.
    for (const other of [before, beat, 0]) control.receive(frame(0x83, other, 2));
    expect(sent.map(({ type }) => type)).toEqual([6, 3, 3, 6, 3]);
    control.receive(frame(0x83, asked, 2));
    await Promise.resolve();
    expect(isReady).toBe(false);
    control.receive(frame(0x83, id(), 2));
    await control.ready;
    // Nothing more has to be told, and it takes commands.
    const result = control.exec('x');
    expect(sent.slice(5).map(({ type }) => type)).toEqual([1]);
    control.receive(frame(0x82, id(), 0));
    expect(await result).toEqual({ status: 0, output: '' });
  });

  it('does not keep a command waiting that comes before it', async () => {
    const { control, sent, id } = channel();
    control.meetRunning();
    const result = control.exec('x');
    expect(sent.map(({ type }) => type)).toEqual([3, 1]);
    control.receive(frame(0x82, id(), 0));
    expect(await result).toEqual({ status: 0, output: '' });
  });

  it.each([0, 3])('rejects when the agent speaks version %i', async (version) => {
    const { control } = channel();
    control.receive(frame(0x83, 0, version));
    await expect(control.ready).rejects.toThrow(
      `The guest's agent speaks version ${version}, and this page 1 to 2.`,
    );
  });
});

describe('close', () => {
  it('rejects everything that waits, and everything after', async () => {
    const { control, sent, id } = channel();
    const result = control.exec('x', { timeoutMs: 10_000 });
    const answer = frame(0x82, id(), 0);
    const reason = new Error('The machine is off.');
    control.close(reason);
    control.close('again');
    await expect(result).rejects.toBe(reason);
    await expect(control.ready).rejects.toBe(reason);
    await expect(control.exec('y')).rejects.toBe(reason);
    control.receive(answer);
    control.ping();
    control.winsize(0, 80, 25);
    expect(sent.length).toBe(1);
  });

  it('may happen in the middle of what it receives', () => {
    const { control, id } = channel();
    const result = control.exec('x', { onoutput: () => control.close('enough') });
    control.receive(Uint8Array.from([...frame(0x81, id(), 'a'), ...frame(0x81, id(), 'b'), ...HELLO]));
    return expect(result).rejects.toThrow('enough');
  });
});

it('sends sizes, the clock, entropy and pings as the protocol has them', () => {
  const { control, sent } = channel();
  control.winsize(1, 300, 50);
  control.setClock(0x1_2345_6789);
  control.addEntropy(Uint8Array.of(1, 255));
  const asked = control.ping();
  expect(sent.at(-1)?.id).toBe(asked);
  expect(sent.map(({ type, payload }) => [type, [...payload]])).toEqual([
    [4, [1, 0, 0x2c, 0x01, 50, 0]],
    [5, [0x89, 0x67, 0x45, 0x23, 1, 0, 0, 0]],
    [6, [1, 255]],
    [3, []],
  ]);
});

describe('a hostile guest', () => {
  it('cannot make it throw, and it finds the next frame', async () => {
    const noise = fc.array(fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constant(frame(0x81, 7, 'LNVM'))));
    await fc.assert(
      fc.asyncProperty(noise, async (pieces) => {
        const { control } = channel();
        for (const piece of pieces) control.receive(piece);
        // What came before may look like a header that claims up to 1 MiB: give it that much.
        control.receive(new Uint8Array(1024 * 1024 + 32));
        control.receive(HELLO);
        expect(await control.ready).toBe(2);
      }),
      { numRuns: 40 },
    );
  });

  it('cannot hide a frame behind garbage, a half magic or a refused header', async () => {
    const { control } = channel();
    const tooLong = frame(0x81, 1);
    new DataView(tooLong.buffer).setUint32(12, 1024 * 1024 + 1, true);
    const notZero = frame(0x81, 1);
    notZero[6] = 1;
    const garbage = new TextEncoder().encode('LNV LNLNVLNV\r\n[  0.0] printk');
    for (const bytes of [garbage, tooLong, notZero, garbage, HELLO]) control.receive(bytes);
    expect(await control.ready).toBe(2);
  });

  it('cannot answer for a command that is not there, or with the wrong size', () => {
    const { control, id } = channel();
    void control.exec('x');
    for (const bytes of [
      frame(0x82, 99, 0),
      frame(0x82, id(), 'long one'),
      frame(0x81, 99, 'x'),
      frame(0x83, 0, 'xx'),
    ]) {
      control.receive(bytes);
    }
    control.receive(frame(0x55, 1, 'unknown'));
  });
});
