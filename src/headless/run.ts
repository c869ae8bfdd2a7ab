import { readFile } from 'node:fs/promises';
import { CommandTimeout } from '../lab/control-channel.ts';
import { buildConfig, mediumOf } from '../lab/device-line.ts';
import { LabError, sentenceOf } from '../lab/errors.ts';
import { Lab, RESTARTING } from '../lab/lab.ts';
import type { SavedLab } from '../lab/saved-lab.ts';
import type { DeviceFiles } from '../lab/types.ts';
import type { DiskCatalogue, DiskSpec } from '../storage/catalogue.ts';
import { FileCatalogue } from '../storage/file.ts';
import { MemoryCatalogue } from '../storage/memory.ts';
import type { LabArguments } from './arguments.ts';
import { findBootStates } from './boot-states.ts';
import { readDeviceFiles } from './device-files.ts';
import { exportDisk, importDisk } from './disk-files.ts';
import { guestFolder, nodeEnvironment } from './node-environment.ts';
import { readSavedLabFile, writeSavedLabFile } from './saved-labs.ts';

const USAGE_ERROR = 2;
/** As timeout(1) answers. */
const TIME_IS_UP = 124;
/** The guest died under a command, or the lab failed. */
const LAB_FAILED = 125;
const TTY = 0;

/** Boots, runs the commands, prints what they print; answers with the exit status. */
export async function runLab(args: LabArguments): Promise<number> {
  const { import: from } = args;
  // Of an imported disk states and bad blocks are what they were; a file of bad blocks belongs to the import.
  const files = await readDeviceFiles(
    from === undefined ? args.files : { ...args.files, chunkInfo: undefined, badBlocks: undefined },
  );
  const built = buildConfig(args.device, args.sizeBytes, from === undefined || args.chosen ? files : {});
  if (!built.ok) {
    console.error(built.error);
    return USAGE_ERROR;
  }
  const commands = [...(args.script === undefined ? [] : [await readScript(args.script)]), ...args.commands];
  const transfers = args.import !== undefined || args.export !== undefined;
  const runs = commands.length > 0 || args.save !== undefined;
  const interactive = !runs && !transfers;
  if (interactive && !process.stdin.isTTY) {
    console.error(
      'Nothing to do: give --exec, --script, --save, --import, --export or --report, or run it on a terminal; --help lists the options.',
    );
    return USAGE_ERROR;
  }
  const spec: DiskSpec = {
    name: 'headless',
    deviceLine: args.device,
    // Which may be what the line says instead of what was asked for.
    sizeBytes: built.result.sizeBytes,
    ...mediumOf(built.config),
  };
  // Before a disk is made of what may not be wanted.
  const machine = { commands, files, ...(await readMachineFiles(args)) };
  const { catalogue, diskId } = await openCatalogue(args, spec);
  const status = runs || interactive ? await runMachine(args, machine, catalogue, diskId) : 0;
  if (args.export !== undefined) await exportDisk(args, catalogue, diskId, args.export);
  return status;
}

/** What is put into a machine, as it was read. */
interface MachineFiles {
  readonly resume?: SavedLab;
  readonly kernel?: ArrayBuffer;
  readonly initrd?: ArrayBuffer;
}

/** @throws LabError for one that cannot be read */
async function readMachineFiles(args: LabArguments): Promise<MachineFiles> {
  return {
    ...(args.resume !== undefined && { resume: await readSavedLabFile(args.resume) }),
    ...(args.kernel !== undefined && { kernel: await readImage(args.kernel) }),
    ...(args.initrd !== undefined && { initrd: await readImage(args.initrd) }),
  };
}

