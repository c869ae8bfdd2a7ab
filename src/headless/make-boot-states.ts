/** Boots the guest once a RAM size and saves it, for an instant start. Started by boot-states.ts. */
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BOOT_STATES, type BootStateEntry, bootStateList, type SavedGuest } from '../lab/boot-state.ts';
import { ControlChannel } from '../lab/control-channel.ts';
import { DEFAULT_CMDLINE } from '../lab/guest-images.ts';
import { NEW_SHELLS_COMMAND, PROMPT, REST_COMMAND } from '../lab/rest.ts';
import { MachineError } from '../machine/errors.ts';
import { Machine } from '../machine/machine.ts';
import type { SavedMachine } from '../machine/saved-state.ts';
import { BOOT_STATE_MIB, bootStateFolder, packFile } from './boot-states.ts';
import { nodeEnvironment } from './node-environment.ts';

const MIB = 2 ** 20;
/** Of one boot; some 10 s are usual. */
const BOOT_MS = 90_000;
const BOOTS = 3;
/** What happens after the last command: pages on their way to the free lists, the kernel's own chores. */
const SETTLE_MS = 500;
const ATTEMPTS = 100;
const BETWEEN_MS = 50;
/** A line of the kernel's on the console. */
const KERNEL_LINE = /\[ *\d+\.\d+\] /;
/** Of what the guest said, when something fails. */
const LAST_WORDS = 1000;

const say = (line: string): void => console.error(line);
const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;

/** What a serial port says, and a way to wait for the prompt. */
class Console {
  text = '';
  readonly listen = (bytes: Uint8Array): void => {
    this.text += Buffer.from(bytes).toString();
  };

  async prompt(): Promise<void> {
    while (!PROMPT.test(this.text)) await sleep(BETWEEN_MS);
  }
}

/** The guest after its boot, at rest (rest.ts says what that is). */
async function bootAndSave(memoryMiB: number): Promise<SavedGuest> {
  const environment = nodeEnvironment();
  const images = await environment.guestImages(() => {});
  const machine = await Machine.create({
    wasm: environment.wasm,
    bios: images.bios,
    vgaBios: images.vgaBios,
    kernel: images.kernel,
    initrd: images.initrd,
    cmdline: DEFAULT_CMDLINE,
    memoryBytes: memoryMiB * MIB,
    plugs: [],
    forgetKernelImage: true,
  });
  const consoles = [new Console(), new Console()] as const;
  const control = new ControlChannel((bytes) => machine.control.send(bytes));
  machine.serial[0].onoutput = consoles[0].listen;
  machine.serial[1].onoutput = consoles[1].listen;
  machine.control.onoutput = (bytes) => control.receive(bytes);
  const ended = new Promise<never>((_resolve, reject) => {
    machine.oncrash = reject;
    machine.onhalt = machine.onreboot = () => reject(new Error('The guest stopped.'));
    setTimeout(
      () => reject(new Error(`The guest was not at rest after ${BOOT_MS / 1000} s.`)),
      BOOT_MS,
    ).unref();
  });
  const rest = async (): Promise<SavedGuest> => {
    await control.ready;
    const prompts = () => Promise.all(consoles.map((console) => console.prompt()));
    await prompts();
    for (const console of consoles) console.text = '';
    await run(control, NEW_SHELLS_COMMAND);
    await prompts();
    const [first, second] = [consoles[0].text, consoles[1].text];
    if (KERNEL_LINE.test(first)) throw new Error('The kernel spoke in the middle of the greeting.');
    control.setClock(Date.now());
    await run(control, REST_COMMAND);
    await sleep(SETTLE_MS);
    return { machine: await saveWhenQuiet(machine), consoles: [first, second] };
  };
  try {
    machine.start();
    return await Promise.race([rest(), ended]);
  } catch (error) {
    say(consoles[0].text.slice(-LAST_WORDS));
    throw error;
  } finally {
    await machine.destroy();
  }
}

async function run(control: ControlChannel, command: string): Promise<void> {
  const { status, output } = await control.exec(command);
  if (status !== 0)
    throw new Error(`The guest did not come to rest: ${output.trim() || `status ${status}`}.`);
}

async function saveWhenQuiet(machine: Machine): Promise<SavedMachine> {
  for (let attempt = 1; ; attempt++) {
    machine.pause();
    try {
      return machine.save();
    } catch (error) {
      const isBusy = error instanceof MachineError && error.code === 'busy';
      if (!isBusy || attempt === ATTEMPTS) throw error;
    }
    machine.start();
    await sleep(BETWEEN_MS);
  }
}

/** A guest that does not come to rest is booted again: what it does at its boot is not the same each time. */
async function bootUntilSaved(memoryMiB: number): Promise<SavedGuest> {
  for (let boot = 1; ; boot++) {
    try {
      return await bootAndSave(memoryMiB);
    } catch (error) {
      if (boot === BOOTS) throw error;
      say(`${error instanceof Error ? error.message : String(error)} Once more …`);
    }
  }
}

function pack(
  { machine: saved, consoles }: SavedGuest,
  memoryMiB: number,
): { entry: BootStateEntry; packed: Uint8Array } {
  const { file, bytes } = packFile(`booted-${memoryMiB}`, saved.bytes);
  const entry = { ...file, memoryMiB, version: saved.version, savedAtMs: saved.savedAtMs, consoles };
  return { entry, packed: bytes };
}

const folder = bootStateFolder();
const parent = dirname(folder);
const draft = `${folder}.${process.pid}`;
mkdirSync(draft, { recursive: true });
try {
  const states: BootStateEntry[] = [];
  for (const memoryMiB of BOOT_STATE_MIB) {
    say(`Booting the guest once with ${memoryMiB} MiB, so that later starts take no boot …`);
    const startedMs = performance.now();
    const { entry, packed } = pack(await bootUntilSaved(memoryMiB), memoryMiB);
    writeFileSync(join(draft, entry.name), packed);
    states.push(entry);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
    say(`Saved in ${seconds} s: ${mib(entry.size)}, ${mib(entry.unpackedSize)} unpacked.`);
  }
  writeFileSync(join(draft, BOOT_STATES), JSON.stringify(bootStateList(states), null, 2));
  // Whole or not at all, and only the newest: those of older guests are of no use.
  rmSync(folder, { recursive: true, force: true });
  renameSync(draft, folder);
  for (const name of readdirSync(parent)) {
    if (join(parent, name) !== folder) rmSync(join(parent, name), { recursive: true, force: true });
  }
} catch (error) {
  rmSync(draft, { recursive: true, force: true });
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
process.exit();
