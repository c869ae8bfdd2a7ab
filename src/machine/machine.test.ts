import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import {
  asm,
  bareMachine,
  hollowKernel,
  ScratchFunction,
  Transcript,
  WASM_PATH,
  biosOf,
  hollowVgaBios,
} from '../../test/machine-fixtures.ts';
import type { MachineError } from './errors.ts';
import { Machine } from './machine.ts';
import { BAR_WINDOW_BEGIN } from './pci.ts';

const BAR = BAR_WINDOW_BEGIN;
const MEMORY_AND_MASTER = 0x6;
const RESULT = 0x200000;
/** Turns the scratch function on. */
const enable = asm.config(8, 4, MEMORY_AND_MASTER, 2);

let machine: Machine | null = null;
afterEach(async () => {
  await machine?.destroy();
  machine = null;
});

async function make(code: number[], scratch?: ScratchFunction, handler?: number[]): Promise<Machine> {
  return (machine = await bareMachine(code, scratch === undefined ? [] : [scratch.plug], handler));
}

function ended(of: Machine): Promise<'halt' | 'reboot' | MachineError> {
  return new Promise((resolve) => {
    of.onhalt = () => resolve('halt');
    of.onreboot = () => resolve('reboot');
    of.oncrash = resolve;
  });
}

async function run(code: number[], scratch?: ScratchFunction, handler?: number[]) {
  const made = await make(code, scratch, handler);
  const transcript = new Transcript();
  made.serial[0].onoutput = transcript.listen;
  const end = ended(made);
  made.start();
  return { end: await end, text: transcript.text, machine: made };
}

describe('the life of a machine', () => {
  it('reports a final halt once, after the last output', async () => {
    const { end, text, machine } = await run([...asm.print('bye'), ...asm.halt]);
    expect(end).toBe('halt');
    expect(text).toBe('bye');
    expect(machine.state).toBe('halted');
    expect(machine.idle).toBe(true);
    expect(() => machine.start()).toThrow('The machine cannot run any more: it is halted.');
  });

  it.each([
    ['keyboard controller', asm.outByte(0x64, 0xfe)],
    ['port CF9h', [...asm.outByte(0xcf9, 0x02), ...asm.outByte(0xcf9, 0x06)]],
  ])('stops at a reset by %s, at that instruction', async (_, reset) => {
    const { end, text, machine } = await run([
      ...asm.print('a'),
      ...reset,
      ...asm.print('b'),
      ...asm.forever,
    ]);
    expect(end).toBe('reboot');
    expect(text).toBe('a');
    expect(machine.state).toBe('reset');
    const counter = machine.instructionCounter();
    await sleep(30);
    expect(machine.instructionCounter()).toBe(counter);
  });

  it('pauses and goes on', async () => {
    const made = await make(asm.forever);
    expect(made.state).toBe('ready');
    expect(made.instructionCounter()).toBe(0);
    made.start();
    await sleep(50);
    const first = made.instructionCounter();
    expect(first).toBeGreaterThan(1000);
    made.pause();
    const paused = made.instructionCounter();
    await sleep(50);
    expect(made.instructionCounter()).toBe(paused);
    made.start();
    await sleep(50);
    expect(made.instructionCounter()).toBeGreaterThan(paused);
  });

  it('makes no callback after destroy, and keeps its count', async () => {
    const made = await make([...asm.repeat(100_000_000, asm.print('x')), ...asm.halt]);
    let calls = 0;
    made.serial[0].onoutput = () => calls++;
    made.onhalt = () => calls++;
    made.start();
    await sleep(50);
    await made.destroy();
    const after = calls;
    expect(after).toBeGreaterThan(0);
    await sleep(50);
    expect(calls).toBe(after);
    expect(made.state).toBe('destroyed');
    expect(made.instructionCounter()).toBeGreaterThan(0);
    expect(() => made.serial[0].send(Uint8Array.of(1))).toThrow('The machine is off');
    expect(() => made.files.list()).toThrow('The machine is off');
    await made.destroy();
  });

  it('may be destroyed by its own callback', async () => {
    const made = await make([...asm.repeat(100_000_000, asm.print('x')), ...asm.halt]);
    let calls = 0;
    const done = new Promise<void>((resolve) => {
      made.serial[0].onoutput = () => {
        calls++;
        void made.destroy().then(resolve);
      };
    });
    made.start();
    await done;
    await sleep(20);
    expect(calls).toBe(1);
  });

  it('catches what a device throws in a register access', async () => {
    const scratch = new ScratchFunction();
    scratch.onwrite = () => {
      throw new Error('boom');
    };
    const { end, machine } = await run([...enable, ...asm.store32(BAR, 1), ...asm.forever], scratch);
    expect(end).toMatchObject({
      code: 'emulator',
      message: 'The emulator stopped because of an error: boom.',
    });
    expect(machine.state).toBe('crashed');
  });

  it('catches what a deferred task throws while the machine is paused', async () => {
    const scratch = new ScratchFunction();
    const made = await make(asm.forever, scratch);
    const end = ended(made);
    scratch.ports?.clock.defer(() => {
      throw new Error('late');
    });
    expect(await end).toMatchObject({ message: 'The emulator stopped because of an error: late.' });
  });

  it('leaves nothing that keeps the process alive', () => {
    const script = `
      import { bareMachine, asm } from './test/machine-fixtures.ts';
      const idle = await bareMachine([...asm.sti, 0xf4, ...asm.forever]);
      idle.start();
      const busy = await bareMachine(asm.forever);
      busy.start();
      const never = await bareMachine(asm.forever);
      setTimeout(async () => { await idle.destroy(); await busy.destroy(); await never.destroy(); console.log('destroyed'); }, 200);
    `;
    const child = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      timeout: 60_000,
      encoding: 'utf8',
    });
    expect(child.stderr).toBe('');
    expect(child.stdout).toBe('destroyed\n');
    expect(child.status).toBe(0);
  });
});

