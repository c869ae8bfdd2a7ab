import { parseArgs } from 'node:util';
import type { DiskFormat } from '../lab/disk-files/transfer.ts';
import { parseSize } from '../lab/size.ts';
import { CACHE_MODES, type CacheMode } from '../storage/cache-mode.ts';

export interface LabArguments {
  readonly device: string;
  readonly sizeBytes: number;
  /** Whether --device or --size was given: if not, a disk in --media is taken as it is. */
  readonly chosen: boolean;
  /** Whether --size was given. */
  readonly sizeGiven: boolean;
  readonly media: string | undefined;
  /** Shell commands in the order in which they run: the script's text first. */
  readonly commands: readonly string[];
  readonly report: boolean;
  readonly json: boolean;
  /** Inclusive. */
  readonly luns: { readonly begin: number; readonly end: number } | undefined;
  readonly memoryMiB: number;
  readonly cmdline: string;
  readonly cold: boolean;
  /** Absent: as a -drive of the device line says, or writethrough. */
  readonly cache: CacheMode | undefined;
  /** What is done about targets that the disk remembers, before anything else is run. */
  readonly targets: 'create' | 'ignore';
  readonly kernel: string | undefined;
  readonly initrd: string | undefined;
  readonly script: string | undefined;
  readonly showConsole: boolean;
  readonly timeoutMs: number;
  readonly help: boolean;
  /** A file that the new disk is filled from, and one that it is written to when everything else is done. */
  readonly import: string | undefined;
  readonly export: string | undefined;
  /** What such a file is, where its name and its first bytes do not say it. */
  readonly format: DiskFormat | undefined;
  /** The out-of-band file that goes with raw files (lmetadata). */
  readonly metadata: string | undefined;
  /** Files that the lab is saved to at the end, and goes on from instead of booting. */
  readonly save: string | undefined;
  readonly resume: string | undefined;
  /** Paths of the files whose contents a device line only names. */
  readonly files: DeviceFilePaths;
}

export interface DeviceFilePaths {
  readonly chunkInfo: string | undefined;
  readonly resetFail: string | undefined;
  readonly writeFail: string | undefined;
  readonly badBlocks: string | undefined;
}

export const USAGE = `usage: npm run lab -- --device "nvme,…" --size 8G [options] --exec "command" …

  --device LINE    the -device line as given to qemu-nvme or FEMU (the tutorial's by default);
                   with open-channel 2.0 also the qemu-img create -f ocssd line before it
  --size SIZE      of the backing file: 8G, 513M …               (8G)
                   not used where the line itself says how large the disk is
  --chunk-info FILE   chunk states of a new 2.0 disk (lchunkstate, chunkinfo)
  --reset-fail FILE   resets that fail (lresetfail, resetfail)
  --write-fail FILE   writes that fail (lwritefail, writefail)
  --bad-blocks FILE   bad-block table of a new 1.2 disk (lbbtable): a byte a LUN, chunk, plane
  --media FILE     keep the disk in FILE; in memory otherwise. A disk that is there keeps
                   its device line and size when neither is given
  --import FILE    fill a new disk from FILE: an exported disk, or an image of qemu-nvme
  --export FILE    write the disk to FILE when all else is done; then, too, nothing is booted
                   unless there is something to run
  --format FORMAT  what FILE is: container (also *.lnvmpack), ocssd (2.0), raw12 (1.2, with
                   FILE.meta and FILE.bbt)
  --metadata FILE  the out-of-band file of an imported raw file, instead of FILE.meta
  --save FILE      save the running lab to FILE when all else is done, and switch it off there
  --resume FILE    go on from there instead of booting; --media is the disk, unchanged since
  --cache MODE     when a write is done, as -drive cache= of QEMU says: writethrough (when it
                   is stored), writeback (at once; stored within half a second, a flush waits)
                   or unsafe (at once; in memory until the power is off)
  --targets create    make the targets again that the disk remembers and Linux has forgotten,
                   before anything else is run                    (ignore)
  --exec COMMAND   run with sh -c in the guest; may be repeated
  --script FILE    a shell script to run in the guest, before any --exec
  --report         print the geometry report instead of booting
  --luns A-B       LUNs for the report, inclusive                 (all)
  --json           the report as JSON
  --memory MIB     RAM of the guest, 64 to 1024                   (128)
  --cmdline TEXT   kernel command line
  --cold           boot the kernel, even where a guest that has booted was saved by the build
  --kernel FILE    another bzImage      --initrd FILE   another initramfs
  --console        show the guest's console on standard error
  --timeout SEC    longest time for the boot and for each command (600)

Without --exec, --script, --report, --import, --export or --save, and on a terminal: the guest's shell, until it is shut down.
The exit status is that of the last command; 124 when time was up, 125 when the guest
crashed or the lab failed, 2 for a wrong option, device line or file.`;