/** Boots on a disk and runs the commands, or the guest's shell where there are none. */
async function runMachine(
  args: LabArguments,
  machine: MachineFiles & { readonly commands: readonly string[]; readonly files: DeviceFiles },
  catalogue: DiskCatalogue,
  diskId: string,
): Promise<number> {
  const { commands, files, ...images } = machine;
  const interactive = commands.length === 0 && args.save === undefined;
  const said = new Set<string>();
  /** One sentence for one thing: a panic is a notice, a power state and a failed command. */
  const say = (sentence: string) => {
    if (sentence !== '' && !said.has(sentence)) console.error(sentence);
    said.add(sentence);
  };
  let off: () => void = () => {};
  const isOff = new Promise<void>((resolve) => (off = resolve));
  const lab = new Lab(nodeEnvironment(guestFolder, findBootStates()), {
    console: (tty, bytes) => {
      if (tty !== TTY) return;
      if (interactive) process.stdout.write(bytes);
      else if (args.showConsole) process.stderr.write(bytes);
    },
    power: (state, reason) => {
      if (state === 'crashed' || state === 'hung') say(reason);
      if (state === 'halted' || state === 'crashed' || (state === 'off' && reason !== RESTARTING)) off();
    },
    boot: () => {},
    notice: (notice) => {
      if (notice.level !== 'info') say(notice.text);
    },
  });
  await lab.powerOn({
    catalogue,
    diskId,
    memoryMiB: images.resume?.memoryMiB ?? args.memoryMiB,
    ...images,
    cmdline: args.cmdline,
    cold: args.cold,
    ...(args.cache && { cache: args.cache }),
    ...(Object.keys(files).length === 0 ? {} : { files }),
  });
  try {
    if (args.targets === 'create') await createTargets(lab, args.timeoutMs);
    if (interactive) {
      await attachTerminal(lab, isOff);
      return 0;
    }
    const status = await runCommands(lab, commands, args.timeoutMs);
    if (args.save !== undefined) {
      await lab.whenReady();
      await writeSavedLabFile(args.save, await lab.save({ powerOff: true, timeoutMs: args.timeoutMs }));
    }
    return status;
  } catch (error) {
    say(sentenceOf(error));
    return error instanceof CommandTimeout ? TIME_IS_UP : LAB_FAILED;
  } finally {
    await lab.powerOff();
  }
}

/** Makes the targets again that the disk remembers; one that fails is told, and does not stop what follows. */
async function createTargets(lab: Lab, timeoutMs: number): Promise<void> {
  for (const { name, command, status, output } of await lab.createTargets({ timeoutMs })) {
    if (status !== 0)
      console.error(
        `The target ${name} was not created: ${command} ended with status ${status}. ${output.trim()}`,
      );
  }
}

/** One after the other; a command that fails does not stop the next, as in a shell. */
async function runCommands(lab: Lab, commands: readonly string[], timeoutMs: number): Promise<number> {
  let status = 0;
  for (const command of commands) {
    ({ status } = await lab.exec(command, { timeoutMs, onoutput: (bytes) => process.stdout.write(bytes) }));
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
  args: LabArguments,
  spec: DiskSpec,
): Promise<{ catalogue: DiskCatalogue; diskId: string }> {
  const { media } = args;
  if (args.import !== undefined) {
    const catalogue = media === undefined ? new MemoryCatalogue() : FileCatalogue.ofFile(media);
    return { catalogue, diskId: (await importDisk(args, catalogue, args.import)).id };
  }
  if (media === undefined) {
    const catalogue = new MemoryCatalogue();
    return { catalogue, diskId: (await catalogue.create(spec)).id };
  }
  const catalogue = FileCatalogue.ofFile(media);
  const [disk = await catalogue.create(spec)] = await catalogue.list();
  if (disk.problem !== undefined) throw new LabError('disk', disk.problem);
  if (args.chosen && !sameDevice(disk, spec)) {
    throw new LabError(
      'disk',
      `${media} holds a disk made with --device "${disk.deviceLine}" --size ${disk.sizeBytes}; give the same or neither, or another file.`,
    );
  }
  return { catalogue, diskId: disk.id };
}

/** Whether two lines mean the same device, however they are written. */
function sameDevice(a: DiskSpec, b: DiskSpec): boolean {
  const [one, other] = [a, b].map(({ deviceLine, sizeBytes }) => buildConfig(deviceLine, sizeBytes));
  return (
    one?.ok === true && other?.ok === true && JSON.stringify(one.config) === JSON.stringify(other.config)
  );
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