describe('registers', () => {
  it('get unsigned values, with 16 bits as two bytes and unaligned access as it is', async () => {
    const scratch = new ScratchFunction();
    const answers = [0xf1234567, 0x12345678, 0xff, 0x80, 0xfe];
    scratch.onread = () => answers.shift() ?? 0;
    const { end } = await run(
      [
        ...enable,
        ...asm.store32(BAR + 0x10, 0xfedcba98),
        ...asm.store16(BAR + 0x20, 0xfe01),
        ...asm.store8(BAR + 0x31, 0xff),
        ...asm.store32(BAR + 0x42, 1),
        ...asm.copy32(BAR + 0x3ffc, RESULT),
        ...asm.copy32(BAR, RESULT + 4),
        ...asm.copy8(BAR + 1, RESULT + 8),
        ...asm.copy16(BAR + 2, RESULT + 12),
        ...asm.halt,
      ],
      scratch,
    );
    expect(end).toBe('halt');
    expect(scratch.accesses).toEqual([
      { kind: 'write32', offset: 0x10, value: 0xfedcba98 },
      { kind: 'write8', offset: 0x20, value: 0x01 },
      { kind: 'write8', offset: 0x21, value: 0xfe },
      { kind: 'write8', offset: 0x31, value: 0xff },
      { kind: 'write32', offset: 0x42, value: 1 },
      { kind: 'read32', offset: 0x3ffc },
      { kind: 'read32', offset: 0 },
      { kind: 'read8', offset: 1 },
      { kind: 'read8', offset: 2 },
      { kind: 'read8', offset: 3 },
    ]);
    const result = new Uint8Array(16);
    expect(scratch.ports?.memory.read(RESULT, result, 0, 16)).toBe(true);
    const view = new DataView(result.buffer);
    expect([
      view.getUint32(0, true),
      view.getUint32(4, true),
      view.getUint8(8),
      view.getUint16(12, true),
    ]).toEqual([0xf1234567, 0x12345678, 0xff, 0xfe80]);
  });

  it('answer only when Memory Space is on, and only as far as they go', async () => {
    const scratch = new ScratchFunction();
    scratch.onread = () => 0x11111111;
    await run(
      [
        ...asm.copy32(BAR, RESULT), // off
        ...enable,
        ...asm.copy32(BAR, RESULT + 4),
        ...asm.copy32(BAR + 0x4000, RESULT + 8), // beyond
        ...asm.store32(BAR + 0x1fffc, 5),
        ...asm.halt,
      ],
      scratch,
    );
    const result = new Uint8Array(12);
    scratch.ports?.memory.read(RESULT, result, 0, 12);
    expect([...new Uint32Array(result.buffer)]).toEqual([0xffffffff, 0x11111111, 0xffffffff]);
    expect(scratch.accesses).toEqual([{ kind: 'read32', offset: 0 }]);
  });
});