const TARGETS = ['create', 'ignore'] as const;
const FORMATS: readonly DiskFormat[] = ['container', 'ocssd', 'raw12'];

/** Options of `npm run lab`, or one sentence on what is wrong with them. */
export function readArguments(
  argv: readonly string[],
  defaults: { device: string },
): LabArguments | { error: string } {
  let values;
  try {
    ({ values } = parseArgs({
      args: withPastedLine(argv),
      options: {
        device: { type: 'string' },
        size: { type: 'string' },
        media: { type: 'string' },
        exec: { type: 'string', multiple: true },
        script: { type: 'string' },
        report: { type: 'boolean' },
        json: { type: 'boolean' },
        luns: { type: 'string' },
        memory: { type: 'string' },
        cmdline: { type: 'string' },
        cold: { type: 'boolean' },
        cache: { type: 'string' },
        targets: { type: 'string' },
        kernel: { type: 'string' },
        initrd: { type: 'string' },
        console: { type: 'boolean' },
        timeout: { type: 'string' },
        import: { type: 'string' },
        export: { type: 'string' },
        format: { type: 'string' },
        metadata: { type: 'string' },
        save: { type: 'string' },
        resume: { type: 'string' },
        'chunk-info': { type: 'string' },
        'reset-fail': { type: 'string' },
        'write-fail': { type: 'string' },
        'bad-blocks': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (error) {
    return { error: `${(error as Error).message.split('. ')[0]}; --help lists the options.` };
  }
  const size = parseSize(values.size ?? '8G');
  if (!size.ok) return { error: `--size: ${size.error}` };
  const memoryMiB = wholeNumber(values.memory ?? '128', 64, 1024);
  if (memoryMiB === undefined)
    return { error: `--memory is ${values.memory}; it takes whole MiB from 64 to 1024, such as 128.` };
  const timeoutSec = wholeNumber(values.timeout ?? '600', 1, 86_400);
  if (timeoutSec === undefined)
    return { error: `--timeout is ${values.timeout}; it takes whole seconds from 1 to 86400, such as 600.` };
  const cache = CACHE_MODES.find((mode) => mode === values.cache);
  if (values.cache !== undefined && cache === undefined)
    return { error: `--cache is ${values.cache}; it takes ${CACHE_MODES.join(', ')}.` };
  const targets = TARGETS.find((choice) => choice === (values.targets ?? 'ignore'));
  if (targets === undefined)
    return { error: `--targets is ${values.targets}; it takes ${TARGETS.join(', ')}.` };
  const format = FORMATS.find((one) => one === values.format);
  if (values.format !== undefined && format === undefined)
    return { error: `--format is ${values.format}; it takes ${FORMATS.join(', ')}.` };
  if (values.metadata !== undefined && values.import === undefined)
    return { error: '--metadata goes with --import, which is not there; add it or leave --metadata out.' };
  const saving = values.save !== undefined ? '--save' : values.resume !== undefined ? '--resume' : undefined;
  if (saving !== undefined && values.media === undefined)
    return { error: `${saving} needs a disk that is still there later; give its file with --media.` };
  let luns: LabArguments['luns'];
  if (values.luns !== undefined) {
    const range = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(values.luns);
    if (!range) return { error: `--luns is ${values.luns}; it takes a range such as 0-3.` };
    const begin = Number(range[1]);
    luns = { begin, end: Number(range[2] ?? begin) };
  }
  return {
    device: values.device ?? defaults.device,
    sizeBytes: size.bytes,
    chosen: values.device !== undefined || values.size !== undefined,
    sizeGiven: values.size !== undefined,
    media: values.media,
    commands: values.exec ?? [],
    report: values.report ?? false,
    json: values.json ?? false,
    luns,
    memoryMiB,
    cmdline: values.cmdline ?? '',
    cold: values.cold ?? false,
    cache,
    targets,
    kernel: values.kernel,
    initrd: values.initrd,
    script: values.script,
    showConsole: values.console ?? false,
    timeoutMs: timeoutSec * 1000,
    help: values.help ?? false,
    import: values.import,
    export: values.export,
    format,
    metadata: values.metadata,
    save: values.save,
    resume: values.resume,
    files: {
      chunkInfo: values['chunk-info'],
      resetFail: values['reset-fail'],
      writeFail: values['write-fail'],
      badBlocks: values['bad-blocks'],
    },
  };
}

/** A pasted line begins with a dash itself, which the reader of arguments would take for an option. */
function withPastedLine(argv: readonly string[]): string[] {
  const at = argv.indexOf('--device');
  const line = argv[at + 1];
  if (at < 0 || line === undefined || !/^--?device\s/.test(line)) return [...argv];
  return [...argv.slice(0, at), `--device=${line}`, ...argv.slice(at + 2)];
}

function wholeNumber(text: string, min: number, max: number): number | undefined {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  return value >= min && value <= max ? value : undefined;
}
