import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { asm, bareMachine, ScratchFunction, Transcript, WASM_PATH } from '../../test/machine-fixtures.ts';
import type { MachineError } from './errors.ts';
import { forgetImage } from './forget-image.ts';
import { INITRD_ADDRESS, KERNEL_ADDRESS } from './kernel-image.ts';
import { Machine } from './machine.ts';
import type { PciPlug } from './pci.ts';
import { SpareCore } from './spare-core.ts';
import { MACHINE_VERSION, type Rest, type SavedMachine, whyBusy } from './saved-state.ts';

const MIB = 2 ** 20;
const MEMORY_BYTES = 64 * MIB;
const VALUE_AT = 0x300000;

const machines: Machine[] = [];
afterEach(async () => {
  for (const machine of machines.splice(0)) await machine.destroy();
});

async function keep(machine: Promise<Machine>): Promise<Machine> {
  const made = await machine;
  machines.push(made);
  return made;
}

const restore = (saved: SavedMachine, plugs: PciPlug[] = [], memoryBytes = MEMORY_BYTES): Promise<Machine> =>
  keep(Machine.restore({ core: new SpareCore({ path: WASM_PATH }, memoryBytes), plugs, saved }));

/** Waits in HLT for an interrupt of the UART, then goes on. */
const waitForInput = [...asm.sti, 0xf4];
/** Master and slave PIC on vectors 20h and 28h, ICW1 to ICW4; only IRQ 4 (COM1) may come. */
const picForCom1 = [
  ...[0x20, 0xa0].flatMap((port) => asm.outByte(port, 0x11)),
  ...asm.outByte(0x21, 0x20),
  ...asm.outByte(0xa1, 0x28),
  ...asm.outByte(0x21, 0x04),
  ...asm.outByte(0xa1, 0x02),
  ...[0x21, 0xa1].flatMap((port) => asm.outByte(port, 0x01)),
  ...asm.outByte(0x21, 0xef),
  ...asm.outByte(0xa1, 0xff),
  ...asm.outByte(0x3f9, 0x01), // IER: data received
];

/**
 * As firmware does: looks how large the BARs of v86's IDE function are, which it does not have. v86 cannot restore
 * a machine in which nobody did.
 */
const probeIde = [0x10, 0x14, 0x18, 0x1c].flatMap((bar) => asm.config(30, bar, 0xffffffff, 4));

/** Prints `a`, keeps `x` in memory, waits; after a byte of input prints `b` and what it kept, and halts for good. */
const program = [
  ...probeIde,
  ...picForCom1,
  ...asm.store8(VALUE_AT, 'x'.charCodeAt(0)),
  ...asm.print('a'),
  ...waitForInput,
  ...asm.print('b'),
  ...asm.printByteAt(VALUE_AT),
  ...asm.halt,
];

async function savedWhileWaiting(): Promise<SavedMachine> {
  const machine = await keep(bareMachine(program));
  const transcript = new Transcript();
  machine.serial[0].onoutput = transcript.listen;
  machine.start();
  await transcript.waitFor(/a/);
  await expect.poll(() => machine.idle).toBe(true);
  machine.pause();
  return machine.save();
}