describe('configuration space', () => {
  it('identifies the function, and the guest cannot change that', async () => {
    const scratch = new ScratchFunction();
    const { end } = await run(
      [
        ...asm.config(8, 0, 0xffffffff, 4),
        ...asm.config(8, 0x2c, 0xffff, 2),
        ...asm.config(8, 0x0c, 0xffffffff, 4),
        ...asm.config(8, 0x3c, 0xffffffff, 4),
        ...asm.config(8, 4, 0xffff, 2),
        ...asm.config(8, 0x10, 0xffffffff, 4), // size probe
        ...[0x00, 0x08, 0x10].flatMap((offset, i) => asm.readConfig(8, offset, RESULT + 4 * i)),
        ...asm.config(8, 0x10, 0x12345678, 4),
        ...[0x04, 0x0c, 0x10, 0x2c, 0x3c].flatMap((offset, i) =>
          asm.readConfig(8, offset, RESULT + 12 + 4 * i),
        ),
        ...asm.config(9, 4, 0xff, 1), // nobody there
        ...asm.config(9, 4, 0xff, 2),
        ...asm.halt,
      ],
      scratch,
    );
    expect(end).toBe('halt');
    const result = new Uint8Array(32);
    scratch.ports?.memory.read(RESULT, result, 0, 32);
    expect([...new Uint32Array(result.buffer)]).toEqual([
      0x56781234, 0x08800003, 0xffffc000, 0x00000546, 0x000000ff, 0x12344000, 0xdef09abc, 0x000001ff,
    ]);
  });

  it('moves the registers to where BAR0 says, unless something else is there', async () => {
    const scratch = new ScratchFunction();
    scratch.onread = () => 0x11111111;
    const elsewhere = 0x12360000;
    const { end } = await run(
      [
        ...enable,
        ...asm.config(8, 0x10, elsewhere, 4),
        ...asm.copy32(elsewhere + 8, RESULT),
        ...asm.copy32(BAR, RESULT + 4), // left
        ...asm.config(8, 0x10, 0xe0000000, 4), // the VGA's
        ...asm.copy32(elsewhere, RESULT + 8), // left as well
        ...asm.config(8, 0x10, 0x00200000, 4), // RAM
        ...asm.config(8, 0x10, 0xffffffff, 4), // the BIOS
        ...asm.config(8, 0x10, 0xfebf0000, 4), // where SeaBIOS puts it
        ...asm.copy32(0xfebf0010, RESULT + 16),
        ...asm.config(8, 0x10, BAR, 4),
        ...asm.copy32(BAR + 12, RESULT + 12),
        ...asm.halt,
      ],
      scratch,
    );
    expect(end).toBe('halt');
    const result = new Uint8Array(20);
    scratch.ports?.memory.read(RESULT, result, 0, 20);
    expect([...new Uint32Array(result.buffer)]).toEqual([
      0x11111111, 0xffffffff, 0xffffffff, 0x11111111, 0x11111111,
    ]);
    expect(scratch.accesses).toEqual([
      { kind: 'read32', offset: 8 },
      { kind: 'read32', offset: 16 },
      { kind: 'read32', offset: 12 },
    ]);
  });

  it('lets the function reach memory only as a bus master', async () => {
    const scratch = new ScratchFunction();
    const seen: boolean[] = [];
    scratch.onwrite = () => seen.push(scratch.ports?.memory.write(RESULT, Uint8Array.of(7), 0, 1) ?? false);
    await run(
      [...asm.config(8, 4, 2, 2), ...asm.store32(BAR, 0), ...enable, ...asm.store32(BAR, 0), ...asm.halt],
      scratch,
    );
    expect(seen).toEqual([false, true]);
  });

  it.each([
    [6, 'PCI slot 6 is taken by virtio-9p.'],
    [0, 'There is no PCI slot 0; slots 2 to 31 take a function.'],
    [32, 'There is no PCI slot 32; slots 2 to 31 take a function.'],
  ])('refuses slot %i', async (slot, message) => {
    const { plug } = new ScratchFunction();
    await expect(bareMachine(asm.halt, [{ ...plug, slot }])).rejects.toThrow(message);
  });
});

