import { readFile } from 'node:fs/promises';
import { ControlError } from '../lab/control-channel.ts';
import { buildConfig, mediumOf } from '../lab/device-line.ts';
import { LabError } from '../lab/errors.ts';
import { Lab } from '../lab/lab.ts';
import type { DiskCatalogue, DiskSpec } from '../storage/catalogue.ts';
import { FileCatalogue } from '../storage/file.ts';
import { MemoryCatalogue } from '../storage/memory.ts';
import type { LabArguments } from './arguments.ts';
import { nodeEnvironment } from './node-environment.ts';

const USAGE_ERROR = 2;
/** As timeout(1) answers. */
const TIME_IS_UP = 124;
const TTY = 0;

/** Boots, runs the commands, prints what they print; answers with the exit status. */
export async function runLab(args: LabArguments): Promise<number> {
  const built = buildConfig(args.device, args.sizeBytes);
  if (!built.ok) {
    console.error(built.error);
    return USAGE_ERROR;
  }
  const commands = [...(args.script === undefined ? [] : [await readScript(args.script)]), ...args.commands];
  const interactive = commands.length === 0;
  if (interactive && !process.stdin.isTTY) {
    console.error(
      'Nothing to do: give --exec, --script or --report, or run it on a terminal; --help lists the options.',
    );
    return USAGE_ERROR;
  }
  const spec: DiskSpec = {
    name: 'headless',
    deviceLine: args.device,
    sizeBytes: args.sizeBytes,
    ...mediumOf(built.config),
  };
  const { catalogue, diskId } = await openCatalogue(args.media, spec);
  let off: () => void = () => {};
  const isOff = new Promise<void>((resolve) => (off = resolve));
  const lab = new Lab(nodeEnvironment(), {
    console: (tty, bytes) => {
      if (tty !== TTY) return;
      if (interactive) process.stdout.write(bytes);
      else if (args.showConsole) process.stderr.write(bytes);
    },
    power: (state, reason) => {
      if (state === 'crashed' || state === 'hung') console.error(reason);
      if (state === 'halted' || state === 'off' || state === 'crashed') off();
    },
    boot: () => {},
    notice: (notice) => {
      if (notice.level !== 'info') console.error(notice.text);
    },
  });
  await lab.powerOn({
    catalogue,
    diskId,
    memoryMiB: args.memoryMiB,
    cmdline: args.cmdline,
    ...(args.kernel === undefined ? {} : { kernel: await readImage(args.kernel) }),
    ...(args.initrd === undefined ? {} : { initrd: await readImage(args.initrd) }),
  });
  try {
    if (interactive) {
      await attachTerminal(lab, isOff);
      return 0;
    }
    await withTimeout(lab.whenReady(), args.timeoutMs);
    return await runCommands(lab, commands, args.timeoutMs);
  } catch (error) {
    if (!(error instanceof TimeUp)) throw error;
    console.error(error.message);
    return TIME_IS_UP;
  } finally {
    await lab.powerOff();
  }
}

/** One after the other; a command that fails does not stop the next, as in a shell. */
async function runCommands(lab: Lab, commands: readonly string[], timeoutMs: number): Promise<number> {
  let status = 0;
  for (const command of commands) {
    try {
      ({ status } = await lab.exec(command, { timeoutMs, onoutput: (bytes) => process.stdout.write(bytes) }));
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      console.error(error.message);
      return TIME_IS_UP;
    }
  }
  return status;
}

/** The guest's first shell on this terminal, until the guest halts or the input ends. */
async function attachTerminal(lab: Lab, isOff: Promise<void>): Promise<void> {
  const { stdin, stdout } = process;
  const resize = () => lab.consoleResize(TTY, stdout.columns ?? 80, stdout.rows ?? 24);
  stdin.setRawMode(true);
  stdin.on('data', (bytes: Buffer) => lab.consoleSend(TTY, new Uint8Array(bytes)));
  stdout.on('resize', resize);
  resize();
  await Promise.race([isOff, new Promise<void>((resolve) => stdin.on('end', resolve))]);
  stdin.setRawMode(false);
  stdin.pause();
}

async function openCatalogue(
  media: string | undefined,
  spec: DiskSpec,
): Promise<{ catalogue: DiskCatalogue; diskId: string }> {
  if (media === undefined) {
    const catalogue = new MemoryCatalogue();
    return { catalogue, diskId: (await catalogue.create(spec)).id };
  }
  const catalogue = FileCatalogue.ofFile(media);
  const [existing] = await catalogue.list();
  const disk = existing ?? (await catalogue.create(spec));
  if (existing && (existing.unitBytes !== spec.unitBytes || existing.totalUnits !== spec.totalUnits)) {
    throw new LabError(
      'disk',
      `${media} holds a disk made with --device "${existing.deviceLine}" --size ${existing.sizeBytes}; give the same, or another file.`,
    );
  }
  return { catalogue, diskId: disk.id };
}

async function readScript(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new LabError('file', `The script ${path} cannot be read (${(error as Error).message}).`, error);
  }
}

async function readImage(path: string): Promise<ArrayBuffer> {
  try {
    return new Uint8Array(await readFile(path)).buffer;
  } catch (error) {
    throw new LabError('file', `The image ${path} cannot be read (${(error as Error).message}).`, error);
  }
}

class TimeUp extends Error {}

async function withTimeout<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeUp = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new TimeUp(
            `The guest was not ready after ${timeoutMs / 1000} seconds; --console shows what it did.`,
          ),
        ),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([promise, timeUp]);
  } finally {
    clearTimeout(timer);
  }
}