describe('a saved machine', () => {
  it('goes on where it was, in as many others as one likes', async () => {
    const saved = await savedWhileWaiting();
    expect(saved).toMatchObject({ version: MACHINE_VERSION, memoryBytes: MEMORY_BYTES });
    // Memory that is zero is left out.
    expect(saved.bytes.length).toBeLessThan(16 * MIB);
    for (let i = 0; i < 2; i++) {
      const machine = await restore(saved);
      const transcript = new Transcript();
      machine.serial[0].onoutput = transcript.listen;
      const halted = new Promise<void>((resolve) => (machine.onhalt = resolve));
      machine.start();
      machine.serial[0].send(Uint8Array.of(13));
      await halted;
      expect(transcript.text).toBe('bx');
    }
  });

  it('may go on itself', async () => {
    const machine = await keep(bareMachine(program));
    const transcript = new Transcript();
    machine.serial[0].onoutput = transcript.listen;
    machine.start();
    await transcript.waitFor(/a/);
    await expect.poll(() => machine.idle).toBe(true);
    machine.pause();
    machine.save();
    machine.start();
    machine.serial[0].send(Uint8Array.of(13));
    await transcript.waitFor(/abx/);
  });

  it('is not asked for time that passed while it was a file', async () => {
    const saved = await savedWhileWaiting();
    const machine = await restore({ ...saved, savedAtMs: saved.savedAtMs - 1e9 });
    const before = machine.timeStamp()?.ticks ?? NaN;
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(60e9);
    await sleep(20);
    expect(machine.timeStamp()?.ticks).toBeGreaterThan(before);
  });

  it('takes functions that are new to it, with the interrupt line that its firmware would have given them', async () => {
    const LINE_AT = 0x310000;
    // The firmware's part, by hand: PIRQA to PIRQD of the PIIX3 (60h to 63h) to line 11.
    const code = [
      ...probeIde,
      ...picForCom1,
      ...asm.config(1, 0x60, 0x0b0b0b0b, 4),
      ...waitForInput,
      ...asm.readConfig(8, 0x3c, LINE_AT),
      ...asm.printByteAt(LINE_AT),
      ...asm.halt,
    ];
    const first = await keep(bareMachine(code));
    first.start();
    await expect.poll(() => first.idle).toBe(true);
    first.pause();
    const scratch = new ScratchFunction();
    const machine = await restore(first.save(), [scratch.plug]);
    const transcript = new Transcript();
    machine.serial[0].onoutput = transcript.listen;
    machine.start();
    machine.serial[0].send(Uint8Array.of(13));
    await transcript.waitFor(/\x0b/); // eslint-disable-line no-control-regex -- line 11
    expect(() => machine.save()).toThrow('The machine cannot be saved now');
  });

  /** A function whose state is one number, and what it was given at the last attach. */
  class SavableFunction extends ScratchFunction {
    state = 0;
    busy: string | null = null;
    restored: unknown;
    readonly savable: PciPlug = {
      ...this.plug,
      attach: (ports, saved) => {
        this.restored = saved?.state;
        const handlers = this.plug.attach(ports);
        if (saved) ports.interrupt.assert();
        return handlers;
      },
      whyBusy: () => this.busy,
      save: () => ({ value: this.state }),
    };
  }
  const BAR = 0xf4000000;
  const READ_AT = 0x320000;
  /** Moves the BAR, turns on memory, mastering and INTx Disable; after input shows what is at the BAR and its status. */
  const moveBar = [
    ...probeIde,
    ...picForCom1,
    ...asm.config(8, 0x10, BAR, 4),
    ...asm.config(8, 0x0c, 0x10, 1),
    ...asm.config(8, 0x04, 0x0406, 2),
    ...waitForInput,
    ...asm.copy32(BAR + 0x20, READ_AT),
    ...asm.printByteAt(READ_AT),
    ...asm.readConfig(8, 0x0c, READ_AT),
    ...asm.printByteAt(READ_AT),
    ...asm.readConfig(8, 0x04, READ_AT),
    ...[0, 1, 2].flatMap((i) => asm.printByteAt(READ_AT + i)),
    ...asm.halt,
  ];

  it('has its functions where they were, with their states', async () => {
    const first = new SavableFunction();
    first.state = 77;
    const machine = await keep(bareMachine(moveBar, [first.savable]));
    machine.start();
    expect(await machine.pauseAtRest(10_000)).toBeNull();
    first.busy = 'the scratch registers are in use';
    expect(() => machine.save()).toThrow(/the scratch registers are in use/);
    first.busy = null;
    const saved = structuredClone(machine.save());
    const second = new SavableFunction();
    second.onread = (offset) => (offset === 0x20 ? 'R'.charCodeAt(0) : 0);
    const resumed = await restore(saved, [second.savable]);
    expect(second.restored).toEqual({ value: 77 });
    const transcript = new Transcript();
    resumed.serial[0].onoutput = transcript.listen;
    const halted = new Promise<void>((resolve) => (resumed.onhalt = resolve));
    resumed.start();
    resumed.serial[0].send(Uint8Array.of(13));
    await halted;
    // Cache line size 10h; command 0406h; Interrupt Status is up, which INTx Disable keeps from the line.
    expect([...transcript.text].map((char) => char.charCodeAt(0))).toEqual([0x52, 0x10, 0x06, 0x04, 0x08]);
  });

  it('is refused where its functions are others, or missing', async () => {
    const first = new SavableFunction();
    const machine = await keep(bareMachine(moveBar, [first.savable]));
    machine.start();
    expect(await machine.pauseAtRest(10_000)).toBeNull();
    const saved = machine.save();
    const { savable } = new SavableFunction();
    await expect(restore(saved)).rejects.toMatchObject({
      code: 'state',
      message: expect.stringMatching(/slot 8/),
    });
    await expect(restore(saved, [{ ...savable, slot: 9 }])).rejects.toMatchObject({ code: 'state' });
    const others: Partial<PciPlug>[] = [{ vendorId: 1 }, { revision: 9 }, { bar0Bytes: 0x8000000 }];
    for (const other of others)
      await expect(restore(saved, [{ ...savable, ...other }])).rejects.toMatchObject({
        code: 'state',
        message: expect.stringMatching(/in slot 8 it has another function/),
      });
    const [one] = saved.functions ?? [];
    if (!one) throw new Error('none');
    const changes: [number, number][] = [
      [0, 1],
      [0x10, 1],
      [0x3d, 2],
      [0x04, 0x80],
      [0x20, 300],
    ];
    for (const [offset, value] of changes) {
      const configuration = one.configuration.with(offset, value);
      await expect(
        restore({ ...saved, functions: [{ ...one, configuration }] }, [savable]),
      ).rejects.toMatchObject({ code: 'state' });
    }
  });

  it('is refused in a sentence, before any function is attached', async () => {
    const saved = await savedWhileWaiting();
    let attached = 0;
    const scratch = new ScratchFunction();
    const plug = { ...scratch.plug, attach: () => (attached++, scratch.plug.attach as never) };
    const refused = async (wrong: Partial<SavedMachine>, memoryBytes = MEMORY_BYTES) =>
      restore({ ...saved, ...wrong }, [plug], memoryBytes).then(
        () => 'restored',
        ({ code, message }: MachineError) => `${code}: ${message}`,
      );
    expect(await refused({ version: 'v86 1' })).toBe(
      `state: The saved state of the machine cannot be restored: it was made by "v86 1", and this is "${MACHINE_VERSION}".`,
    );
    expect(await refused({}, 128 * MIB)).toMatch(
      /^state: .* 67108864 bytes of memory, and 134217728 were asked/,
    );
    expect(await refused({ memoryBytes: 128 * MIB }, 128 * MIB)).toMatch(/^state: .*memory of another size/);
    expect(await refused({ bytes: saved.bytes.slice(0, -4) })).toMatch(/^state: /);
    expect(await refused({ bytes: new Uint8Array(0) })).toMatch(/^state: /);
    expect(await refused({ bytes: new Uint8Array(100).fill(1) })).toMatch(/^state: .*header/);
    expect(attached).toBe(0);
  });
});