describe('interrupts', () => {
  const COUNT = 0x300000;
  const eoi = [...asm.outByte(0xa0, 0x20), ...asm.outByte(0x20, 0x20)];
  /** Both controllers, vectors 20h and 28h; line 11 level-triggered; all PIRQs to line 11. */
  const controllers = [
    ...[0x11, 0x20, 0x04, 0x01].flatMap((icw, i) => asm.outByte(i === 0 ? 0x20 : 0x21, icw)),
    ...[0x11, 0x28, 0x02, 0x01].flatMap((icw, i) => asm.outByte(i === 0 ? 0xa0 : 0xa1, icw)),
    ...asm.outByte(0x21, 0xfb),
    ...asm.outByte(0xa1, 0xf7),
    ...asm.outByte(0x4d1, 0x08),
    ...asm.config(1, 0x60, 0x0b0b0b0b, 4),
  ];
  const handler = [
    0x60, // pusha
    ...[0xff, 0x05, COUNT & 0xff, (COUNT >> 8) & 0xff, (COUNT >> 16) & 0xff, 0], // inc dword [COUNT]
    ...asm.store32(BAR + 4, 1), // acknowledge: the function deasserts
    ...eoi,
    0x61, // popa
    0xcf, // iret
  ];

  function counting(): ScratchFunction {
    const scratch = new ScratchFunction();
    scratch.onwrite = (offset) => {
      if (offset === 0) scratch.ports?.interrupt.assert();
      if (offset === 4) scratch.ports?.interrupt.deassert();
    };
    return scratch;
  }

  function countIn(scratch: ScratchFunction): number {
    const bytes = new Uint8Array(4);
    scratch.ports?.memory.read(COUNT, bytes, 0, 4);
    return new DataView(bytes.buffer).getUint32(0, true);
  }

  it('asserted in a register access are taken, each once, at the next sti', async () => {
    const scratch = counting();
    const code = [
      ...enable,
      ...controllers,
      ...asm.store32(COUNT, 0),
      // sti samples: the line is up by then. Hot enough to be translated.
      ...asm.repeat(20_000, [...asm.store32(BAR, 1), ...asm.sti, ...asm.nop, ...asm.nop]),
      ...asm.halt,
    ];
    const { end } = await run(code, scratch, handler);
    expect(end).toBe('halt');
    expect(countIn(scratch)).toBe(20_000);
    // Each assertion was followed by its acknowledgement, not by another assertion.
    const offsets = scratch.accesses.map(({ offset }) => offset);
    expect(offsets.every((offset, i) => offset === (i % 2 === 0 ? 0 : 4))).toBe(true);
  });

  it('asserted in a register access do not break the translated code around it', async () => {
    const scratch = counting();
    const FLAG = COUNT + 4;
    // Without interrupts first, until the loop is hot and translated.
    const warmUp = 100_000;
    let rings = 0;
    scratch.onwrite = (offset) => {
      if (offset === 4) scratch.ports?.interrupt.deassert();
      else if (rings++ >= warmUp) scratch.ports?.interrupt.assert();
      else scratch.ports?.memory.write(FLAG, new Uint8Array(4), 0, 4);
    };
    const clearFlag = asm.store32(FLAG, 0);
    const body = [
      ...[0x43, 0x43], // inc ebx, twice: a register that the translated code keeps to itself
      ...asm.store32(FLAG, 1),
      ...asm.store32(BAR, 1), // interrupts are on
      ...[0x4b], // dec ebx
      ...[0x83, 0x3d, ...asm.store32(FLAG, 0).slice(2, 6), 0x00, 0x75, 0xf7], // wait: cmp dword [FLAG], 0; jnz wait
    ];
    const code = [
      ...enable,
      ...controllers,
      ...asm.store32(COUNT, 0),
      ...[0x31, 0xdb], // xor ebx, ebx
      ...asm.sti,
      ...asm.repeat(warmUp + 500, body),
      ...[0x89, 0x1d, ...asm.store32(RESULT, 0).slice(2, 6)], // mov [RESULT], ebx
      ...[0x89, 0x25, ...asm.store32(RESULT + 4, 0).slice(2, 6)], // mov [RESULT + 4], esp
      ...asm.halt,
    ];
    const acknowledging = [...handler.slice(0, 1), ...clearFlag, ...handler.slice(1)];
    const { end } = await run(code, scratch, acknowledging);
    expect(end).toBe('halt');
    expect(countIn(scratch)).toBe(500);
    const result = new Uint8Array(8);
    scratch.ports?.memory.read(RESULT, result, 0, 8);
    expect([...new Uint32Array(result.buffer)]).toEqual([warmUp + 500, 0x7000]);
  });

  it('from the event loop wake a halted processor', async () => {
    const scratch = counting();
    const made = await make([...enable, ...controllers, ...asm.sti, 0xf4, ...asm.halt], scratch, handler);
    const end = ended(made);
    made.start();
    await sleep(100);
    expect(made.idle).toBe(true);
    scratch.ports?.interrupt.assert();
    expect(await end).toBe('halt');
    expect(countIn(scratch)).toBe(1);
  });

  it('from a deferred task arrive while the processor halts, without a turn of the event loop', async () => {
    const scratch = counting();
    scratch.onwrite = (offset) => {
      if (offset === 0) scratch.ports?.clock.defer(() => scratch.ports?.interrupt.assert());
      if (offset === 4) scratch.ports?.interrupt.deassert();
    };
    const body = [...asm.store32(BAR, 1), ...asm.sti, 0xf4, 0xfa]; // ring; sti; hlt; cli
    const { end } = await run(
      [...enable, ...controllers, ...asm.repeat(1000, body), ...asm.halt],
      scratch,
      handler,
    );
    expect(end).toBe('halt');
    expect(countIn(scratch)).toBe(1000);
  });

  it('are kept off the line by INTx Disable, and shown in the status register', async () => {
    const scratch = counting();
    const code = [
      ...controllers,
      ...asm.config(8, 4, 0x406, 2),
      ...asm.store32(BAR, 1),
      ...asm.sti,
      ...asm.nop,
      ...asm.copy32(COUNT, RESULT),
      ...asm.readConfig(8, 4, RESULT + 4),
      0xfa,
      ...asm.config(8, 4, 0x006, 2), // the line goes up now
      ...asm.sti,
      ...asm.nop,
      ...asm.readConfig(8, 4, RESULT + 8),
      ...asm.halt,
    ];
    await run(code, scratch, handler);
    const result = new Uint8Array(12);
    scratch.ports?.memory.read(RESULT, result, 0, 12);
    expect([...new Uint32Array(result.buffer)]).toEqual([0, 0x00080406, 0x00000006]);
    expect(countIn(scratch)).toBe(1);
  });
});

