import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ByteGatherer, ByteQueue } from './byte-queue.ts';
import { SerialPort, VirtioConsolePort } from './channels.ts';
import type { V86VirtioConsole } from './v86-types.ts';

afterEach(() => vi.useRealTimers());

describe('ByteQueue and ByteGatherer', () => {
  it('hand on what they were given', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 })),
        fc.integer({ min: 1, max: 50 }),
        (pieces, count) => {
          const queue = new ByteQueue();
          const gatherer = new ByteGatherer();
          for (const piece of pieces) queue.push(piece);
          const whole = pieces.flatMap((piece) => [...piece]);
          expect(queue.length).toBe(whole.length);
          while (queue.length > 0) {
            const taken = queue.take(count);
            expect(taken.length).toBeGreaterThan(0);
            expect(taken.length).toBeLessThanOrEqual(count);
            if (taken.length === 1) gatherer.push(taken[0] ?? 0);
            else gatherer.append(taken);
          }
          expect([...gatherer.take()]).toEqual(whole);
          expect(gatherer.length).toBe(0);
        },
      ),
    );
  });

  it('keep a copy', () => {
    const queue = new ByteQueue();
    const bytes = Uint8Array.of(1, 2);
    queue.push(bytes);
    bytes[0] = 9;
    expect([...queue.take(9)]).toEqual([1, 2]);
    expect(queue.take(9).length).toBe(0);
  });

  it('gather a megabyte', () => {
    const gatherer = new ByteGatherer();
    for (let i = 0; i < 1_000_000; i++) gatherer.push(i & 0xff);
    const taken = gatherer.take();
    expect(taken.length).toBe(1_000_000);
    expect(taken[999_999]).toBe(999_999 & 0xff);
  });
});

describe('SerialPort', () => {
  function port() {
    const uart = { input: [] as number[], modem_control: 0 };
    const bursts: number[] = [];
    const serial = new SerialPort('ttyS0', uart, (bytes) => {
      bursts.push(bytes.length);
      uart.input.push(...bytes);
    });
    return { uart, bursts, serial };
  }
  const hundred = new Uint8Array(100);

  it('gives the next burst when the last was read', () => {
    const { uart, bursts, serial } = port();
    serial.send(hundred);
    serial.pump();
    expect(bursts).toEqual([64]);
    uart.input.length = 1;
    serial.pump();
    expect(bursts).toEqual([64]);
    uart.input.length = 0;
    serial.pump();
    expect(bursts).toEqual([64, 36]);
    expect(serial.waitingBytes).toBe(0);
  });

  it('waits while RTS is down, once it has been up', () => {
    const { uart, bursts, serial } = port();
    uart.modem_control = 3;
    serial.send(Uint8Array.of(1));
    uart.input.length = 0;
    uart.modem_control = 1;
    serial.send(hundred);
    expect(bursts).toEqual([1]);
    uart.modem_control = 3;
    serial.pump();
    expect(bursts).toEqual([1, 64]);
  });

  it('waits between XOFF and XON, but not with what is typed', () => {
    const { uart, bursts, serial } = port();
    serial.output(0x13);
    serial.send(Uint8Array.of(3));
    expect(bursts).toEqual([1]);
    uart.input.length = 0;
    serial.send(hundred);
    expect(bursts).toEqual([1]);
    serial.output(0x11);
    serial.pump();
    expect(bursts).toEqual([1, 64]);
  });

  it('is quiet when nothing is under way and nothing holds it back', () => {
    const { uart, serial } = port();
    expect(serial.isQuiet).toBe(true);
    serial.send(hundred); // 64 in the UART, 36 waiting
    expect(serial.isQuiet).toBe(false);
    uart.input.length = 0;
    serial.pump();
    expect(serial.isQuiet).toBe(false);
    uart.input.length = 0;
    expect(serial.isQuiet).toBe(true);
    serial.output(65);
    expect(serial.isQuiet).toBe(false);
    serial.flush();
    expect(serial.isQuiet).toBe(true);
    serial.output(0x13);
    serial.flush();
    expect(serial.isQuiet).toBe(false);
    serial.output(0x11);
    serial.flush();
    expect(serial.isQuiet).toBe(true);
  });

  it('trickles when XON never comes', () => {
    vi.useFakeTimers();
    const { uart, bursts, serial } = port();
    serial.output(0x13);
    serial.send(new Uint8Array(1000));
    vi.advanceTimersByTime(9_900);
    serial.pump();
    expect(bursts).toEqual([]);
    vi.advanceTimersByTime(200);
    for (let i = 0; i < 5; i++) {
      serial.pump();
      uart.input.length = 0;
    }
    expect(bursts).toEqual([64]);
    vi.advanceTimersByTime(101);
    serial.pump();
    expect(bursts).toEqual([64, 64]);
  });

  it('delivers output in one piece per slice', () => {
    const { serial } = port();
    const pieces: number[][] = [];
    serial.onoutput = (bytes) => pieces.push([...bytes]);
    for (const byte of [1, 2, 3]) serial.output(byte);
    expect(pieces).toEqual([]);
    serial.flush();
    serial.flush();
    expect(pieces).toEqual([[1, 2, 3]]);
  });
});

describe('VirtioConsolePort', () => {
  function port(number: number, queueIndex: number) {
    const buffers: number[] = [];
    const sent: number[] = [];
    const state = { ready: false };
    const device = {
      virtio: {
        get device_status() {
          return state.ready ? 0xf : 0;
        },
        queues: Array.from({ length: 10 }, (_, index) => ({
          is_configured: () => state.ready,
          // The other queues always have room, to be seen if somebody asks them.
          has_request: () => index !== queueIndex || buffers.length > 0,
          desc_addr: 0x1000,
          avail_last_idx: 0,
          avail_get_entry: () => 0,
          get_descriptor: () => ({ len: index === queueIndex ? (buffers[0] ?? 0) : 1, flags: 2 }),
        })),
      },
    } satisfies V86VirtioConsole;
    const console = new VirtioConsolePort('the control channel', device, number, (bytes) => {
      sent.push(bytes.length);
      buffers.shift();
    });
    return { state, buffers, sent, console };
  }

  it.each([
    [0, 0],
    [1, 4],
    [3, 8],
  ])(
    'of port %i sends nothing before the driver is there, and then what fits each buffer',
    (number, queue) => {
      const { state, buffers, sent, console } = port(number, queue);
      console.send(new Uint8Array(10_000));
      expect(sent).toEqual([]);
      state.ready = true;
      buffers.push(4096, 100);
      console.pump();
      expect(sent).toEqual([4096, 100]);
      buffers.push(1 << 20, 1 << 20, 1 << 20);
      console.pump();
      expect(sent).toEqual([4096, 100, 4096, 1708]);
      expect(buffers.length).toBe(1);
    },
  );
});