describe('a machine is at rest', () => {
  const atRest: Rest = {
    isPaused: true,
    isIdle: true,
    functionsBusy: null,
    linesQuiet: true,
    channelsQuiet: true,
    filesPending: 0,
  };

  it.each<[Partial<Rest>, RegExp | null]>([
    [{}, null],
    [{ isPaused: false }, /not paused/],
    [{ isIdle: false }, /at work/],
    [{ functionsBusy: 'nvme is at work' }, /nvme is at work/],
    [{ linesQuiet: false }, /interrupt/],
    [{ channelsQuiet: false }, /bytes/],
    [{ filesPending: 1 }, /file/],
  ])('or not: %o', (change, why) => {
    const busy = whyBusy({ ...atRest, ...change });
    if (why === null) expect(busy).toBeNull();
    else expect(busy).toMatch(why);
  });

  it('or never in the time that there is', async () => {
    const machine = await keep(bareMachine([...asm.forever]));
    machine.start();
    expect(await machine.pauseAtRest(30)).toBe('the guest is at work');
    expect(machine.state).toBe('running');
    const waiting = machine.pauseAtRest(60_000);
    await machine.destroy();
    expect(await waiting).toBe('it has stopped');
  });

  it('not while it runs, and not with input that it has not read', async () => {
    const machine = await keep(bareMachine([...asm.halt]));
    machine.serial[0].send(Uint8Array.of(1, 2, 3));
    expect(() => machine.save()).toThrow(/cannot be saved now/);
    machine.start();
    expect(() => machine.save()).toThrow(/not paused/);
  });
});

describe('the packed kernel', () => {
  it('is zeroed once the kernel runs, and not before', () => {
    const zeroed: number[][] = [];
    const dropped: number[][] = [];
    const cpu = {
      instruction_pointer: { 0: 0x100000, byteOffset: 0, length: 1 },
      zero_memory: (...range: number[]) => void zeroed.push(range),
      jit_dirty_cache: (...range: number[]) => void dropped.push(range),
    };
    const afterSlice = forgetImage(cpu, 3_000_001);
    expect(afterSlice()).toBe(false);
    cpu.instruction_pointer[0] = 0x0100_0000;
    expect(afterSlice()).toBe(false);
    expect(zeroed).toEqual([]);
    cpu.instruction_pointer[0] = 0xc100_0000 | 0; // as v86 has it, signed
    expect(afterSlice()).toBe(true);
    const bytes = Math.ceil(3_000_001 / 4096) * 4096;
    expect(zeroed).toEqual([[KERNEL_ADDRESS, bytes]]);
    expect(dropped).toEqual([[KERNEL_ADDRESS, KERNEL_ADDRESS + bytes]]);
  });

  it('is not taken for larger than what lies below the initramfs', () => {
    const zeroed: number[][] = [];
    const cpu = {
      instruction_pointer: { 0: -1, byteOffset: 0, length: 1 },
      zero_memory: (...range: number[]) => void zeroed.push(range),
      jit_dirty_cache: () => {},
    };
    forgetImage(cpu, 1e9)();
    expect(zeroed).toEqual([[KERNEL_ADDRESS, INITRD_ADDRESS - KERNEL_ADDRESS]]);
  });
});