describe('input', () => {
  it('reaches the UART in order, in bursts that wait until the guest has read the last', async () => {
    // Echo: wait for LSR bit 0, read, write, until a zero byte comes.
    const echo = [
      ...[0xba, 0xfd, 0x03, 0, 0, 0xec, 0xa8, 0x01, 0x74, 0xf6], // mov edx,3fdh; in al,dx; test al,1; jz
      ...[0xba, 0xf8, 0x03, 0, 0, 0xec, 0x84, 0xc0, 0x74, 0x03, 0xee, 0xeb, 0xe9], // in al,3f8h; test al,al; jz +3; out; jmp back
      ...asm.halt,
    ];
    const made = await make(echo);
    const transcript = new Transcript();
    made.serial[0].onoutput = transcript.listen;
    const end = ended(made);
    const text = Array.from({ length: 5000 }, (_, i) => String.fromCharCode(0x21 + (i % 90))).join('');
    made.serial[0].send(Buffer.from(text));
    made.serial[0].send(Uint8Array.of(0));
    made.start();
    expect(await end).toBe('halt');
    expect(transcript.text).toBe(text);
  });

  it('is refused beyond 16 MiB', async () => {
    const made = await make(asm.forever);
    made.control.send(new Uint8Array(16 * 1024 * 1024));
    expect(() => made.control.send(Uint8Array.of(1))).toThrow(
      'More than 16 MiB are waiting for the control channel',
    );
  });
});

describe('files', () => {
  it('are put, replaced, listed and read', async () => {
    const { files } = await make(asm.forever);
    expect(files.list()).toEqual([]);
    const bytes = Uint8Array.of(1, 2, 3);
    await files.put('b', bytes);
    await files.put('ä b', Uint8Array.of(4));
    bytes[0] = 9;
    expect(files.list()).toEqual(['b', 'ä b']);
    expect(await files.get('b')).toEqual(Uint8Array.of(1, 2, 3));
    await files.put('b', new Uint8Array(0));
    expect(await files.get('b')).toEqual(new Uint8Array(0));
    await expect(files.get('c')).rejects.toThrow('There is no file "c" in the guest\'s share.');
    await expect(files.put('a/b', bytes)).rejects.toThrow('a name holds no slash');
  });
});

describe('create', () => {
  const options = {
    wasm: { path: WASM_PATH },
    bios: biosOf(asm.halt),
    vgaBios: hollowVgaBios,
    kernel: hollowKernel(),
    cmdline: '',
    memoryBytes: 64 * 1024 * 1024,
    plugs: [],
  };

  it('takes a module or bytes, and leaves the images as they are', async () => {
    const { readFile } = await import('node:fs/promises');
    const bytes = await readFile(WASM_PATH);
    const kernel = hollowKernel(8193);
    const before = kernel.slice();
    for (const wasm of [{ bytes }, { module: await WebAssembly.compile(bytes) }]) {
      const made = await Machine.create({
        ...options,
        wasm,
        kernel,
        initrd: Uint8Array.of(1),
        memoryBytes: 65 * 1024 * 1024,
      });
      await made.destroy();
    }
    expect(kernel).toEqual(before);
  });

  it('says in a sentence what is wrong', async () => {
    await expect(Machine.create({ ...options, wasm: { path: '/nowhere/v86.wasm' } })).rejects.toThrow(
      /^The emulator's WebAssembly cannot be used: ENOENT/,
    );
    await expect(Machine.create({ ...options, wasm: { bytes: Uint8Array.of(1, 2) } })).rejects.toMatchObject({
      code: 'wasm',
    });
    await expect(Machine.create({ ...options, kernel: new Uint8Array(4) })).rejects.toMatchObject({
      code: 'kernel',
    });
    await expect(Machine.create({ ...options, initrd: Uint8Array.of(1) })).rejects.toMatchObject({
      code: 'initrd',
    });
    await expect(Machine.create({ ...options, bios: new Uint8Array(4) })).rejects.toMatchObject({
      code: 'firmware',
    });
    // A module that is not v86's.
    const module = await WebAssembly.compile(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    await expect(Machine.create({ ...options, wasm: { module } })).rejects.toMatchObject({
      code: 'emulator',
    });
  });
});
